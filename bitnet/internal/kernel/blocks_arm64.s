//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "lanes_arm64.h"
#include "prefetch_arm64.h"

// BYTES puts a byte into all of a register.
#define BYTES(value, v) \
	MOVD $value, R5 \
	VDUP R5, v.B16

// FOUR_SCALES stores the scales of four blocks of size bytes, which begin with them,
// once for each half of the units.
#define FOUR_SCALES(size) \
	MOVHU  (R1), R5                           \
	MOVHU  size(R1), R6                       \
	MOVHU  (2*size)(R1), R7                   \
	MOVHU  (3*size)(R1), R8                   \
	ORR    R6<<16, R5, R5                     \
	ORR    R8<<16, R7, R7                     \
	ORR    R7<<32, R5, R5                     \
	FMOVD  R5, F0                             \
	FCVTL(0, 0)                               \
	VST1.P [V0.S4], 16(R2)                    \
	VST1.P [V0.S4], 16(R2)                    \
	PRFM   PREFETCH_AHEAD(R1), PLDL1KEEP      \
	PRFM   (PREFETCH_AHEAD+64)(R1), PLDL1KEEP

#define Q8_0_BLOCK(n) \
	ADD    $(2+34*n), R1, R4        \
	VLD1   (R4), [V0.B16, V1.B16]   \
	VST1.P [V0.B16, V1.B16], 32(R0)

// func unpackQ8_0Neon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ8_0Neon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD blocks_base+72(FP), R1

loop:
	Q8_0_BLOCK(0)
	Q8_0_BLOCK(1)
	Q8_0_BLOCK(2)
	Q8_0_BLOCK(3)
	FOUR_SCALES(34)
	ADD  $136, R1, R1
	SUBS $128, R3, R3
	BNE  loop
	RET

// V30 and V31 have bytes of 15 and 8.
#define Q4_0_BLOCK(n) \
	ADD    $(2+18*n), R1, R4        \
	VLD1   (R4), [V0.B16]           \
	VUSHR  $4, V0.B16, V2.B16       \
	VAND   V30.B16, V0.B16, V1.B16  \
	VSUB   V31.B16, V2.B16, V2.B16  \
	VSUB   V31.B16, V1.B16, V1.B16  \
	VST1.P [V1.B16, V2.B16], 32(R0)

// func unpackQ4_0Neon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ4_0Neon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD blocks_base+72(FP), R1
	BYTES(15, V30)
	BYTES(8, V31)

loop:
	Q4_0_BLOCK(0)
	Q4_0_BLOCK(1)
	Q4_0_BLOCK(2)
	Q4_0_BLOCK(3)
	FOUR_SCALES(18)
	ADD  $72, R1, R1
	SUBS $128, R3, R3
	BNE  loop
	RET

// Byte i of 32 gets the byte that has bit i of four, by V26 and V27, and is held
// against that bit, V28. Where it is not set, the number minus 16 is one with all bits
// above the fourth. V29 to V31 have bytes of 0, 15 and 0xf0.
#define Q5_0_BLOCK(n) \
	MOVWU  (2+22*n)(R1), R5          \
	ADD    $(6+22*n), R1, R4         \
	VDUP   R5, V3.S4                 \
	VLD1   (R4), [V0.B16]            \
	VTBL   V26.B16, [V3.B16], V4.B16 \
	VTBL   V27.B16, [V3.B16], V5.B16 \
	VUSHR  $4, V0.B16, V2.B16        \
	VAND   V30.B16, V0.B16, V1.B16   \
	VAND   V28.B16, V4.B16, V4.B16   \
	VAND   V28.B16, V5.B16, V5.B16   \
	VCMEQ  V29.B16, V4.B16, V4.B16   \
	VCMEQ  V29.B16, V5.B16, V5.B16   \
	VAND   V31.B16, V4.B16, V4.B16   \
	VAND   V31.B16, V5.B16, V5.B16   \
	VORR   V4.B16, V1.B16, V1.B16    \
	VORR   V5.B16, V2.B16, V2.B16    \
	VST1.P [V1.B16, V2.B16], 32(R0)

// func unpackQ5_0Neon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ5_0Neon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD blocks_base+72(FP), R1
	VEOR V26.B16, V26.B16, V26.B16
	MOVD $0x0101010101010101, R5
	VMOV R5, V26.D[1]
	MOVD $0x0202020202020202, R5
	VDUP R5, V27.D2
	VADD V26.B16, V27.B16, V27.B16
	MOVD $0x8040201008040201, R5
	VDUP R5, V28.D2
	VEOR V29.B16, V29.B16, V29.B16
	BYTES(15, V30)
	BYTES(0xf0, V31)

loop:
	Q5_0_BLOCK(0)
	Q5_0_BLOCK(1)
	Q5_0_BLOCK(2)
	Q5_0_BLOCK(3)
	FOUR_SCALES(22)
	ADD  $88, R1, R1
	SUBS $128, R3, R3
	BNE  loop
	RET

// SCALE_ORDER puts the order of 16 scales of a byte into a register: of eight those
// with an even number come first.
#define SCALE_ORDER(v) \
	MOVD $0x0705030106040200, R5 \
	VMOV R5, v.D[0]              \
	MOVD $0x0f0d0b090e0c0a08, R5 \
	VMOV R5, v.D[1]

// BYTE_SCALES stores the products of 16 signed bytes in V0 and the float16 number at
// from.
#define BYTE_SCALES(from) \
	MOVHU  from(R1), R5                         \
	FMOVS  R5, F4                               \
	FCVTHS F4, F4                               \
	VDUP   V4.S[0], V4.S4                       \
	SXTL(0, 5)                                  \
	SXTL2(0, 6)                                 \
	SXTL_H(5, 0)                                \
	SXTL2_H(5, 1)                               \
	SXTL_H(6, 2)                                \
	SXTL2_H(6, 3)                               \
	SCVTF(0, 0)                                 \
	SCVTF(1, 1)                                 \
	SCVTF(2, 2)                                 \
	SCVTF(3, 3)                                 \
	FMUL(4, 0, 0)                               \
	FMUL(4, 1, 1)                               \
	FMUL(4, 2, 2)                               \
	FMUL(4, 3, 3)                               \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R2)

// Q6K_QUARTERS unpacks 32 numbers, the low bits of which are the halves that V0 and V1
// have in their place, and 32 from V2 and V3: their high bits are those that V28 and
// V29 have for the fours of bits in V4 and V5.
#define Q6K_QUARTERS \
	VTBL   V4.B16, [V28.B16], V16.B16                   \
	VTBL   V5.B16, [V28.B16], V17.B16                   \
	VTBL   V4.B16, [V29.B16], V18.B16                   \
	VTBL   V5.B16, [V29.B16], V19.B16                   \
	VORR   V6.B16, V16.B16, V16.B16                     \
	VORR   V7.B16, V17.B16, V17.B16                     \
	VORR   V8.B16, V18.B16, V18.B16                     \
	VORR   V9.B16, V19.B16, V19.B16                     \
	VST1.P [V16.B16, V17.B16, V18.B16, V19.B16], 64(R0)

// Q6K_HALF unpacks 128 numbers of a block: their low bits are at low, their high bits
// at high.
#define Q6K_HALF(low, high) \
	ADD   $low, R1, R4                           \
	ADD   $high, R1, R5                          \
	VLD1  (R4), [V0.B16, V1.B16, V2.B16, V3.B16] \
	VLD1  (R5), [V20.B16, V21.B16]               \
	VAND  V30.B16, V20.B16, V4.B16               \
	VAND  V30.B16, V21.B16, V5.B16               \
	VAND  V30.B16, V0.B16, V6.B16                \
	VAND  V30.B16, V1.B16, V7.B16                \
	VAND  V30.B16, V2.B16, V8.B16                \
	VAND  V30.B16, V3.B16, V9.B16                \
	Q6K_QUARTERS                                 \
	VUSHR $4, V20.B16, V4.B16                    \
	VUSHR $4, V21.B16, V5.B16                    \
	VUSHR $4, V0.B16, V6.B16                     \
	VUSHR $4, V1.B16, V7.B16                     \
	VUSHR $4, V2.B16, V8.B16                     \
	VUSHR $4, V3.B16, V9.B16                     \
	Q6K_QUARTERS

// func unpackQ6_KNeon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ6_KNeon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD blocks_base+72(FP), R1
	BYTES(15, V30)
	SCALE_ORDER(V31)

	// Of four bits that two numbers have, 16 times the lower two and the upper two,
	// less 32.
	MOVD $0x1000f0e01000f0e0, R5
	VDUP R5, V28.D2
	MOVD $0xf0f0f0f0e0e0e0e0, R5
	VMOV R5, V29.D[0]
	MOVD $0x1010101000000000, R5
	VMOV R5, V29.D[1]

loop:
	PRFM PREFETCH_AHEAD(R1), PLDL1KEEP
	PRFM (PREFETCH_AHEAD+64)(R1), PLDL1KEEP
	Q6K_HALF(0, 128)
	PRFM (PREFETCH_AHEAD+128)(R1), PLDL1KEEP
	PRFM (PREFETCH_AHEAD+192)(R1), PLDL1KEEP
	Q6K_HALF(64, 160)
	ADD  $192, R1, R4
	VLD1 (R4), [V0.B16]
	VTBL V31.B16, [V0.B16], V0.B16
	BYTE_SCALES(208)
	ADD  $210, R1, R1
	SUBS $256, R3, R3
	BNE  loop
	RET

// Q4K_PAIR unpacks the next 64 numbers of a block. V30 has bytes of 15.
#define Q4K_PAIR \
	VLD1.P 32(R4), [V0.B16, V1.B16]                 \
	VAND   V30.B16, V0.B16, V2.B16                  \
	VAND   V30.B16, V1.B16, V3.B16                  \
	VUSHR  $4, V0.B16, V4.B16                       \
	VUSHR  $4, V1.B16, V5.B16                       \
	VST1.P [V2.B16, V3.B16, V4.B16, V5.B16], 64(R0)

// BYTES_TIMES makes two registers of the products of the eight bytes in R and the
// float16 number at from.
#define BYTES_TIMES(R, from, f, v, a, na, b, nb) \
	FMOVD  R, F0         \
	MOVHU  from(R1), R5  \
	FMOVS  R5, f         \
	FCVTHS f, f          \
	VDUP   v.S[0], V1.S4 \
	VUXTL  V0.B8, V0.H8  \
	VUXTL2 V0.H8, b.S4   \
	VUXTL  V0.H4, a.S4   \
	SCVTF(na, na)        \
	SCVTF(nb, nb)        \
	FMUL(1, na, na)      \
	FMUL(1, nb, nb)

// func unpackQ4_KNeon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ4_KNeon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD mins_base+48(FP), R9
	MOVD blocks_base+72(FP), R1
	BYTES(15, V30)

loop:
	PRFM PREFETCH_AHEAD(R1), PLDL1KEEP
	PRFM (PREFETCH_AHEAD+64)(R1), PLDL1KEEP
	PRFM (PREFETCH_AHEAD+128)(R1), PLDL1KEEP
	ADD  $16, R1, R4
	Q4K_PAIR
	Q4K_PAIR
	Q4K_PAIR
	Q4K_PAIR

	// The first four scales, R6, and minimums, R7, are the lower six bits of the first
	// eight bytes; the upper two go above the four bits that the last bytes have of
	// the other four, R10 and R11.
	MOVWU 4(R1), R6
	MOVWU 8(R1), R7
	MOVWU 12(R1), R10
	LSR   $4, R10, R11
	AND   $0x0f0f0f0f, R10, R10
	AND   $0x0f0f0f0f, R11, R11
	LSR   $2, R6, R5
	AND   $0x30303030, R5, R5
	ORR   R5, R10, R10
	LSR   $2, R7, R5
	AND   $0x30303030, R5, R5
	ORR   R5, R11, R11
	AND   $0x3f3f3f3f, R6, R6
	AND   $0x3f3f3f3f, R7, R7
	ORR   R10<<32, R6, R6
	ORR   R11<<32, R7, R7

	BYTES_TIMES(R6, 0, F2, V2, V4, 4, V6, 6)
	VORR   V4.B16, V4.B16, V5.B16
	VORR   V6.B16, V6.B16, V7.B16
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R2)
	BYTES_TIMES(R7, 2, F2, V2, V4, 4, V5, 5)
	VST1.P [V4.S4, V5.S4], 32(R9)
	ADD    $144, R1, R1
	SUBS   $256, R3, R3
	BNE    loop
	RET

// Q3K_PART unpacks 32 numbers: the lowest two bits of V0 and V1, which are then
// shifted out, and the lowest of V2 and V3. Where that is not set, the number minus 4
// is one with all bits above the second. V27 to V30 have bytes of 0xfc, 0, 1 and 3.
#define Q3K_PART \
	VAND   V30.B16, V0.B16, V4.B16  \
	VAND   V30.B16, V1.B16, V5.B16  \
	VAND   V29.B16, V2.B16, V6.B16  \
	VAND   V29.B16, V3.B16, V7.B16  \
	VCMEQ  V28.B16, V6.B16, V6.B16  \
	VCMEQ  V28.B16, V7.B16, V7.B16  \
	VAND   V27.B16, V6.B16, V6.B16  \
	VAND   V27.B16, V7.B16, V7.B16  \
	VORR   V6.B16, V4.B16, V4.B16   \
	VORR   V7.B16, V5.B16, V5.B16   \
	VUSHR  $2, V0.B16, V0.B16       \
	VUSHR  $2, V1.B16, V1.B16       \
	VUSHR  $1, V2.B16, V2.B16       \
	VUSHR  $1, V3.B16, V3.B16       \
	VST1.P [V4.B16, V5.B16], 32(R0)

// func unpackQ3_KNeon(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ3_KNeon(SB), NOSPLIT, $0-96
	MOVD q_base+0(FP), R0
	MOVD q_len+8(FP), R3
	MOVD scales_base+24(FP), R2
	MOVD blocks_base+72(FP), R1
	BYTES(32, V26)
	BYTES(0xfc, V27)
	VEOR V28.B16, V28.B16, V28.B16
	BYTES(1, V29)
	BYTES(3, V30)
	SCALE_ORDER(V31)

loop:
	PRFM   PREFETCH_AHEAD(R1), PLDL1KEEP
	PRFM   (PREFETCH_AHEAD+64)(R1), PLDL1KEEP
	VLD1   (R1), [V2.B16, V3.B16]
	ADD    $32, R1, R4
	VLD1.P 32(R4), [V0.B16, V1.B16]
	Q3K_PART
	Q3K_PART
	Q3K_PART
	Q3K_PART
	VLD1.P 32(R4), [V0.B16, V1.B16]
	Q3K_PART
	Q3K_PART
	Q3K_PART
	Q3K_PART

	// Eight bytes have the low four bits of scales 0 to 7 and 8 to 15; the next four,
	// here twice, and the second time shifted by 2, their high two bits.
	MOVD  96(R1), R6
	MOVWU 104(R1), R7
	ORR   R7<<30, R7, R7
	LSR   $4, R6, R8
	AND   $0x0f0f0f0f0f0f0f0f, R6, R6
	AND   $0x0f0f0f0f0f0f0f0f, R8, R8
	LSL   $4, R7, R5
	AND   $0x3030303030303030, R5, R5
	AND   $0x3030303030303030, R7, R7
	ORR   R5, R6, R6
	ORR   R7, R8, R8
	VMOV  R6, V0.D[0]
	VMOV  R8, V0.D[1]
	VSUB  V26.B16, V0.B16, V0.B16
	VTBL  V31.B16, [V0.B16], V0.B16
	BYTE_SCALES(108)
	ADD   $110, R1, R1
	SUBS  $256, R3, R3
	BNE   loop
	RET

// BLOCKS_TIMES adds the products of the next 32 numbers of a row at R with the
// elements in V0 to V3 to eight lanes in a and b. even and odd have the products
// of scales and units of its two halves, in place i.
#define BLOCKS_TIMES(R, i, even, odd, a, b) \
	VLD1.P 32(R), [V4.B16, V5.B16] \
	VUZP1  V5.B16, V4.B16, V6.B16  \
	VUZP2  V5.B16, V4.B16, V7.B16  \
	SXTL(6, 8)                     \
	SXTL2(6, 9)                    \
	SXTL(7, 10)                    \
	SXTL2(7, 11)                   \
	SMULL_H(0, 8, 12)              \
	SMULL2_H(0, 8, 13)             \
	SMULL_H(1, 9, 14)              \
	SMULL2_H(1, 9, 15)             \
	SMLAL_H(2, 10, 12)             \
	SMLAL2_H(2, 10, 13)            \
	SMLAL_H(3, 11, 14)             \
	SMLAL2_H(3, 11, 15)            \
	VADDP  V13.S4, V12.S4, V12.S4  \
	VADDP  V15.S4, V14.S4, V14.S4  \
	SCVTF(12, 12)                  \
	SCVTF(14, 14)                  \
	FMLA_ELEMENT(i, even, 12, a)   \
	FMLA_ELEMENT(i, odd, 14, b)

#define BLOCKS_UNIT(i, a, b, c, d) \
	VLD1.P 64(R11), [V0.H8, V1.H8, V2.H8, V3.H8] \
	BLOCKS_TIMES(R8, i, 24, 25, a, b)            \
	BLOCKS_TIMES(R9, i, 26, 27, c, d)

// What is ahead has been asked for when the rows at hand were unpacked.
//
// func dotsBlocksNeon(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, ahead []byte)
TEXT ·dotsBlocksNeon(SB), NOSPLIT, $0-192
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD q_base+24(FP), R8
	MOVD scales_base+48(FP), R2
	MOVD mins_base+72(FP), R4
	MOVD x_len+104(FP), R5      // bytes of a row
	LSR  $2, R5, R6             // bytes of its scales
	LSR  $3, R5, R7             // bytes of its minimums
	MOVD $4, R10

	// A second row that is missing is the first again, and stored in its place.
pair:
	CMP  $2, R1
	BGE  ready
	MOVD ZR, R5
	MOVD ZR, R6
	MOVD ZR, R7
	MOVD ZR, R10

ready:
	ADD  R5, R8, R9
	ADD  R6, R2, R3
	MOVD x_base+96(FP), R11
	MOVD x_len+104(FP), R12
	MOVD units_base+120(FP), R13
	CLEAR(V16, V17, V18, V19)
	CLEAR(V20, V21, V22, V23)

loop:
	VLD1.P 16(R13), [V28.S4]
	VLD1.P 32(R2), [V24.S4, V25.S4]
	VLD1.P 32(R3), [V26.S4, V27.S4]
	FMUL(28, 24, 24)
	FMUL(28, 25, 25)
	FMUL(28, 26, 26)
	FMUL(28, 27, 27)
	BLOCKS_UNIT(0, 16, 17, 20, 21)
	BLOCKS_UNIT(1, 18, 19, 22, 23)
	BLOCKS_UNIT(2, 16, 17, 20, 21)
	BLOCKS_UNIT(3, 18, 19, 22, 23)
	SUBS   $128, R12, R12
	BNE    loop
	MOVD   R9, R8
	MOVD   R3, R2

	TREE(V16, 16, V17, 17, 18, 19)
	TREE(V20, 20, V21, 21, 22, 23)
	MOVD mins_len+80(FP), R14
	CBZ  R14, store

	// The minimums of both rows times the sums, eight at a time.
	MOVD sums_base+144(FP), R11
	MOVD sums_len+152(FP), R12
	ADD  R7, R4, R14
	CLEAR(V0, V1, V2, V3)
	CLEAR(V4, V5, V6, V7)

mins:
	VLD1.P 32(R11), [V8.S4, V9.S4]
	VLD1.P 32(R4), [V10.S4, V11.S4]
	VLD1.P 32(R14), [V12.S4, V13.S4]
	VFMLA  V8.S4, V10.S4, V0.S4
	VFMLA  V9.S4, V11.S4, V1.S4
	VFMLA  V8.S4, V12.S4, V4.S4
	VFMLA  V9.S4, V13.S4, V5.S4
	SUBS   $8, R12, R12
	BEQ    subtract
	VLD1.P 32(R11), [V8.S4, V9.S4]
	VLD1.P 32(R4), [V10.S4, V11.S4]
	VLD1.P 32(R14), [V12.S4, V13.S4]
	VFMLA  V8.S4, V10.S4, V2.S4
	VFMLA  V9.S4, V11.S4, V3.S4
	VFMLA  V8.S4, V12.S4, V6.S4
	VFMLA  V9.S4, V13.S4, V7.S4
	SUBS   $8, R12, R12
	BNE    mins

subtract:
	MOVD R14, R4
	TREE(V0, 0, V1, 1, 2, 3)
	TREE(V4, 4, V5, 5, 6, 7)
	FSUB(0, 16, 16)
	FSUB(4, 20, 20)

store:
	FMOVS F16, (R0)
	ADD   R10, R0, R11
	FMOVS F20, (R11)
	ADD   $8, R0, R0
	SUBS  $2, R1, R1
	BGT   pair
	RET
