//go:build !purego

#include "textflag.h"

// The assembler does not know AMX, so that its instructions are bytes here: a
// three-byte VEX prefix, the opcode, ModRM and, for memory, SIB. Memory
// operands have their base in AX, DX, BX, SI or DI, and the distance between
// rows, the index, in CX.
//
// A signal may interrupt these functions, and does when the garbage collector
// wants the goroutine to stop. The system saves the tile registers, 8 KB of the
// signal's 11 KB frame, on the runtime's 32 KB signal stack; the runtime finds
// itself in assembly, lets it run on, and the system restores them. So they
// need not be saved here, and the thread has them to itself until TILERELEASE.

#define rAX 0
#define rDX 2
#define rBX 3
#define rSI 6
#define rDI 7

// LDTILECFG (DX)
#define LDTILECFG_DX \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x02

// STTILECFG (DX)
#define STTILECFG_DX \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x49; BYTE $0x02

// TILERELEASE
#define TILERELEASE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0

// TILEZERO tmm
#define TILEZERO(tmm) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0|(tmm<<3))

// TILELOADD offset(base)(CX*1), tmm
#define TILELOADD(offset, base, tmm) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x84|(tmm<<3)); BYTE $(0x08|base); LONG $offset

// TILESTORED tmm, offset(base)(CX*1)
#define TILESTORED(tmm, offset, base) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x84|(tmm<<3)); BYTE $(0x08|base); LONG $offset

// TDPBSUD codes, q, sums: sums += q·codes, signed by unsigned bytes.
#define TDPBSUD(codes, q, sums) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(0x02|((15-codes)<<3)); BYTE $0x5E; BYTE $(0xC0|(sums<<3)|q)

// The configuration: palette 1, eight registers of 16 rows of 64 bytes.
DATA tileConfig<>+0x00(SB)/8, $1
DATA tileConfig<>+0x08(SB)/8, $0
DATA tileConfig<>+0x10(SB)/8, $0x0040004000400040
DATA tileConfig<>+0x18(SB)/8, $0x0040004000400040
DATA tileConfig<>+0x20(SB)/8, $0
DATA tileConfig<>+0x28(SB)/8, $0
DATA tileConfig<>+0x30(SB)/8, $0x1010101010101010
DATA tileConfig<>+0x38(SB)/8, $0
GLOBL tileConfig<>(SB), RODATA|NOPTR, $64

// STEP multiplies 64 columns of 32 tokens and 32 rows: four loads for four
// products.
#define STEP(offset) \
	TILELOADD(offset, rSI, 4) \
	TILELOADD(offset, rDI, 6) \
	TDPBSUD(6, 4, 0)          \
	TILELOADD(offset, rBX, 7) \
	TDPBSUD(7, 4, 1)          \
	TILELOADD(offset, rDX, 5) \
	TDPBSUD(6, 5, 2)          \
	TDPBSUD(7, 5, 3)

// func mulTileAMX(sums []int32, tile []byte, panel []int8, cols int)
//
// SI and DX are the panel's two groups of tokens, DI and BX two of the tile's
// eight groups of rows.
TEXT ·mulTileAMX(SB), NOSPLIT, $0-80
	LEAQ tileConfig<>(SB), DX
	LDTILECFG_DX
	MOVQ sums_base+0(FP), AX
	MOVQ tile_base+24(FP), DI
	MOVQ cols+72(FP), R8
	MOVQ R8, R11
	SHLQ $4, R8                 // bytes of a group
	SHRQ $7, R11                // pairs of steps
	MOVQ $4, R9

rows32:
	MOVQ panel_base+48(FP), SI
	LEAQ (SI)(R8*1), DX
	LEAQ (DI)(R8*1), BX
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	MOVQ $64, CX
	MOVQ R11, R10

steps:
	STEP(0)
	STEP(1024)
	ADDQ $2048, SI
	ADDQ $2048, DX
	ADDQ $2048, DI
	ADDQ $2048, BX
	DECQ R10
	JNZ  steps

	MOVQ $512, CX               // from token to token
	TILESTORED(0, 0, rAX)
	TILESTORED(1, 64, rAX)
	TILESTORED(2, 8192, rAX)
	TILESTORED(3, 8256, rAX)
	ADDQ $128, AX
	MOVQ BX, DI                 // the end of one group, the start of the next
	DECQ R9
	JNZ  rows32

	TILERELEASE
	RET

#define COPY4(offset, tokens) \
	VMOVDQU64 (tokens), Z0           \
	VMOVDQU64 (tokens)(R8*1), Z1     \
	VMOVDQU64 (tokens)(R8*2), Z2     \
	VMOVDQU64 (tokens)(R9*1), Z3     \
	VMOVDQU64 Z0, (offset+0*64)(DI)  \
	VMOVDQU64 Z1, (offset+1*64)(DI)  \
	VMOVDQU64 Z2, (offset+2*64)(DI)  \
	VMOVDQU64 Z3, (offset+3*64)(DI)  \
	ADDQ      $64, tokens

// func packGroupAMX(group, q *int8, cols int)
TEXT ·packGroupAMX(SB), NOSPLIT, $0-24
	MOVQ group+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ cols+16(FP), R8
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10
	LEAQ (SI)(R8*8), R11
	LEAQ (R10)(R8*8), R12
	MOVQ R8, CX
	SHRQ $6, CX

registers:
	COPY4(0, SI)
	COPY4(256, R10)
	COPY4(512, R11)
	COPY4(768, R12)
	ADDQ $1024, DI
	DECQ CX
	JNZ  registers
	VZEROUPPER
	RET

// func peakAMX(sums *[256]int32, q *[1024]int8, codes *[1024]byte, rounds int)
TEXT ·peakAMX(SB), NOSPLIT, $0-32
	LEAQ tileConfig<>(SB), DX
	LDTILECFG_DX
	MOVQ sums+0(FP), AX
	MOVQ q+8(FP), SI
	MOVQ codes+16(FP), DI
	MOVQ rounds+24(FP), R10
	MOVQ $64, CX
	TILELOADD(0, rSI, 6)
	TILELOADD(0, rDI, 7)
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	TILEZERO(4)
	TILEZERO(5)

rounds:
	TDPBSUD(7, 6, 0)
	TDPBSUD(7, 6, 1)
	TDPBSUD(7, 6, 2)
	TDPBSUD(7, 6, 3)
	TDPBSUD(7, 6, 4)
	TDPBSUD(7, 6, 5)
	DECQ R10
	JNZ  rounds

	TILESTORED(0, 0, rAX)
	TILERELEASE
	RET

// func storeTileConfig(config *[64]byte)
TEXT ·storeTileConfig(SB), NOSPLIT, $0-8
	MOVQ config+0(FP), DX
	STTILECFG_DX
	RET
