//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "prefetch_arm64.h"
#include "multile_arm64.h"

// PRODUCTS adds the products of the 16 bytes in c, each of four codes, with the
// activations in q0 to q3 to sums of 16 bits in V12 and V13; first and first2
// begin them.
#define PRODUCTS(c, q0, q1, q2, q3, first, first2) \
	VUSHR $6, c.B16, V22.B16                   \
	VUSHR $4, c.B16, V23.B16                   \
	VUSHR $2, c.B16, V24.B16                   \
	VAND  V31.B16, c.B16, V25.B16              \
	VAND  V31.B16, V23.B16, V23.B16            \
	VAND  V31.B16, V24.B16, V24.B16            \
	first(q0, 22, 12)                          \
	first2(q0, 22, 13)                         \
	SMLAL(q1, 23, 12)                          \
	SMLAL2(q1, 23, 13)                         \
	SMLAL(q2, 24, 12)                          \
	SMLAL2(q2, 24, 13)                         \
	SMLAL(q3, 25, 12)                          \
	SMLAL2(q3, 25, 13)

// ROW multiplies one block of a row, the 32 bytes at R, with the activations in
// V0 to V7. A sum of 16 bits has 8 products, at most 8·3·128.
#define ROW(R, sum)                              \
	VLD1.P 32(R), [V20.B16, V21.B16]         \
	PRODUCTS(V20, 0, 2, 4, 6, SMULL, SMULL2) \
	PRODUCTS(V21, 1, 3, 5, 7, SMLAL, SMLAL2) \
	SADALP_H(12, sum)                        \
	SADALP_H(13, sum)

// func codeDotNeon(sums []int32, codes []byte, q []int8)
//
// Two rows at a time: more would load the activations less often, but memory is
// read fastest in its order.
TEXT ·codeDotNeon(SB), NOSPLIT, $0-72
	MOVD  sums_base+0(FP), R0
	MOVD  sums_len+8(FP), R1
	MOVD  codes_base+24(FP), R2
	MOVD  q_base+48(FP), R3
	MOVD  q_len+56(FP), R4
	LSR   $2, R4, R5             // bytes of a row
	LSR   $7, R4, R4             // blocks of a row
	VMOVI $3, V31.B16

two:
	SUBS $2, R1, R1
	BLT  last
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R2
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R3, R11
	MOVD R4, R12
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16

twoBlocks:
	PRFM   (R10), PLDL1KEEP
	VLD1.P 64(R11), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R11), [V4.B16, V5.B16, V6.B16, V7.B16]
	ADD    $64, R10, R10
	ROW(R8, 8)
	ROW(R9, 9)
	SUBS   $1, R12, R12
	BNE    twoBlocks

	VADDP   V9.S4, V8.S4, V8.S4
	VADDP   V8.S4, V8.S4, V8.S4
	FMOVD.P F8, 8(R0)
	B       two

last:
	ADDS $2, R1, R1
	BEQ  done
	VEOR V8.B16, V8.B16, V8.B16

lastBlocks:
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R3), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROW(R2, 8)
	SUBS   $1, R4, R4
	BNE    lastBlocks

	VADDV V8.S4, V8
	FMOVS F8, (R0)

done:
	RET

// FIELD multiplies one field of the codes, in V16 and V17, with the activations
// at an offset, into sums of 16 bits; FIRST is SMULL where these begin.
#define FIELD(FIRST, offset, ACTIVATIONS, EACH) \
	ACTIVATIONS(offset)                     \
	EACH(FIRST, 1)                          \
	EACH(SMLAL2, 1)

#define HALF(FIRST, offset, ACTIVATIONS, EACH)     \
	FMOVQ offset(R8), F18                      \
	FMOVQ offset(R9), F19                      \
	VAND  V31.B16, V18.B16, V16.B16            \
	VAND  V31.B16, V19.B16, V17.B16            \
	FIELD(FIRST, offset+96, ACTIVATIONS, EACH) \
	VUSHR $2, V18.B16, V16.B16                 \
	VUSHR $2, V19.B16, V17.B16                 \
	VAND  V31.B16, V16.B16, V16.B16            \
	VAND  V31.B16, V17.B16, V17.B16            \
	FIELD(SMLAL, offset+64, ACTIVATIONS, EACH) \
	VUSHR $4, V18.B16, V16.B16                 \
	VUSHR $4, V19.B16, V17.B16                 \
	VAND  V31.B16, V16.B16, V16.B16            \
	VAND  V31.B16, V17.B16, V17.B16            \
	FIELD(SMLAL, offset+32, ACTIVATIONS, EACH) \
	VUSHR $6, V18.B16, V16.B16                 \
	VUSHR $6, V19.B16, V17.B16                 \
	FIELD(SMLAL, offset, ACTIVATIONS, EACH)

#define WIDEN_SUM(token, row, sum) SADALP_H(sum, sum-1)

// A block puts 16 products into each sum of 16 bits, at most 16·3·128.
#define BLOCK(ACTIVATIONS, EACH)           \
	HALF(SMULL, 0, ACTIVATIONS, EACH)  \
	HALF(SMLAL, 16, ACTIVATIONS, EACH) \
	EACH(WIDEN_SUM, 1)

#define JOIN(a, a16, b, b16) // done after each block

// func codeDotsFewNeon(sums []int32, codes []byte, q []int8, cols int)
TEXT ·codeDotsFewNeon(SB), NOSPLIT, $0-80
	VMOVI $3, V31.B16
#include "codedots_arm64.h"

// LOW and HIGH multiply 8 of 16 columns of a token t with the four rows in V16
// to V19.
#define LOW(t, s0, s1, s2, s3) \
	SMLAL(t, 16, s0)       \
	SMLAL(t, 17, s1)       \
	SMLAL(t, 18, s2)       \
	SMLAL(t, 19, s3)

#define HIGH(t, s0, s1, s2, s3) \
	SMLAL2(t, 16, s0)       \
	SMLAL2(t, 17, s1)       \
	SMLAL2(t, 18, s2)       \
	SMLAL2(t, 19, s3)

// WIDEN adds the sums of 16 bits of one token with four rows to its four sums.
#define WIDEN(s0, s1, s2, s3, sums)  \
	SADDLP_H(s0, 28)             \
	SADDLP_H(s1, 29)             \
	SADDLP_H(s2, 30)             \
	SADDLP_H(s3, 31)             \
	VADDP V29.S4, V28.S4, V28.S4 \
	VADDP V31.S4, V30.S4, V30.S4 \
	VADDP V30.S4, V28.S4, V28.S4 \
	VADD  V28.S4, sums.S4, sums.S4

// func mulGroupNeon(sums *int32, rows *byte, tokens *int8, cols int)
//
// Token t and row r have 16-bit sums in V(4t+r), in which up to 80 products of
// at most 3·128 fit: two for every 16 columns.
TEXT ·mulGroupNeon(SB), NOSPLIT, $0-32
	MOVD sums+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD tokens+16(FP), R2
	MOVD cols+24(FP), R3
	LSR  $4, R3, R3
	VEOR V24.B16, V24.B16, V24.B16
	VEOR V25.B16, V25.B16, V25.B16
	VEOR V26.B16, V26.B16, V26.B16
	VEOR V27.B16, V27.B16, V27.B16

stretch:
	MOVD $40, R4
	CMP  R4, R3
	CSEL LT, R3, R4, R4
	SUB  R4, R3, R3
	CLEAR_SUMS

loop:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	LOW(20, 0, 1, 2, 3)
	LOW(21, 4, 5, 6, 7)
	LOW(22, 8, 9, 10, 11)
	LOW(23, 12, 13, 14, 15)
	HIGH(20, 0, 1, 2, 3)
	HIGH(21, 4, 5, 6, 7)
	HIGH(22, 8, 9, 10, 11)
	HIGH(23, 12, 13, 14, 15)
	SUBS   $1, R4, R4
	BNE    loop

	WIDEN(0, 1, 2, 3, V24)
	WIDEN(4, 5, 6, 7, V25)
	WIDEN(8, 9, 10, 11, V26)
	WIDEN(12, 13, 14, 15, V27)
	CBNZ R3, stretch

	// A token's sums are tileRows apart.
	FMOVQ F24, (R0)
	FMOVQ F25, 128(R0)
	FMOVQ F26, 256(R0)
	FMOVQ F27, 384(R0)
	RET
