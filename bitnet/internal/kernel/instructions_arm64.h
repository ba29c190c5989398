// Instructions that the Go assembler does not know. Operands are register
// numbers in the order of the Go assembler: m and n are the sources, d is the
// destination. The line above each macro is the instruction as Arm writes it;
// TestInstructions has it assembled and compares the words.

// fadd vD.4s, vN.4s, vM.4s
#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))

// fsub vD.4s, vN.4s, vM.4s
#define FSUB(m, n, d) WORD $(0x4ea0d400 | (m)<<16 | (n)<<5 | (d))

// fmul vD.4s, vN.4s, vM.4s
#define FMUL(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))

// fdiv vD.4s, vN.4s, vM.4s
#define FDIV(m, n, d) WORD $(0x6e20fc00 | (m)<<16 | (n)<<5 | (d))

// faddp vD.4s, vN.4s, vM.4s
#define FADDP(m, n, d) WORD $(0x6e20d400 | (m)<<16 | (n)<<5 | (d))

// fmla vD.4s, vN.4s, vM.s[I]
#define FMLA_ELEMENT(i, m, n, d) WORD $(0x4f801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

// fcmgt vD.4s, vN.4s, vM.4s
#define FCMGT(m, n, d) WORD $(0x6ea0e400 | (m)<<16 | (n)<<5 | (d))

// fcmgt vD.4s, vN.4s, #0.0
#define FCMGT_ZERO(n, d) WORD $(0x4ea0c800 | (n)<<5 | (d))

// fcmge vD.4s, vN.4s, vM.4s
#define FCMGE(m, n, d) WORD $(0x6e20e400 | (m)<<16 | (n)<<5 | (d))

// fmaxv sD, vN.4s
#define FMAXV(n, d) WORD $(0x6e30f800 | (n)<<5 | (d))

// fcvtl vD.4s, vN.4h
#define FCVTL(n, d) WORD $(0x0e217800 | (n)<<5 | (d))

// fcvtl2 vD.4s, vN.8h
#define FCVTL2(n, d) WORD $(0x4e217800 | (n)<<5 | (d))

// fcvtn vD.4h, vN.4s
#define FCVTN(n, d) WORD $(0x0e216800 | (n)<<5 | (d))

// fcvtn2 vD.8h, vN.4s
#define FCVTN2(n, d) WORD $(0x4e216800 | (n)<<5 | (d))

// sxtl vD.8h, vN.8b
#define SXTL(n, d) WORD $(0x0f08a400 | (n)<<5 | (d))

// sxtl2 vD.8h, vN.16b
#define SXTL2(n, d) WORD $(0x4f08a400 | (n)<<5 | (d))

// sxtl vD.4s, vN.4h
#define SXTL_H(n, d) WORD $(0x0f10a400 | (n)<<5 | (d))

// sxtl2 vD.4s, vN.8h
#define SXTL2_H(n, d) WORD $(0x4f10a400 | (n)<<5 | (d))

// sdot vD.4s, vN.16b, vM.16b
#define SDOT(m, n, d) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d))

// smull vD.4s, vN.4h, vM.4h
#define SMULL_H(m, n, d) WORD $(0x0e60c000 | (m)<<16 | (n)<<5 | (d))

// smull2 vD.4s, vN.8h, vM.8h
#define SMULL2_H(m, n, d) WORD $(0x4e60c000 | (m)<<16 | (n)<<5 | (d))

// smlal vD.4s, vN.4h, vM.4h
#define SMLAL_H(m, n, d) WORD $(0x0e608000 | (m)<<16 | (n)<<5 | (d))

// smlal2 vD.4s, vN.8h, vM.8h
#define SMLAL2_H(m, n, d) WORD $(0x4e608000 | (m)<<16 | (n)<<5 | (d))

// sqxtn vD.4h, vN.4s
#define SQXTN_S(n, d) WORD $(0x0e614800 | (n)<<5 | (d))

// sqxtn2 vD.8h, vN.4s
#define SQXTN2_S(n, d) WORD $(0x4e614800 | (n)<<5 | (d))

// sqxtn vD.8b, vN.8h
#define SQXTN_H(n, d) WORD $(0x0e214800 | (n)<<5 | (d))

// sqxtn2 vD.16b, vN.8h
#define SQXTN2_H(n, d) WORD $(0x4e214800 | (n)<<5 | (d))

// umaxv hD, vN.8h
#define UMAXV_H(n, d) WORD $(0x6e70a800 | (n)<<5 | (d))

// umaxv sD, vN.4s
#define UMAXV_S(n, d) WORD $(0x6eb0a800 | (n)<<5 | (d))

// fcvtns vD.4s, vN.4s
#define FCVTNS(n, d) WORD $(0x4e21a800 | (n)<<5 | (d))

// scvtf vD.4s, vN.4s
#define SCVTF(n, d) WORD $(0x4e21d800 | (n)<<5 | (d))
