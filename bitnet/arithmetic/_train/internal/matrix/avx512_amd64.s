//go:build !purego

#include "textflag.h"

// ROW3, ROW2 and ROW1 add one number of a times 48, 32 or 16 of b to one row of
// the tile.
#define ROW3(number, copies, left, middle, right) \
	VBROADCASTSS number, copies                \
	VFMADD231PS  Z24, copies, left             \
	VFMADD231PS  Z25, copies, middle           \
	VFMADD231PS  Z26, copies, right

#define ROW2(number, copies, left, right) \
	VBROADCASTSS number, copies        \
	VFMADD231PS  Z24, copies, left     \
	VFMADD231PS  Z25, copies, right

#define ROW1(number, sums) \
	VFMADD231PS.BCST number, Z24, sums

// STEP3, STEP2 and STEP1 do one step of the inner dimension: AX and R8 point to
// rows 0 and 4 of a, whose rows are BX bytes apart (CX holds 3·BX), R10 to the
// row of b.
#define STEP3(at, at1, at2) \
	VMOVUPS at(R10), Z24 \
	VMOVUPS at1(R10), Z25 \
	VMOVUPS at2(R10), Z26 \
	ROW3((AX), Z27, Z0, Z1, Z2) \
	ROW3((AX)(BX*1), Z28, Z3, Z4, Z5) \
	ROW3((AX)(BX*2), Z29, Z6, Z7, Z8) \
	ROW3((AX)(CX*1), Z30, Z9, Z10, Z11) \
	ROW3((R8), Z31, Z12, Z13, Z14) \
	ROW3((R8)(BX*1), Z27, Z15, Z16, Z17) \
	ROW3((R8)(BX*2), Z28, Z18, Z19, Z20) \
	ROW3((R8)(CX*1), Z29, Z21, Z22, Z23) \
	ADDQ DX, AX \
	ADDQ DX, R8

#define STEP2(at, at1) \
	VMOVUPS at(R10), Z24 \
	VMOVUPS at1(R10), Z25 \
	ROW2((AX), Z27, Z0, Z1) \
	ROW2((AX)(BX*1), Z28, Z2, Z3) \
	ROW2((AX)(BX*2), Z29, Z4, Z5) \
	ROW2((AX)(CX*1), Z30, Z6, Z7) \
	ROW2((R8), Z31, Z8, Z9) \
	ROW2((R8)(BX*1), Z27, Z10, Z11) \
	ROW2((R8)(BX*2), Z28, Z12, Z13) \
	ROW2((R8)(CX*1), Z29, Z14, Z15) \
	ADDQ DX, AX \
	ADDQ DX, R8

#define STEP1(at) \
	VMOVUPS at(R10), Z24 \
	ROW1((AX), Z0) \
	ROW1((AX)(BX*1), Z1) \
	ROW1((AX)(BX*2), Z2) \
	ROW1((AX)(CX*1), Z3) \
	ROW1((R8), Z4) \
	ROW1((R8)(BX*1), Z5) \
	ROW1((R8)(BX*2), Z6) \
	ROW1((R8)(CX*1), Z7) \
	ADDQ DX, AX \
	ADDQ DX, R8

#define LOAD_ROW3(left, middle, right) \
	VMOVUPS (R13), left \
	VMOVUPS 64(R13), middle \
	VMOVUPS 128(R13), right \
	ADDQ SI, R13

#define STORE_ROW3(left, middle, right) \
	VMOVUPS left, (DI) \
	VMOVUPS middle, 64(DI) \
	VMOVUPS right, 128(DI) \
	ADDQ SI, DI

#define LOAD_ROW2(left, right) \
	VMOVUPS (R13), left \
	VMOVUPS 64(R13), right \
	ADDQ SI, R13

#define STORE_ROW2(left, right) \
	VMOVUPS left, (DI) \
	VMOVUPS right, 64(DI) \
	ADDQ SI, DI

#define LOAD_ROW1(sums) \
	VMOVUPS (R13), sums \
	ADDQ SI, R13

#define STORE_ROW1(sums) \
	VMOVUPS sums, (DI) \
	ADDQ SI, DI

// func tile8x48(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
TEXT ·tile8x48(SB), NOSPLIT, $0-57
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

	TESTL R12, R12
	JZ    zero
	MOVQ  DI, R13
	LOAD_ROW3(Z0, Z1, Z2)
	LOAD_ROW3(Z3, Z4, Z5)
	LOAD_ROW3(Z6, Z7, Z8)
	LOAD_ROW3(Z9, Z10, Z11)
	LOAD_ROW3(Z12, Z13, Z14)
	LOAD_ROW3(Z15, Z16, Z17)
	LOAD_ROW3(Z18, Z19, Z20)
	LOAD_ROW3(Z21, Z22, Z23)
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
	STEP3(0, 64, 128)
	ADDQ  $192, R10

even:
	SHRQ $1, R11
	JZ   store

loop:
	STEP3(0, 64, 128)
	STEP3(192, 256, 320)
	ADDQ $384, R10
	DECQ R11
	JNZ  loop

store:
	STORE_ROW3(Z0, Z1, Z2)
	STORE_ROW3(Z3, Z4, Z5)
	STORE_ROW3(Z6, Z7, Z8)
	STORE_ROW3(Z9, Z10, Z11)
	STORE_ROW3(Z12, Z13, Z14)
	STORE_ROW3(Z15, Z16, Z17)
	STORE_ROW3(Z18, Z19, Z20)
	STORE_ROW3(Z21, Z22, Z23)
	VZEROUPPER
	RET

// func tile8x32(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
TEXT ·tile8x32(SB), NOSPLIT, $0-57
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

	TESTL R12, R12
	JZ    zero
	MOVQ  DI, R13
	LOAD_ROW2(Z0, Z1)
	LOAD_ROW2(Z2, Z3)
	LOAD_ROW2(Z4, Z5)
	LOAD_ROW2(Z6, Z7)
	LOAD_ROW2(Z8, Z9)
	LOAD_ROW2(Z10, Z11)
	LOAD_ROW2(Z12, Z13)
	LOAD_ROW2(Z14, Z15)
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

odd:
	TESTQ $1, R11
	JZ    even
	STEP2(0, 64)
	ADDQ  $128, R10

even:
	SHRQ $1, R11
	JZ   store

loop:
	STEP2(0, 64)
	STEP2(128, 192)
	ADDQ $256, R10
	DECQ R11
	JNZ  loop

store:
	STORE_ROW2(Z0, Z1)
	STORE_ROW2(Z2, Z3)
	STORE_ROW2(Z4, Z5)
	STORE_ROW2(Z6, Z7)
	STORE_ROW2(Z8, Z9)
	STORE_ROW2(Z10, Z11)
	STORE_ROW2(Z12, Z13)
	STORE_ROW2(Z14, Z15)
	VZEROUPPER
	RET

// func tile8x16(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
TEXT ·tile8x16(SB), NOSPLIT, $0-57
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

	TESTL R12, R12
	JZ    zero
	MOVQ  DI, R13
	LOAD_ROW1(Z0)
	LOAD_ROW1(Z1)
	LOAD_ROW1(Z2)
	LOAD_ROW1(Z3)
	LOAD_ROW1(Z4)
	LOAD_ROW1(Z5)
	LOAD_ROW1(Z6)
	LOAD_ROW1(Z7)
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

odd:
	TESTQ $1, R11
	JZ    even
	STEP1(0)
	ADDQ  $64, R10

even:
	SHRQ $1, R11
	JZ   store

loop:
	STEP1(0)
	STEP1(64)
	ADDQ $128, R10
	DECQ R11
	JNZ  loop

store:
	STORE_ROW1(Z0)
	STORE_ROW1(Z1)
	STORE_ROW1(Z2)
	STORE_ROW1(Z3)
	STORE_ROW1(Z4)
	STORE_ROW1(Z5)
	STORE_ROW1(Z6)
	STORE_ROW1(Z7)
	VZEROUPPER
	RET
