//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// A tile is 4 rows × 2 to 4 vectors. Z0 to Z15 are the sums, those of the first
// vector first, Z16 to Z19 the rows' numbers, Z20 a vector's.
//
// SI and BX point to the columns of the first row and of the first vector, R8,
// R9 and R15 are the offsets in bytes of the other rows, R10 to R12 those of the
// other vectors.

#define HALF_LOAD(v, z0, z1, z2, z3) \
	VMOVUPS (64*const_halfRows*v)(DI), z0     \
	VMOVUPS (64*const_halfRows*v+64)(DI), z1  \
	VMOVUPS (64*const_halfRows*v+128)(DI), z2 \
	VMOVUPS (64*const_halfRows*v+192)(DI), z3

#define HALF_STORE(v, z0, z1, z2, z3) \
	VMOVUPS z0, (64*const_halfRows*v)(DI)     \
	VMOVUPS z1, (64*const_halfRows*v+64)(DI)  \
	VMOVUPS z2, (64*const_halfRows*v+128)(DI) \
	VMOVUPS z3, (64*const_halfRows*v+192)(DI)

// HALF_TIMES adds the products of the rows with a vector at x.
#define HALF_TIMES(x, z0, z1, z2, z3) \
	VMOVUPS     x, Z20       \
	VFMADD231PS Z16, Z20, z0 \
	VFMADD231PS Z17, Z20, z1 \
	VFMADD231PS Z18, Z20, z2 \
	VFMADD231PS Z19, Z20, z3

// The three for 2, 3 and 4 vectors.
#define HALF_LOAD2 \
	HALF_LOAD(0, Z0, Z1, Z2, Z3) \
	HALF_LOAD(1, Z4, Z5, Z6, Z7)

#define HALF_LOAD3 \
	HALF_LOAD2                     \
	HALF_LOAD(2, Z8, Z9, Z10, Z11)

#define HALF_LOAD4 \
	HALF_LOAD3                       \
	HALF_LOAD(3, Z12, Z13, Z14, Z15)

#define HALF_STORE2 \
	HALF_STORE(0, Z0, Z1, Z2, Z3) \
	HALF_STORE(1, Z4, Z5, Z6, Z7)

#define HALF_STORE3 \
	HALF_STORE2                     \
	HALF_STORE(2, Z8, Z9, Z10, Z11)

#define HALF_STORE4 \
	HALF_STORE3                       \
	HALF_STORE(3, Z12, Z13, Z14, Z15)

#define HALF_TIMES2 \
	HALF_TIMES((BX), Z0, Z1, Z2, Z3)        \
	HALF_TIMES((BX)(R10*1), Z4, Z5, Z6, Z7)

#define HALF_TIMES3 \
	HALF_TIMES2                               \
	HALF_TIMES((BX)(R11*1), Z8, Z9, Z10, Z11)

#define HALF_TIMES4 \
	HALF_TIMES3                                 \
	HALF_TIMES((BX)(R12*1), Z12, Z13, Z14, Z15)

// HALF_PASS adds the products of a tile. Each step also fetches from the next
// rows, R13, and what the rows at hand have a little further on from the second
// cache to the first.
#define HALF_PASS(loop, load, times, store) \
	load                              \
	MOVQ       width+32(FP), CX       \
	loop:                             \
	PREFETCHT1 (R13)                  \
	PREFETCHT1 64(R13)                \
	PREFETCHT0 256(SI)                \
	PREFETCHT0 256(SI)(R8*1)          \
	PREFETCHT0 256(SI)(R9*1)          \
	PREFETCHT0 256(SI)(R15*1)         \
	VCVTPH2PS  (SI), Z16              \
	VCVTPH2PS  (SI)(R8*1), Z17        \
	VCVTPH2PS  (SI)(R9*1), Z18        \
	VCVTPH2PS  (SI)(R15*1), Z19       \
	times                             \
	ADDQ       R14, R13               \
	ADDQ       $32, SI                \
	ADDQ       $64, BX                \
	SUBQ       $16, CX                \
	JNE        loop                   \
	store

// ROWS sets the offsets of the other rows, bytes apart, where DX are left. Those
// that are missing are the first one again.
#define ROWS(bytes, ready) \
	MOVQ bytes, R8          \
	LEAQ (R8)(R8*1), R9     \
	LEAQ (R8)(R9*1), R15    \
	CMPQ DX, $4             \
	JGE  ready              \
	XORQ R15, R15           \
	CMPQ DX, $3             \
	JEQ  ready              \
	XORQ R9, R9             \
	CMPQ DX, $2             \
	JEQ  ready              \
	XORQ R8, R8             \
	ready:

// func tileHalfAVX512(sums *float32, rows *uint16, x *float32, cols, width, count, vectors int, ahead uintptr, perStep int) uintptr
TEXT ·tileHalfAVX512(SB), NOSPLIT, $0-80
	MOVQ sums+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ x+16(FP), BX
	MOVQ cols+24(FP), AX
	MOVQ count+40(FP), DX
	MOVQ ahead+56(FP), R13
	MOVQ perStep+64(FP), R14
	ADDQ AX, AX              // bytes of a row
	LEAQ (AX)(AX*1), R10     // bytes of a vector
	LEAQ (R10)(R10*1), R11
	LEAQ (R10)(R11*1), R12

four:
	ROWS(AX, ready)
	CMPQ vectors+48(FP), $3
	JEQ  three
	JLT  two
	HALF_PASS(loop4, HALF_LOAD4, HALF_TIMES4, HALF_STORE4)
	JMP  next

three:
	HALF_PASS(loop3, HALF_LOAD3, HALF_TIMES3, HALF_STORE3)
	JMP  next

two:
	HALF_PASS(loop2, HALF_LOAD2, HALF_TIMES2, HALF_STORE2)

	// From the columns behind these back to the first, and on by 4 rows.
next:
	MOVQ width+32(FP), CX
	SHLQ $1, CX
	SUBQ CX, SI
	SHLQ $1, CX
	SUBQ CX, BX
	LEAQ (SI)(AX*4), SI
	ADDQ $256, DI
	SUBQ $4, DX
	JGT  four
	MOVQ R13, ret+72(FP)
	VZEROUPPER
	RET

// INT8_ROWS loads the next numbers of the rows, INT8_TIMES adds their products
// with the vector at x: 32 columns with Z registers, 16 with Y registers, which
// leave zeros in the other half.
#define INT8_ROWS(w0, w1, w2, w3) \
	VPMOVSXBW (SI), w0        \
	VPMOVSXBW (SI)(R8*1), w1  \
	VPMOVSXBW (SI)(R9*1), w2  \
	VPMOVSXBW (SI)(R15*1), w3

#define INT8_TIMES(x, w, z0, z1, z2, z3) \
	VMOVDQU32 x, w         \
	VPDPWSSD  Z16, Z20, z0 \
	VPDPWSSD  Z17, Z20, z1 \
	VPDPWSSD  Z18, Z20, z2 \
	VPDPWSSD  Z19, Z20, z3

// INT8_STORE adds up the sums of the 4 rows with a vector and stores those that
// K1 has a bit for.
#define INT8_STORE(to, z0, z1, z2, z3, y0, y1, y2, y3, x0, x1) \
	VEXTRACTI64X4 $1, z0, Y16  \
	VEXTRACTI64X4 $1, z1, Y17  \
	VEXTRACTI64X4 $1, z2, Y18  \
	VEXTRACTI64X4 $1, z3, Y19  \
	VPADDD        Y16, y0, y0  \
	VPADDD        Y17, y1, y1  \
	VPADDD        Y18, y2, y2  \
	VPADDD        Y19, y3, y3  \
	VPHADDD       y1, y0, y0   \
	VPHADDD       y3, y2, y2   \
	VPHADDD       y2, y0, y0   \
	VEXTRACTI128  $1, y0, x1   \
	VPADDD        x1, x0, x0   \
	VMOVDQU32     x0, K1, to

#define INT8_CLEAR(z0, z1, z2, z3) \
	VPXORD z0, z0, z0 \
	VPXORD z1, z1, z1 \
	VPXORD z2, z2, z2 \
	VPXORD z3, z3, z3

#define INT8_CLEAR2 \
	INT8_CLEAR(Z0, Z1, Z2, Z3) \
	INT8_CLEAR(Z4, Z5, Z6, Z7)

#define INT8_CLEAR3 \
	INT8_CLEAR2                  \
	INT8_CLEAR(Z8, Z9, Z10, Z11)

#define INT8_CLEAR4 \
	INT8_CLEAR3                    \
	INT8_CLEAR(Z12, Z13, Z14, Z15)

#define INT8_TIMES2(w) \
	INT8_TIMES((BX), w, Z0, Z1, Z2, Z3)        \
	INT8_TIMES((BX)(R10*1), w, Z4, Z5, Z6, Z7)

#define INT8_TIMES3(w) \
	INT8_TIMES2(w)                               \
	INT8_TIMES((BX)(R11*1), w, Z8, Z9, Z10, Z11)

#define INT8_TIMES4(w) \
	INT8_TIMES3(w)                                 \
	INT8_TIMES((BX)(R12*1), w, Z12, Z13, Z14, Z15)

#define INT8_STORE2 \
	INT8_STORE((DI), Z0, Z1, Z2, Z3, Y0, Y1, Y2, Y3, X0, X1)        \
	INT8_STORE((DI)(AX*1), Z4, Z5, Z6, Z7, Y4, Y5, Y6, Y7, X4, X5)

#define INT8_STORE3 \
	INT8_STORE2                                                            \
	INT8_STORE((DI)(AX*2), Z8, Z9, Z10, Z11, Y8, Y9, Y10, Y11, X8, X9)

#define INT8_STORE4 \
	INT8_STORE3                                                                  \
	LEAQ (AX)(AX*2), CX                                                          \
	INT8_STORE((DI)(CX*1), Z12, Z13, Z14, Z15, Y12, Y13, Y14, Y15, X12, X13)

// INT8_PASS computes the products of a tile. The columns beyond the last 32 come
// first.
#define INT8_PASS(whole, loop, last, clear, times, store) \
	clear                             \
	MOVQ       R10, CX                \
	TESTQ      $32, CX                \
	JEQ        whole                  \
	INT8_ROWS(Y16, Y17, Y18, Y19)     \
	times(Y20)                        \
	ADDQ       $16, SI                \
	ADDQ       $32, BX                \
	whole:                            \
	SUBQ       $64, CX                \
	JLT        last                   \
	loop:                             \
	PREFETCHT1 (R13)                  \
	PREFETCHT1 64(R13)                \
	INT8_ROWS(Z16, Z17, Z18, Z19)     \
	times(Z20)                        \
	ADDQ       R14, R13               \
	ADDQ       $32, SI                \
	ADDQ       $64, BX                \
	SUBQ       $64, CX                \
	JGE        loop                   \
	last:                             \
	store

// func tileInt8AVX512(dst *int32, n int, rows *int8, x *int16, cols, count, vectors int, ahead uintptr, perStep int) uintptr
TEXT ·tileInt8AVX512(SB), NOSPLIT, $0-80
	MOVQ dst+0(FP), DI
	MOVQ n+8(FP), AX
	MOVQ rows+16(FP), SI
	MOVQ x+24(FP), BX
	MOVQ cols+32(FP), R10
	MOVQ count+40(FP), DX
	MOVQ ahead+56(FP), R13
	MOVQ perStep+64(FP), R14
	SHLQ $2, AX              // bytes of a vector's products
	ADDQ R10, R10            // bytes of a vector
	LEAQ (R10)(R10*1), R11
	LEAQ (R10)(R11*1), R12

four:
	// K1 has a bit for each of the rows that are left.
	MOVL  $15, R8
	CMPQ  DX, $4
	JGE   masked
	MOVQ  DX, CX
	MOVL  $1, R8
	SHLL  CX, R8
	DECL  R8

masked:
	KMOVW R8, K1
	ROWS(cols+32(FP), ready)
	CMPQ  vectors+48(FP), $3
	JEQ   three
	JLT   two
	INT8_PASS(whole4, loop4, last4, INT8_CLEAR4, INT8_TIMES4, INT8_STORE4)
	JMP   next

three:
	INT8_PASS(whole3, loop3, last3, INT8_CLEAR3, INT8_TIMES3, INT8_STORE3)
	JMP   next

two:
	INT8_PASS(whole2, loop2, last2, INT8_CLEAR2, INT8_TIMES2, INT8_STORE2)

	// From behind the first row to the row after these 4.
next:
	SUBQ R10, BX
	MOVQ cols+32(FP), CX
	LEAQ (CX)(CX*2), CX
	ADDQ CX, SI
	ADDQ $16, DI
	SUBQ $4, DX
	JGT  four
	MOVQ R13, ret+72(FP)
	VZEROUPPER
	RET
