//go:build !purego

#include "textflag.h"

// ROW adds one number of a times sixteen of b to one row of the tile.
#define ROW(number, copies, left, right) \
	VBROADCASTSS number, copies       \
	VFMADD231PS  Y12, copies, left    \
	VFMADD231PS  Y13, copies, right

// STEP does one step of the inner dimension: AX and R8 point to rows 0 and 4 of
// a, whose rows are BX bytes apart (CX holds 3·BX), R10 to the row of b.
#define STEP(offset, offsetRight) \
	VMOVUPS offset(R10), Y12           \
	VMOVUPS offsetRight(R10), Y13      \
	ROW((AX), Y14, Y0, Y1)             \
	ROW((AX)(BX*1), Y15, Y2, Y3)       \
	ROW((AX)(BX*2), Y14, Y4, Y5)       \
	ROW((AX)(CX*1), Y15, Y6, Y7)       \
	ROW((R8), Y14, Y8, Y9)             \
	ROW((R8)(BX*1), Y15, Y10, Y11)     \
	ADDQ DX, AX                        \
	ADDQ DX, R8

#define LOAD_ROW(left, right) \
	VMOVUPS (R9), left    \
	VMOVUPS 32(R9), right \
	ADDQ    SI, R9

#define STORE_ROW(left, right) \
	VMOVUPS left, (DI)    \
	VMOVUPS right, 32(DI) \
	ADDQ    SI, DI

// func tile6x16(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
TEXT ·tile6x16(SB), NOSPLIT, $0-57
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
	MOVQ  DI, R9
	LOAD_ROW(Y0, Y1)
	LOAD_ROW(Y2, Y3)
	LOAD_ROW(Y4, Y5)
	LOAD_ROW(Y6, Y7)
	LOAD_ROW(Y8, Y9)
	LOAD_ROW(Y10, Y11)
	JMP   odd

zero:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

odd:
	TESTQ $1, R11
	JZ    even
	STEP(0, 32)
	ADDQ  $64, R10

even:
	SHRQ $1, R11
	JZ   store

loop:
	STEP(0, 32)
	STEP(64, 96)
	ADDQ $128, R10
	DECQ R11
	JNZ  loop

store:
	STORE_ROW(Y0, Y1)
	STORE_ROW(Y2, Y3)
	STORE_ROW(Y4, Y5)
	STORE_ROW(Y6, Y7)
	STORE_ROW(Y8, Y9)
	STORE_ROW(Y10, Y11)
	VZEROUPPER
	RET

// func spreadEights(dst, src *float32, srcStride, rows, panels, eights int)
TEXT ·spreadEights(SB), NOSPLIT, $0-48
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  srcStride+16(FP), BX
	MOVQ  rows+24(FP), CX
	MOVQ  panels+32(FP), DX
	MOVQ  eights+40(FP), R8
	SHLQ  $2, BX
	MOVQ  R8, R9
	SHLQ  $5, R9   // bytes of a row of a panel
	MOVQ  R9, R10
	IMULQ CX, R10  // bytes of a panel

row:
	MOVQ SI, AX
	MOVQ DI, R11
	MOVQ DX, R12
	CMPQ R8, $6
	JEQ  six
	CMPQ R8, $1
	JNE  panel

one:
	VMOVUPS (AX), Y0
	VMOVUPS Y0, (R11)
	ADDQ    $32, AX
	ADDQ    R10, R11
	DECQ    R12
	JNZ     one
	JMP     next

six:
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS 64(AX), Y2
	VMOVUPS 96(AX), Y3
	VMOVUPS 128(AX), Y4
	VMOVUPS 160(AX), Y5
	VMOVUPS Y0, (R11)
	VMOVUPS Y1, 32(R11)
	VMOVUPS Y2, 64(R11)
	VMOVUPS Y3, 96(R11)
	VMOVUPS Y4, 128(R11)
	VMOVUPS Y5, 160(R11)
	ADDQ    $192, AX
	ADDQ    R10, R11
	DECQ    R12
	JNZ     six
	JMP     next

panel:
	MOVQ R11, R13
	MOVQ R8, R15

eight:
	VMOVUPS (AX), Y0
	VMOVUPS Y0, (R13)
	ADDQ    $32, AX
	ADDQ    $32, R13
	DECQ    R15
	JNZ     eight
	ADDQ    R10, R11
	DECQ    R12
	JNZ     panel

next:
	ADDQ BX, SI
	ADDQ R9, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET
