#include "textflag.h"

// func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

#define LDTILECFG_AX   BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define STTILECFG_AX   BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x49; BYTE $0x00
#define TILERELEASE    BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0
#define TILEZERO0      BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $0xC0

// TILELOADD (base)(CX*1), tmm and the like; base is the number of a register.
#define TILELOADD(base, tmm)   BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|tmm<<3); BYTE $(0x08|base)
#define TILELOADDT1(base, tmm) BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x4B; BYTE $(0x04|tmm<<3); BYTE $(0x08|base)
#define TILESTORED(tmm, base)  BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x04|tmm<<3); BYTE $(0x08|base)
#define rAX 0
#define rDX 2
#define rSI 6
#define rDI 7

// tmm0 += tmm1·tmm2: TDPBSSD, TDPBSUD, TDPBUSD and TDPBUUD have 0x6B, 0x6A, 0x69
// and 0x68.
#define TDPB(prefix)     BYTE $0xC4; BYTE $0xE2; BYTE $prefix; BYTE $0x5E; BYTE $0xC1

// MULTIPLY has the configuration at AX, c at DX, a at SI and b at DI.
#define MULTIPLY(prefix) \
	LDTILECFG_AX       \
	MOVQ $64, CX       \
	TILELOADD(rDX, 0)  \
	TILELOADD(rSI, 1)  \
	TILELOADD(rDI, 2)  \
	TDPB(prefix)       \
	TILESTORED(0, rDX) \
	TILERELEASE        \
	RET

// func multiplySSD(config *[64]byte, c, a, b *[1024]byte)
TEXT ·multiplySSD(SB), NOSPLIT, $0-32
	MOVQ config+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), DI
	MULTIPLY(0x6B)

// func multiplySUD(config *[64]byte, c, a, b *[1024]byte)
TEXT ·multiplySUD(SB), NOSPLIT, $0-32
	MOVQ config+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), DI
	MULTIPLY(0x6A)

// func multiplyUSD(config *[64]byte, c, a, b *[1024]byte)
TEXT ·multiplyUSD(SB), NOSPLIT, $0-32
	MOVQ config+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), DI
	MULTIPLY(0x69)

// func multiplyUUD(config *[64]byte, c, a, b *[1024]byte)
TEXT ·multiplyUUD(SB), NOSPLIT, $0-32
	MOVQ config+0(FP), AX
	MOVQ c+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), DI
	MULTIPLY(0x68)

// func zeroed(config *[64]byte, tile *[1024]byte, stored, released *[64]byte)
TEXT ·zeroed(SB), NOSPLIT, $0-32
	MOVQ config+0(FP), AX
	LDTILECFG_AX
	MOVQ $64, CX
	MOVQ tile+8(FP), AX
	TILELOADDT1(rAX, 0)
	TILEZERO0
	TILESTORED(0, rAX)
	MOVQ stored+16(FP), AX
	STTILECFG_AX
	TILERELEASE
	MOVQ released+24(FP), AX
	STTILECFG_AX
	RET

// func zeroUnconfigured()
TEXT ·zeroUnconfigured(SB), NOSPLIT, $0-0
	TILEZERO0
	RET

// func configure(config *[64]byte)
TEXT ·configure(SB), NOSPLIT, $0-8
	MOVQ config+0(FP), AX
	LDTILECFG_AX
	TILERELEASE
	RET

// func loadFrom(config *[64]byte, address uintptr)
TEXT ·loadFrom(SB), NOSPLIT, $0-16
	MOVQ config+0(FP), AX
	LDTILECFG_AX
	MOVQ $64, CX
	MOVQ address+8(FP), AX
	TILELOADD(rAX, 0)
	TILERELEASE
	RET

// func ud2()
TEXT ·ud2(SB), NOSPLIT, $0-0
	BYTE $0x0F; BYTE $0x0B
	RET

// OPERANDS loads the sums at DI into the lower half of Z15, whose upper half
// becomes ones, the unsigned factors at AX into Y3 and the signed ones at SI
// into Y2.
#define OPERANDS \
	VPTERNLOGD   $0xFF, Z15, Z15, Z15 \
	VINSERTI64X4 $0, (DI), Z15, Z15   \
	VMOVDQU      (AX), Y3             \
	VMOVDQU      (SI), Y2

#define DONE \
	VMOVDQU64 Z15, (DI) \
	VZEROUPPER          \
	RET

// func dot256(sums *[64]byte, unsigned, signed *[32]byte)
TEXT ·dot256(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ unsigned+8(FP), AX
	MOVQ signed+16(FP), SI
	OPERANDS
	// VPDPBUSD Y2, Y3, Y15
	BYTE $0xC4; BYTE $0x62; BYTE $0x65; BYTE $0x50; BYTE $0xFA
	DONE

// func dot256Memory(sums *[64]byte, unsigned, signed *[32]byte)
TEXT ·dot256Memory(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ unsigned+8(FP), AX
	MOVQ signed+16(FP), SI
	OPERANDS
	ADDQ $33, SI
	// VPDPBUSD -33(SI), Y3, Y15
	BYTE $0xC4; BYTE $0x62; BYTE $0x65; BYTE $0x50; BYTE $0x7E; BYTE $0xDF
	DONE

// func dot128(sums *[64]byte, unsigned, signed *[32]byte)
TEXT ·dot128(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ unsigned+8(FP), AX
	MOVQ signed+16(FP), SI
	OPERANDS
	// VPDPBUSD X2, X3, X15
	BYTE $0xC4; BYTE $0x62; BYTE $0x61; BYTE $0x50; BYTE $0xFA
	DONE

// func dot128Memory(sums *[64]byte, unsigned, signed *[32]byte)
TEXT ·dot128Memory(SB), NOSPLIT, $0-24
	MOVQ sums+0(FP), DI
	MOVQ unsigned+8(FP), AX
	MOVQ signed+16(FP), SI
	OPERANDS
	// VPDPBUSD (SI), X3, X15
	BYTE $0xC4; BYTE $0x62; BYTE $0x61; BYTE $0x50; BYTE $0x3E
	DONE
