//go:build !purego

#include "textflag.h"

// BLOCKS multiplies the same block of two rows, one in each half of Z24, by
// the block's activations in Z20–Z23. The fields of a byte are not shifted
// down: masked, they are 64, 16, 4 and 1 times the code, and each multiple has
// a sum of its own. A lane gains at most 4·192·128 a block, 2²⁹·1.5 in the
// longest row.
#define BLOCKS(rowA, rowB, sum64, sum16, sum4, sum1) \
	VMOVDQU32   rowA, Y24              \
	VINSERTI64X4 $1, rowB, Z24, Z24    \
	VPANDD      Z24, Z28, Z25          \
	VPANDD      Z24, Z29, Z26          \
	VPANDD      Z24, Z30, Z27          \
	VPANDD      Z24, Z31, Z24          \
	VPDPBUSD    Z20, Z25, sum64        \
	VPDPBUSD    Z21, Z26, sum16        \
	VPDPBUSD    Z22, Z27, sum4         \
	VPDPBUSD    Z23, Z24, sum1

// JOIN adds the four multiples' sums into sum1. The shifts are exact.
#define JOIN(sum64, sum16, sum4, sum1) \
	VPSRAD $6, sum64, sum64      \
	VPSRAD $4, sum16, sum16      \
	VPSRAD $2, sum4, sum4        \
	VPADDD sum64, sum16, sum16   \
	VPADDD sum4, sum1, sum1      \
	VPADDD sum16, sum1, sum1

#define ACTIVATIONS \
	VBROADCASTI64X4 (R11), Z20   \
	VBROADCASTI64X4 32(R11), Z21 \
	VBROADCASTI64X4 64(R11), Z22 \
	VBROADCASTI64X4 96(R11), Z23

#define MASK(value, register) \
	MOVL         $value, AX   \
	VPBROADCASTD AX, register

#define CLEAR4(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

// func codeDotsAVX512(sums []int32, codes []byte, q []int8)
//
// Eight rows at a time, row r in the lower and row r+4 in the upper half of a
// register, so that any number of blocks goes without a rest. Then two at a
// time.
TEXT ·codeDotsAVX512(SB), NOSPLIT, $0-72
	MOVQ sums_base+0(FP), DI
	MOVQ sums_len+8(FP), CX
	MOVQ codes_base+24(FP), SI
	MOVQ q_base+48(FP), DX
	MOVQ q_len+56(FP), R8
	SHRQ $2, R8                 // bytes of a row
	LEAQ (R8)(R8*2), R9
	MASK(0xC0C0C0C0, Z28)
	MASK(0x30303030, Z29)
	MASK(0x0C0C0C0C, Z30)
	MASK(0x03030303, Z31)

eight:
	CMPQ CX, $8
	JLT  rest
	LEAQ (SI)(R8*4), R10        // the fifth row
	MOVQ DX, R11
	MOVQ R8, R12
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)
	CLEAR4(Z8, Z9, Z10, Z11)
	CLEAR4(Z12, Z13, Z14, Z15)

eightBlocks:
	ACTIVATIONS
	BLOCKS((SI), (R10), Z0, Z1, Z2, Z3)
	BLOCKS((SI)(R8*1), (R10)(R8*1), Z4, Z5, Z6, Z7)
	BLOCKS((SI)(R8*2), (R10)(R8*2), Z8, Z9, Z10, Z11)
	BLOCKS((SI)(R9*1), (R10)(R9*1), Z12, Z13, Z14, Z15)
	ADDQ $32, SI
	ADDQ $32, R10
	ADDQ $128, R11
	SUBQ $32, R12
	JNZ  eightBlocks

	JOIN(Z0, Z1, Z2, Z3)
	JOIN(Z4, Z5, Z6, Z7)
	JOIN(Z8, Z9, Z10, Z11)
	JOIN(Z12, Z13, Z14, Z15)

	// Add the lanes, four rows at once in each quarter of a register.
	VPUNPCKLDQ  Z7, Z3, Z0
	VPUNPCKHDQ  Z7, Z3, Z1
	VPUNPCKLDQ  Z15, Z11, Z2
	VPUNPCKHDQ  Z15, Z11, Z4
	VPADDD      Z0, Z1, Z0
	VPADDD      Z2, Z4, Z2
	VPUNPCKLQDQ Z2, Z0, Z1
	VPUNPCKHQDQ Z2, Z0, Z4
	VPADDD      Z1, Z4, Z0
	VSHUFI64X2  $0xB1, Z0, Z0, Z1   // quarters 1, 0, 3, 2
	VPADDD      Z1, Z0, Z0
	VSHUFI64X2  $0x08, Z0, Z0, Z0   // quarters 0 and 2
	VMOVDQU     Y0, (DI)

	ADDQ $32, DI
	LEAQ (R10)(R9*1), SI        // R10 stands at the sixth row
	SUBQ $8, CX
	JMP  eight

rest:
	CMPQ CX, $0
	JLE  done
	MOVQ SI, R10                // the last of an odd number goes twice
	CMPQ CX, $1
	JEQ  two
	ADDQ R8, R10

two:
	MOVQ DX, R11
	MOVQ R8, R12
	CLEAR4(Z0, Z1, Z2, Z3)

twoBlocks:
	ACTIVATIONS
	BLOCKS((SI), (R10), Z0, Z1, Z2, Z3)
	ADDQ $32, SI
	ADDQ $32, R10
	ADDQ $128, R11
	SUBQ $32, R12
	JNZ  twoBlocks

	JOIN(Z0, Z1, Z2, Z3)
	VEXTRACTI64X4 $1, Z3, Y0
	VPHADDD       Y0, Y3, Y0
	VPHADDD       Y0, Y0, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDD        X1, X0, X0
	VMOVD         X0, (DI)
	CMPQ          CX, $1
	JEQ           done
	VPEXTRD       $1, X0, 4(DI)
	ADDQ          $8, DI
	MOVQ          R10, SI
	SUBQ          $2, CX
	JMP           rest

done:
	VZEROUPPER
	RET

// ROWS4 puts 16 bytes, a half block, of rows r, r+4, r+8 and r+12 into the
// quarters of a register.
#define ROWS4(row0, row4, row8, row12, y, z) \
	VMOVDQU      row0, y            \
	VINSERTI64X2 $1, row4, z, z     \
	VINSERTI64X2 $2, row8, z, z     \
	VINSERTI64X2 $3, row12, z, z

// FIELDS stores the four fields of 16 rows' 32-bit words, one word of each, in
// their four places of the group.
#define FIELDS(words, offset) \
	VPSRLD    $6, words, Z16           \
	VPSRLD    $4, words, Z17           \
	VPSRLD    $2, words, Z18           \
	VPANDD    Z16, Z31, Z16            \
	VPANDD    Z17, Z31, Z17            \
	VPANDD    Z18, Z31, Z18            \
	VPANDD    words, Z31, Z19          \
	VMOVDQU32 Z16, (offset+0*512)(DI)  \
	VMOVDQU32 Z17, (offset+1*512)(DI)  \
	VMOVDQU32 Z18, (offset+2*512)(DI)  \
	VMOVDQU32 Z19, (offset+3*512)(DI)

// HALF unpacks half a block of each row, as a 16 × 4 transpose of words.
#define HALF(offset) \
	ROWS4(offset(SI), offset(R10), offset(R11), offset(R12), X0, Z0)                                  \
	ROWS4(offset(SI)(R8*1), offset(R10)(R8*1), offset(R11)(R8*1), offset(R12)(R8*1), X1, Z1)          \
	ROWS4(offset(SI)(R8*2), offset(R10)(R8*2), offset(R11)(R8*2), offset(R12)(R8*2), X2, Z2)          \
	ROWS4(offset(SI)(R9*1), offset(R10)(R9*1), offset(R11)(R9*1), offset(R12)(R9*1), X3, Z3)          \
	VPUNPCKLDQ  Z1, Z0, Z4       \
	VPUNPCKHDQ  Z1, Z0, Z5       \
	VPUNPCKLDQ  Z3, Z2, Z6       \
	VPUNPCKHDQ  Z3, Z2, Z7       \
	VPUNPCKLQDQ Z6, Z4, Z0       \
	VPUNPCKHQDQ Z6, Z4, Z1       \
	VPUNPCKLQDQ Z7, Z5, Z2       \
	VPUNPCKHQDQ Z7, Z5, Z3       \
	FIELDS(Z0, offset*16+0*64)   \
	FIELDS(Z1, offset*16+1*64)   \
	FIELDS(Z2, offset*16+2*64)   \
	FIELDS(Z3, offset*16+3*64)

// func unpackGroupAVX512(group, codes *byte, cols int)
TEXT ·unpackGroupAVX512(SB), NOSPLIT, $0-24
	MOVQ group+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ cols+16(FP), R8
	SHRQ $2, R8                 // bytes of a row
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10
	LEAQ (SI)(R8*8), R11
	LEAQ (R10)(R8*8), R12
	MOVQ R8, CX
	MASK(0x03030303, Z31)

unpackBlocks:
	HALF(0)
	HALF(16)
	ADDQ $32, SI
	ADDQ $32, R10
	ADDQ $32, R11
	ADDQ $32, R12
	ADDQ $2048, DI
	SUBQ $32, CX
	JNZ  unpackBlocks
	VZEROUPPER
	RET

// TOKEN multiplies four columns of 32 rows by one token's.
#define TOKEN(offset, activations, sum, sum16) \
	VPBROADCASTD offset(DX), activations \
	VPDPBUSD     activations, Z24, sum   \
	VPDPBUSD     activations, Z25, sum16

// STEP multiplies four columns of 32 rows by those of 12 tokens.
#define STEP(step) \
	VMOVDQU32 (step*64)(SI), Z24          \
	VMOVDQU32 (step*64)(R10), Z25         \
	TOKEN(step*48+0, Z26, Z0, Z12)   \
	TOKEN(step*48+4, Z27, Z1, Z13)   \
	TOKEN(step*48+8, Z28, Z2, Z14)   \
	TOKEN(step*48+12, Z29, Z3, Z15)  \
	TOKEN(step*48+16, Z30, Z4, Z16)  \
	TOKEN(step*48+20, Z31, Z5, Z17)  \
	TOKEN(step*48+24, Z26, Z6, Z18)  \
	TOKEN(step*48+28, Z27, Z7, Z19)  \
	TOKEN(step*48+32, Z28, Z8, Z20)  \
	TOKEN(step*48+36, Z29, Z9, Z21)  \
	TOKEN(step*48+40, Z30, Z10, Z22) \
	TOKEN(step*48+44, Z31, Z11, Z23)

#define STORE(token, sum, sum16) \
	VMOVDQU32 sum, (token*256)(DI)      \
	VMOVDQU32 sum16, (token*256+64)(DI)

// func mulTileAVX512(sums []int32, tile []byte, panel []int8, cols int)
//
// All sums of 32 rows and 12 tokens stay in registers along the whole row:
// 24 multiplications for every 14 loads.
TEXT ·mulTileAVX512(SB), NOSPLIT, $0-80
	MOVQ sums_base+0(FP), DI
	MOVQ tile_base+24(FP), SI
	MOVQ cols+72(FP), R8
	SHLQ $4, R8                 // bytes of a group
	MOVQ $2, R9

rows32:
	LEAQ (SI)(R8*1), R10
	MOVQ panel_base+48(FP), DX
	MOVQ R8, CX
	CLEAR4(Z0, Z1, Z2, Z3)
	CLEAR4(Z4, Z5, Z6, Z7)
	CLEAR4(Z8, Z9, Z10, Z11)
	CLEAR4(Z12, Z13, Z14, Z15)
	CLEAR4(Z16, Z17, Z18, Z19)
	CLEAR4(Z20, Z21, Z22, Z23)

steps:
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	ADDQ $256, SI
	ADDQ $256, R10
	ADDQ $192, DX
	SUBQ $256, CX
	JNZ  steps

	STORE(0, Z0, Z12)
	STORE(1, Z1, Z13)
	STORE(2, Z2, Z14)
	STORE(3, Z3, Z15)
	STORE(4, Z4, Z16)
	STORE(5, Z5, Z17)
	STORE(6, Z6, Z18)
	STORE(7, Z7, Z19)
	STORE(8, Z8, Z20)
	STORE(9, Z9, Z21)
	STORE(10, Z10, Z22)
	STORE(11, Z11, Z23)
	ADDQ $128, DI
	MOVQ R10, SI                // the end of one group, the start of the next
	DECQ R9
	JNZ  rows32
	VZEROUPPER
	RET
