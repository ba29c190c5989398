//go:build !purego

#include "textflag.h"

// ROW adds one number of a times thirty-two of b to one row of the tile.
#define ROW(number, copies, left, right) \
	VBROADCASTSS number, copies       \
	VFMADD231PS  Z24, copies, left    \
	VFMADD231PS  Z25, copies, right

// STEP does one step of the inner dimension: AX, R8 and R9 point to rows 0, 4
// and 8 of a, whose rows are BX bytes apart (CX holds 3·BX), R10 to the row of b.
#define STEP(offset, offsetRight) \
	VMOVUPS offset(R10), Z24        \
	VMOVUPS offsetRight(R10), Z25   \
	ROW((AX), Z26, Z0, Z1) \
	ROW((AX)(BX*1), Z27, Z2, Z3) \
	ROW((AX)(BX*2), Z28, Z4, Z5) \
	ROW((AX)(CX*1), Z29, Z6, Z7) \
	ROW((R8), Z30, Z8, Z9) \
	ROW((R8)(BX*1), Z31, Z10, Z11) \
	ROW((R8)(BX*2), Z26, Z12, Z13) \
	ROW((R8)(CX*1), Z27, Z14, Z15) \
	ROW((R9), Z28, Z16, Z17) \
	ROW((R9)(BX*1), Z29, Z18, Z19) \
	ROW((R9)(BX*2), Z30, Z20, Z21) \
	ROW((R9)(CX*1), Z31, Z22, Z23) \
	ADDQ DX, AX                     \
	ADDQ DX, R8                     \
	ADDQ DX, R9

#define LOAD_ROW(left, right) \
	VMOVUPS (R13), left    \
	VMOVUPS 64(R13), right \
	ADDQ    SI, R13

#define STORE_ROW(left, right) \
	VMOVUPS left, (DI)    \
	VMOVUPS right, 64(DI) \
	ADDQ    SI, DI

// func tile12x32(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
TEXT ·tile12x32(SB), NOSPLIT, $0-57
	MOVQ    c+0(FP), DI
	MOVQ    cStride+8(FP), SI
	MOVQ    a+16(FP), AX
	MOVQ    aAlong+24(FP), BX
	MOVQ    aInner+32(FP), DX
	MOVQ    b+40(FP), R10
	MOVQ    inner+48(FP), R11
	MOVBLZX resume+56(FP), R12
	SHLQ    $2, SI
	SHLQ    $2, BX
	SHLQ    $2, DX
	LEAQ    (BX)(BX*2), CX
	LEAQ    (AX)(BX*4), R8
	LEAQ    (R8)(BX*4), R9

	TESTL R12, R12
	JZ    zero
	MOVQ  DI, R13
	LOAD_ROW(Z0, Z1)
	LOAD_ROW(Z2, Z3)
	LOAD_ROW(Z4, Z5)
	LOAD_ROW(Z6, Z7)
	LOAD_ROW(Z8, Z9)
	LOAD_ROW(Z10, Z11)
	LOAD_ROW(Z12, Z13)
	LOAD_ROW(Z14, Z15)
	LOAD_ROW(Z16, Z17)
	LOAD_ROW(Z18, Z19)
	LOAD_ROW(Z20, Z21)
	LOAD_ROW(Z22, Z23)
	JMP   odd

zero:
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17
	VPXORD Z18, Z18, Z18
	VPXORD Z19, Z19, Z19
	VPXORD Z20, Z20, Z20
	VPXORD Z21, Z21, Z21
	VPXORD Z22, Z22, Z22
	VPXORD Z23, Z23, Z23

odd:
	TESTQ $1, R11
	JZ    even
	STEP(0, 64)
	ADDQ  $128, R10

even:
	SHRQ $1, R11
	JZ   store

loop:
	STEP(0, 64)
	STEP(128, 192)
	ADDQ $256, R10
	DECQ R11
	JNZ  loop

store:
	STORE_ROW(Z0, Z1)
	STORE_ROW(Z2, Z3)
	STORE_ROW(Z4, Z5)
	STORE_ROW(Z6, Z7)
	STORE_ROW(Z8, Z9)
	STORE_ROW(Z10, Z11)
	STORE_ROW(Z12, Z13)
	STORE_ROW(Z14, Z15)
	STORE_ROW(Z16, Z17)
	STORE_ROW(Z18, Z19)
	STORE_ROW(Z20, Z21)
	STORE_ROW(Z22, Z23)
	VZEROUPPER
	RET
