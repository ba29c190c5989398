// Instructions that the Go assembler does not know. Operands are register
// numbers in the order of the Go assembler: m and n are the sources, d is the
// destination. The line above each macro is the instruction as Arm writes it;
// TestInstructions has it assembled and compares the words.

// sdot vD.4s, vN.16b, vM.16b
#define SDOT(m, n, d) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d))

// sdot vD.4s, vN.16b, vM.4b[I]
#define SDOT_ELEMENT(i, m, n, d) WORD $(0x4f80e000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

// smull vD.8h, vN.8b, vM.8b
#define SMULL(m, n, d) WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | (d))

// smull2 vD.8h, vN.16b, vM.16b
#define SMULL2(m, n, d) WORD $(0x4e20c000 | (m)<<16 | (n)<<5 | (d))

// smlal vD.8h, vN.8b, vM.8b
#define SMLAL(m, n, d) WORD $(0x0e208000 | (m)<<16 | (n)<<5 | (d))

// smlal2 vD.8h, vN.16b, vM.16b
#define SMLAL2(m, n, d) WORD $(0x4e208000 | (m)<<16 | (n)<<5 | (d))

// saddlp vD.8h, vN.16b
#define SADDLP_B(n, d) WORD $(0x4e202800 | (n)<<5 | (d))

// saddlp vD.4s, vN.8h
#define SADDLP_H(n, d) WORD $(0x4e602800 | (n)<<5 | (d))

// sadalp vD.4s, vN.8h
#define SADALP_H(n, d) WORD $(0x4e606800 | (n)<<5 | (d))

// ssra vD.4s, vN.4s, #I
#define SSRA_S(i, n, d) WORD $(0x4f001400 | (64-(i))<<16 | (n)<<5 | (d))

// sqxtn vD.4h, vN.4s
#define SQXTN_S(n, d) WORD $(0x0e614800 | (n)<<5 | (d))

// sqxtn2 vD.8h, vN.4s
#define SQXTN2_S(n, d) WORD $(0x4e614800 | (n)<<5 | (d))

// sqxtn vD.8b, vN.8h
#define SQXTN_H(n, d) WORD $(0x0e214800 | (n)<<5 | (d))

// sqxtn2 vD.16b, vN.8h
#define SQXTN2_H(n, d) WORD $(0x4e214800 | (n)<<5 | (d))

// umaxv sD, vN.4s
#define UMAXV_S(n, d) WORD $(0x6eb0a800 | (n)<<5 | (d))

// fcvtns vD.4s, vN.4s
#define FCVTNS(n, d) WORD $(0x4e21a800 | (n)<<5 | (d))

// scvtf vD.4s, vN.4s
#define SCVTF(n, d) WORD $(0x4e21d800 | (n)<<5 | (d))

// fmul vD.4s, vN.4s, vM.4s
#define FMUL(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))

// fdiv vD.4s, vN.4s, vM.4s
#define FDIV(m, n, d) WORD $(0x6e20fc00 | (m)<<16 | (n)<<5 | (d))

// fcvtl vD.4s, vN.4h
#define FCVTL(n, d) WORD $(0x0e217800 | (n)<<5 | (d))

// cmhi vD.16b, vN.16b, vM.16b
#define CMHI_B(m, n, d) WORD $(0x6e203400 | (m)<<16 | (n)<<5 | (d))
