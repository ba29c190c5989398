//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// ROW multiplies one block of a row, the 32 bytes at R, with the activations in
// V0 to V7. Only the topmost field of a code byte must be shifted to be a
// signed byte; the others stay where they are, and sums of products 4 times and
// 16 times too large are kept apart. These cannot overflow: a row has at most
// 2²⁰ columns, a quarter of them in each field, of products up to 48·128.
#define ROW(R, sum, sum4, sum16)         \
	VLD1.P 32(R), [V20.B16, V21.B16] \
	VUSHR  $6, V20.B16, V22.B16      \
	VUSHR  $6, V21.B16, V23.B16      \
	VAND   V31.B16, V20.B16, V24.B16 \
	VAND   V31.B16, V21.B16, V25.B16 \
	VAND   V30.B16, V20.B16, V26.B16 \
	VAND   V30.B16, V21.B16, V27.B16 \
	VAND   V29.B16, V20.B16, V20.B16 \
	VAND   V29.B16, V21.B16, V21.B16 \
	SDOT(0, 22, sum)                 \
	SDOT(2, 24, sum16)               \
	SDOT(4, 26, sum4)                \
	SDOT(1, 23, sum)                 \
	SDOT(3, 25, sum16)               \
	SDOT(5, 27, sum4)                \
	SDOT(6, 20, sum)                 \
	SDOT(7, 21, sum)

// func codeDotsDotprod(sums []int32, codes []byte, q []int8)
TEXT ·codeDotsDotprod(SB), NOSPLIT, $0-72
	MOVD  sums_base+0(FP), R0
	MOVD  sums_len+8(FP), R1
	MOVD  codes_base+24(FP), R2
	MOVD  q_base+48(FP), R3
	MOVD  q_len+56(FP), R4
	LSR   $2, R4, R5             // bytes of a row
	LSL   $2, R5, R14            // of four rows
	LSR   $7, R4, R4             // blocks of a row
	VMOVI $0x03, V29.B16
	VMOVI $0x0c, V30.B16
	VMOVI $0x30, V31.B16

four:
	CMP  $4, R1
	BLT  one
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R10
	ADD  R5, R10, R11
	ADD  R5, R11, R2
	MOVD R3, R12
	MOVD R4, R13
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16

fourBlocks:
	// The rows are short, and at the end of each four streams begin anew, at
	// which a processor's own prefetching stumbles: ask for the same places of
	// the four rows after these.
	PREFETCH(14, 8)
	PREFETCH(14, 9)
	PREFETCH(14, 10)
	PREFETCH(14, 11)
	VLD1.P 64(R12), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R12), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROW(R8, 8, 12, 16)
	ROW(R9, 9, 13, 17)
	ROW(R10, 10, 14, 18)
	ROW(R11, 11, 15, 19)
	SUBS   $1, R13, R13
	BNE    fourBlocks

	SSRA_S(2, 12, 8)
	SSRA_S(2, 13, 9)
	SSRA_S(2, 14, 10)
	SSRA_S(2, 15, 11)
	SSRA_S(4, 16, 8)
	SSRA_S(4, 17, 9)
	SSRA_S(4, 18, 10)
	SSRA_S(4, 19, 11)
	VADDP  V9.S4, V8.S4, V8.S4
	VADDP  V11.S4, V10.S4, V10.S4
	VADDP  V10.S4, V8.S4, V8.S4
	VST1.P [V8.S4], 16(R0)
	SUB    $4, R1, R1
	B      four

one:
	CBZ  R1, done
	MOVD R3, R12
	MOVD R4, R13
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V16.B16, V16.B16, V16.B16

oneBlock:
	VLD1.P 64(R12), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R12), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROW(R2, 8, 12, 16)
	SUBS   $1, R13, R13
	BNE    oneBlock

	SSRA_S(2, 12, 8)
	SSRA_S(4, 16, 8)
	VADDV   V8.S4, V8
	FMOVS.P F8, 4(R0)
	SUB     $1, R1, R1
	B       one

done:
	RET

// COLUMNS multiplies four columns of the row groups a and b with those of the
// token groups p and r.
#define COLUMNS(a, b, p, r)       \
	SDOT_ELEMENT(0, p, a, 0)  \
	SDOT_ELEMENT(0, p, b, 1)  \
	SDOT_ELEMENT(1, p, a, 2)  \
	SDOT_ELEMENT(1, p, b, 3)  \
	SDOT_ELEMENT(2, p, a, 4)  \
	SDOT_ELEMENT(2, p, b, 5)  \
	SDOT_ELEMENT(3, p, a, 6)  \
	SDOT_ELEMENT(3, p, b, 7)  \
	SDOT_ELEMENT(0, r, a, 8)  \
	SDOT_ELEMENT(0, r, b, 9)  \
	SDOT_ELEMENT(1, r, a, 10) \
	SDOT_ELEMENT(1, r, b, 11) \
	SDOT_ELEMENT(2, r, a, 12) \
	SDOT_ELEMENT(2, r, b, 13) \
	SDOT_ELEMENT(3, r, a, 14) \
	SDOT_ELEMENT(3, r, b, 15)

// func mulGroupsDotprod(sums *int32, rows *byte, tokens *int8, cols int)
//
// Token t has V(2t) for the first group of rows and V(2t+1) for the second.
TEXT ·mulGroupsDotprod(SB), NOSPLIT, $0-32
	MOVD sums+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD tokens+16(FP), R2
	MOVD cols+24(FP), R3
	ADD  R3<<2, R1, R4
	ADD  R3<<2, R2, R5
	LSR  $4, R3, R3
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16

loop:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	VLD1.P 64(R4), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R5), [V28.B16, V29.B16, V30.B16, V31.B16]
	COLUMNS(16, 20, 24, 28)
	COLUMNS(17, 21, 25, 29)
	COLUMNS(18, 22, 26, 30)
	COLUMNS(19, 23, 27, 31)
	SUBS   $1, R3, R3
	BNE    loop

	// A token's sums are tileRows apart.
	FSTPQ (F0, F1), (R0)
	FSTPQ (F2, F3), 128(R0)
	FSTPQ (F4, F5), 256(R0)
	FSTPQ (F6, F7), 384(R0)
	FSTPQ (F8, F9), 512(R0)
	FSTPQ (F10, F11), 640(R0)
	FSTPQ (F12, F13), 768(R0)
	FSTPQ (F14, F15), 896(R0)
	RET
