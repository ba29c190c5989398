//go:build !purego

#include "textflag.h"
#include "prefetch_amd64.h"
#include "multile_avx512_amd64.h"

#define MASK(value, register) \
	MOVL         $value, AX \
	VPBROADCASTD AX, register

// FIELD adds one field of the two rows' blocks in Z4, masked but not shifted
// down, times its activations.
#define FIELD(mask, offset, sum) \
	VBROADCASTI64X4 offset(R11), Z5 \
	VPANDD          Z4, mask, Z6 \
	VPDPBUSD        Z5, Z6, sum

// func codeDotAVX512(sums []int32, codes []byte, q []int8)
//
// Two rows at a time, a block of one in the lower and of the other in the upper
// half of a register. Masked fields are 64, 16, 4 and 1 times the codes; each
// multiple has sums of its own, and these are shifted at the end. A lane gains
// at most 4·192·128 a block, less than 2³⁰ in the longest row.
//
// More rows at a time would save some additions, but memory is slower than
// this, and it is read fastest in its order.
TEXT ·codeDotAVX512(SB), NOSPLIT, $0-72
	MOVQ sums_base+0(FP), DI
	MOVQ sums_len+8(FP), CX
	MOVQ codes_base+24(FP), SI
	MOVQ q_base+48(FP), DX
	MOVQ q_len+56(FP), R8
	SHRQ $2, R8                 // bytes of a row
	MASK(0xC0C0C0C0, Z12)
	MASK(0x30303030, Z13)
	MASK(0x0C0C0C0C, Z14)
	MASK(0x03030303, Z15)

rows:
	MOVQ R8, R9                 // to the second row; the last of an odd number
	CMPQ CX, $1                 // goes twice
	JGT  two
	JLT  done
	XORL R9, R9

two:
	MOVQ DX, R11
	LEAQ (SI)(R8*1), R12        // the end of the row
	LEAQ PREFETCH_AHEAD(SI)(R8*2), R13
	CLEAR4(Z0, Z1, Z2, Z3)

blocks:
	PREFETCHT0   (R13)
	VMOVDQU      (SI), Y4
	VINSERTI64X4 $1, (SI)(R9*1), Z4, Z4
	FIELD(Z12, 0, Z0)
	FIELD(Z13, 32, Z1)
	FIELD(Z14, 64, Z2)
	FIELD(Z15, 96, Z3)
	ADDQ         $64, R13
	ADDQ         $128, R11
	ADDQ         $32, SI
	CMPQ         SI, R12
	JNE          blocks

	VPSRAD        $6, Z0, Z0    // exact
	VPSRAD        $4, Z1, Z1
	VPSRAD        $2, Z2, Z2
	VPADDD        Z0, Z1, Z1
	VPADDD        Z2, Z3, Z3
	VPADDD        Z1, Z3, Z3
	VEXTRACTI64X4 $1, Z3, Y0
	VPHADDD       Y0, Y3, Y0
	VPHADDD       Y0, Y0, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDD        X1, X0, X0
	CMPQ          CX, $1
	JEQ           last
	VMOVQ         X0, (DI)
	ADDQ          $8, DI
	ADDQ          R8, SI
	SUBQ          $2, CX
	JMP           rows

last:
	VMOVD X0, (DI)

done:
	VZEROUPPER
	RET

// ROWS4 puts 16 bytes, a half block, of rows r, r+4, r+8 and r+12 into the
// quarters of a register.
#define ROWS4(row0, row4, row8, row12, y, z) \
	VMOVDQU      row0, y \
	VINSERTI64X2 $1, row4, z, z \
	VINSERTI64X2 $2, row8, z, z \
	VINSERTI64X2 $3, row12, z, z

// FIELDS stores the four fields of 16 rows' 32-bit words, one word of each, in
// their four places of the group.
#define FIELDS(words, offset) \
	VPSRLD    $6, words, Z16 \
	VPSRLD    $4, words, Z17 \
	VPSRLD    $2, words, Z18 \
	VPANDD    Z16, Z31, Z16 \
	VPANDD    Z17, Z31, Z17 \
	VPANDD    Z18, Z31, Z18 \
	VPANDD    words, Z31, Z19 \
	VMOVDQU32 Z16, (offset+0*512)(DI) \
	VMOVDQU32 Z17, (offset+1*512)(DI) \
	VMOVDQU32 Z18, (offset+2*512)(DI) \
	VMOVDQU32 Z19, (offset+3*512)(DI)

// HALF unpacks half a block of each row, as a 16 × 4 transpose of words.
#define HALF(offset) \
	ROWS4(offset(SI), offset(R10), offset(R11), offset(R12), X0, Z0) \
	ROWS4(offset(SI)(R8*1), offset(R10)(R8*1), offset(R11)(R8*1), offset(R12)(R8*1), X1, Z1) \
	ROWS4(offset(SI)(R8*2), offset(R10)(R8*2), offset(R11)(R8*2), offset(R12)(R8*2), X2, Z2) \
	ROWS4(offset(SI)(R9*1), offset(R10)(R9*1), offset(R11)(R9*1), offset(R12)(R9*1), X3, Z3) \
	VPUNPCKLDQ  Z1, Z0, Z4 \
	VPUNPCKHDQ  Z1, Z0, Z5 \
	VPUNPCKLDQ  Z3, Z2, Z6 \
	VPUNPCKHDQ  Z3, Z2, Z7 \
	VPUNPCKLQDQ Z6, Z4, Z0 \
	VPUNPCKHQDQ Z6, Z4, Z1 \
	VPUNPCKLQDQ Z7, Z5, Z2 \
	VPUNPCKHQDQ Z7, Z5, Z3 \
	FIELDS(Z0, offset*16+0*64) \
	FIELDS(Z1, offset*16+1*64) \
	FIELDS(Z2, offset*16+2*64) \
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
	LEAQ PREFETCH_AHEAD(R11)(R8*8), R13
	MOVQ R8, CX
	MASK(0x03030303, Z31)

unpackBlocks:
	PREFETCH_GROUP
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

#define STORE(token, sum, sum16, sum32, sum48) \
	VMOVDQU32 sum, (token*256)(DI) \
	VMOVDQU32 sum16, (token*256+64)(DI) \
	VMOVDQU32 sum32, (token*256+128)(DI) \
	VMOVDQU32 sum48, (token*256+192)(DI)

// func mulTileAVX512(sums []int32, tile []byte, panel []int8, cols int)
//
// All sums of 64 rows and six tokens stay in registers along the whole row:
// 24 multiplications for every ten loads.
TEXT ·mulTileAVX512(SB), NOSPLIT, $0-80
	MOVQ sums_base+0(FP), DI
	MOVQ tile_base+24(FP), SI
	MOVQ panel_base+48(FP), DX
	MOVQ cols+72(FP), R8
	SHLQ $4, R8                 // bytes of a group
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*1), R10
	CLEAR_SUMS

steps:
	SIXTEEN
	CMPQ SI, R10
	JNE  steps

	STORE(0, Z0, Z6, Z12, Z18)
	STORE(1, Z1, Z7, Z13, Z19)
	STORE(2, Z2, Z8, Z14, Z20)
	STORE(3, Z3, Z9, Z15, Z21)
	STORE(4, Z4, Z10, Z16, Z22)
	STORE(5, Z5, Z11, Z17, Z23)
	VZEROUPPER
	RET
