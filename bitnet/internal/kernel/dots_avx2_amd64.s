//go:build !purego

#include "go_asm.h"
#include "lanes_amd64.h"
#include "textflag.h"

// A tile of float16 rows is 3 rows × 2 to 4 vectors, and one half of the lanes
// at a time, so that a register holds the sums of a row and a vector: Y0 to Y11,
// those of the first vector first. Y12 to Y14 are the rows' numbers, Y15 a
// vector's.
//
// SI and BX point to the columns of the first row and of the first vector, R8
// and R9 are the offsets in bytes of the other rows, R10 to R12 those of the
// other vectors.

// HALF_LOAD and HALF_STORE move the sums of vector v, of the half of the lanes
// that begins at byte 0 or 32.
#define HALF_LOAD(half, v, y0, y1, y2) \
	VMOVUPS (half+64*const_halfRows*v)(DI), y0    \
	VMOVUPS (half+64*const_halfRows*v+64)(DI), y1 \
	VMOVUPS (half+64*const_halfRows*v+128)(DI), y2

#define HALF_STORE(half, v, y0, y1, y2) \
	VMOVUPS y0, (half+64*const_halfRows*v)(DI)    \
	VMOVUPS y1, (half+64*const_halfRows*v+64)(DI) \
	VMOVUPS y2, (half+64*const_halfRows*v+128)(DI)

// HALF_TIMES adds the products of the rows with a vector at x.
#define HALF_TIMES(x, y0, y1, y2) \
	VMOVUPS     x, Y15       \
	VFMADD231PS Y12, Y15, y0 \
	VFMADD231PS Y13, Y15, y1 \
	VFMADD231PS Y14, Y15, y2

// The three for 2, 3 and 4 vectors.
#define HALF_LOAD2(half) \
	HALF_LOAD(half, 0, Y0, Y1, Y2) \
	HALF_LOAD(half, 1, Y3, Y4, Y5)

#define HALF_LOAD3(half) \
	HALF_LOAD2(half)               \
	HALF_LOAD(half, 2, Y6, Y7, Y8)

#define HALF_LOAD4(half) \
	HALF_LOAD3(half)                 \
	HALF_LOAD(half, 3, Y9, Y10, Y11)

#define HALF_STORE2(half) \
	HALF_STORE(half, 0, Y0, Y1, Y2) \
	HALF_STORE(half, 1, Y3, Y4, Y5)

#define HALF_STORE3(half) \
	HALF_STORE2(half)               \
	HALF_STORE(half, 2, Y6, Y7, Y8)

#define HALF_STORE4(half) \
	HALF_STORE3(half)                 \
	HALF_STORE(half, 3, Y9, Y10, Y11)

#define HALF_TIMES2(half) \
	HALF_TIMES(half(BX), Y0, Y1, Y2)        \
	HALF_TIMES(half(BX)(R10*1), Y3, Y4, Y5)

#define HALF_TIMES3(half) \
	HALF_TIMES2(half)                       \
	HALF_TIMES(half(BX)(R11*1), Y6, Y7, Y8)

#define HALF_TIMES4(half) \
	HALF_TIMES3(half)                         \
	HALF_TIMES(half(BX)(R12*1), Y9, Y10, Y11)

// HALF_PASS adds the products of one half of the lanes. Each step also fetches
// from the next rows, R13, and what the rows at hand have a little further on
// from the second cache to the first.
#define HALF_PASS(half, loop, load, times, store) \
	load(half)                            \
	MOVQ       width+32(FP), CX           \
	loop:                                 \
	PREFETCHT1 (R13)                      \
	PREFETCHT0 256(SI)                    \
	PREFETCHT0 256(SI)(R8*1)              \
	PREFETCHT0 256(SI)(R9*1)              \
	VCVTPH2PS  (half/2)(SI), Y12          \
	VCVTPH2PS  (half/2)(SI)(R8*1), Y13    \
	VCVTPH2PS  (half/2)(SI)(R9*1), Y14    \
	times(half)                           \
	ADDQ       R14, R13                   \
	ADDQ       $32, SI                    \
	ADDQ       $64, BX                    \
	SUBQ       $16, CX                    \
	JNE        loop                       \
	store(half)                           \
	MOVQ       width+32(FP), CX           \
	ADDQ       CX, CX                     \
	SUBQ       CX, SI                     \
	ADDQ       CX, CX                     \
	SUBQ       CX, BX

// func tileHalfAVX2(sums *float32, rows *uint16, x *float32, cols, width, count, vectors int, ahead uintptr, perStep int) uintptr
TEXT ·tileHalfAVX2(SB), NOSPLIT, $0-80
	MOVQ sums+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ x+16(FP), BX
	MOVQ cols+24(FP), R8
	MOVQ count+40(FP), DX
	MOVQ vectors+48(FP), AX
	MOVQ ahead+56(FP), R13
	MOVQ perStep+64(FP), R14
	LEAQ (R8)(R8*1), R8      // bytes of a row
	LEAQ (R8)(R8*1), R9
	LEAQ (R8)(R8*1), R10     // bytes of a vector
	LEAQ (R10)(R10*1), R11
	LEAQ (R10)(R11*1), R12
	LEAQ (R8)(R9*1), R15     // bytes of 3 rows

	// Rows that are missing are the first one again.
triple:
	CMPQ DX, $3
	JGE  ready
	XORQ R9, R9
	CMPQ DX, $2
	JEQ  ready
	XORQ R8, R8

ready:
	CMPQ AX, $3
	JEQ  three
	JLT  two
	HALF_PASS(0, low4, HALF_LOAD4, HALF_TIMES4, HALF_STORE4)
	HALF_PASS(32, high4, HALF_LOAD4, HALF_TIMES4, HALF_STORE4)
	JMP  next

three:
	HALF_PASS(0, low3, HALF_LOAD3, HALF_TIMES3, HALF_STORE3)
	HALF_PASS(32, high3, HALF_LOAD3, HALF_TIMES3, HALF_STORE3)
	JMP  next

two:
	HALF_PASS(0, low2, HALF_LOAD2, HALF_TIMES2, HALF_STORE2)
	HALF_PASS(32, high2, HALF_LOAD2, HALF_TIMES2, HALF_STORE2)

next:
	ADDQ R15, SI
	ADDQ $192, DI
	SUBQ $3, DX
	JGT  triple
	MOVQ R13, ret+72(FP)
	VZEROUPPER
	RET

// func sumLanesAVX2(dst []float32, sums *float32)
TEXT ·sumLanesAVX2(SB), NOSPLIT, $0-32
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ sums+24(FP), SI
	SUBQ $4, CX
	JLT  rest

four:
	VMOVUPS (SI), Y0
	VMOVUPS 64(SI), Y1
	VMOVUPS 128(SI), Y2
	VMOVUPS 192(SI), Y3
	VADDPS  32(SI), Y0, Y0
	VADDPS  96(SI), Y1, Y1
	VADDPS  160(SI), Y2, Y2
	VADDPS  224(SI), Y3, Y3
	SUM_FOUR
	VMOVUPS X0, (DI)

	ADDQ $256, SI
	ADDQ $16, DI
	SUBQ $4, CX
	JGE  four

rest:
	ADDQ $4, CX
	JEQ  done

one:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	SUM_LANES(Y0, Y1, X0, X1)
	VMOVSS  X0, (DI)
	ADDQ    $64, SI
	ADDQ    $4, DI
	DECQ    CX
	JNE     one

done:
	VZEROUPPER
	RET

// A tile of 8-bit rows is 2 rows × 1 to 4 vectors. Y0 to Y7 are the sums, those
// of the first vector first, Y8 and Y9 the rows' numbers, Y10 a vector's.

// INT8_TIMES adds the products of the rows with a vector at x.
#define INT8_TIMES(x, y0, y1) \
	VMOVDQU  x, Y10        \
	VPMADDWD Y8, Y10, Y11  \
	VPMADDWD Y9, Y10, Y12  \
	VPADDD   Y11, y0, y0   \
	VPADDD   Y12, y1, y1

// INT8_ADD_UP adds up the sums of a vector: the product of the first row is then
// the first number in x0, that of the second row the second. INT8_STORE stores
// both.
#define INT8_ADD_UP(y0, y1, x0, x1) \
	VPHADDD      y1, y0, y0 \
	VPHADDD      y0, y0, y0 \
	VEXTRACTI128 $1, y0, x1 \
	VPADDD       x1, x0, x0

#define INT8_STORE(x, to) \
	VMOVD   x, (to)             \
	VPEXTRD $1, x, (to)(R15*1)

#define INT8_CLEAR1 \
	VPXOR X0, X0, X0 \
	VPXOR X1, X1, X1

#define INT8_CLEAR2 \
	INT8_CLEAR1      \
	VPXOR X2, X2, X2 \
	VPXOR X3, X3, X3

#define INT8_CLEAR3 \
	INT8_CLEAR2      \
	VPXOR X4, X4, X4 \
	VPXOR X5, X5, X5

#define INT8_CLEAR4 \
	INT8_CLEAR3      \
	VPXOR X6, X6, X6 \
	VPXOR X7, X7, X7

#define INT8_TIMES1 \
	INT8_TIMES((BX), Y0, Y1)

#define INT8_TIMES2 \
	INT8_TIMES1                      \
	INT8_TIMES((BX)(R10*1), Y2, Y3)

#define INT8_TIMES3 \
	INT8_TIMES2                      \
	INT8_TIMES((BX)(R11*1), Y4, Y5)

#define INT8_TIMES4 \
	INT8_TIMES3                      \
	INT8_TIMES((BX)(R12*1), Y6, Y7)

#define INT8_STORE1 \
	INT8_ADD_UP(Y0, Y1, X0, X1) \
	INT8_STORE(X0, DI)

#define INT8_STORE2 \
	INT8_STORE1                 \
	INT8_ADD_UP(Y2, Y3, X2, X3) \
	LEAQ (DI)(R9*1), AX         \
	INT8_STORE(X2, AX)

#define INT8_STORE3 \
	INT8_STORE2                 \
	INT8_ADD_UP(Y4, Y5, X4, X5) \
	ADDQ R9, AX                 \
	INT8_STORE(X4, AX)

#define INT8_STORE4 \
	INT8_STORE3                 \
	INT8_ADD_UP(Y6, Y7, X6, X7) \
	ADDQ R9, AX                 \
	INT8_STORE(X6, AX)

#define INT8_PASS(loop, clear, times, store) \
	clear                             \
	MOVQ       R10, CX                \
	loop:                             \
	PREFETCHT1 (R13)                  \
	VPMOVSXBW  (SI), Y8               \
	VPMOVSXBW  (SI)(R8*1), Y9         \
	times                             \
	ADDQ       R14, R13               \
	ADDQ       $16, SI                \
	ADDQ       $32, BX                \
	SUBQ       $32, CX                \
	JNE        loop                   \
	store

// func tileInt8AVX2(dst *int32, n int, rows *int8, x *int16, cols, count, vectors int, ahead uintptr, perStep int) uintptr
TEXT ·tileInt8AVX2(SB), NOSPLIT, $0-80
	MOVQ dst+0(FP), DI
	MOVQ n+8(FP), R9
	MOVQ rows+16(FP), SI
	MOVQ x+24(FP), BX
	MOVQ cols+32(FP), R8       // bytes of a row
	MOVQ count+40(FP), DX
	MOVQ ahead+56(FP), R13
	MOVQ perStep+64(FP), R14
	SHLQ $2, R9                // bytes of a vector's products
	LEAQ (R8)(R8*1), R10       // bytes of a vector
	LEAQ (R10)(R10*1), R11
	LEAQ (R10)(R11*1), R12
	MOVQ $4, R15

	// A second row that is missing is the first again, and stored in its place.
pair:
	CMPQ DX, $2
	JGE  ready
	XORQ R8, R8
	XORQ R15, R15

ready:
	CMPQ vectors+48(FP), $2
	JLT  one
	JEQ  two
	CMPQ vectors+48(FP), $3
	JEQ  three
	INT8_PASS(loop4, INT8_CLEAR4, INT8_TIMES4, INT8_STORE4)
	JMP  next

three:
	INT8_PASS(loop3, INT8_CLEAR3, INT8_TIMES3, INT8_STORE3)
	JMP  next

two:
	INT8_PASS(loop2, INT8_CLEAR2, INT8_TIMES2, INT8_STORE2)
	JMP  next

one:
	INT8_PASS(loop1, INT8_CLEAR1, INT8_TIMES1, INT8_STORE1)

next:
	SUBQ R10, BX
	ADDQ R8, SI
	ADDQ $8, DI
	SUBQ $2, DX
	JGT  pair
	MOVQ R13, ret+72(FP)
	VZEROUPPER
	RET
