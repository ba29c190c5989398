//go:build !purego

#include "lanes_amd64.h"
#include "textflag.h"

// A byte in all of a register.
#define BYTES(value, x, y) \
	MOVL         $value, AX \
	VMOVD        AX, x      \
	VPBROADCASTB x, y

// HALF_BROADCAST widens the float16 number at from to all of a register.
#define HALF_BROADCAST(from, x, y) \
	VPBROADCASTW from, x \
	VCVTPH2PS    x, y

// FOUR_SCALES stores the scales of four blocks of size bytes, which begin with them.
#define FOUR_SCALES(size) \
	MOVWLZX   (SI), AX          \
	MOVWLZX   size(SI), R8      \
	MOVWLZX   (2*size)(SI), R9  \
	MOVWLZX   (3*size)(SI), R10 \
	SHLQ      $16, R8           \
	SHLQ      $32, R9           \
	SHLQ      $48, R10          \
	ORQ       R8, AX            \
	ORQ       R10, R9           \
	ORQ       R9, AX            \
	VMOVQ     AX, X1            \
	VCVTPH2PS X1, X1            \
	VMOVUPS   X1, (BX)          \
	VMOVUPS   X1, 16(BX)

#define Q8_0_BLOCK(n) \
	VMOVDQU (2+34*n)(SI), Y0 \
	VMOVDQU Y0, (32*n)(DI)

// func unpackQ8_0AVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ8_0AVX2(SB), NOSPLIT, $0-96
	MOVQ q_base+0(FP), DI
	MOVQ q_len+8(FP), CX
	MOVQ scales_base+24(FP), BX
	MOVQ blocks_base+72(FP), SI

loop:
	Q8_0_BLOCK(0)
	Q8_0_BLOCK(1)
	Q8_0_BLOCK(2)
	Q8_0_BLOCK(3)
	FOUR_SCALES(34)
	ADDQ $136, SI
	ADDQ $128, DI
	ADDQ $32, BX
	SUBQ $128, CX
	JNE  loop
	VZEROUPPER
	RET

// Y14 and Y15 have bytes of 15 and 8.
#define Q4_0_BLOCK(n) \
	VMOVDQU     (2+18*n)(SI), X0 \
	VPSRLW      $4, X0, X1       \
	VINSERTI128 $1, X1, Y0, Y0   \
	VPAND       Y14, Y0, Y0      \
	VPSUBB      Y15, Y0, Y0      \
	VMOVDQU     Y0, (32*n)(DI)

// func unpackQ4_0AVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ4_0AVX2(SB), NOSPLIT, $0-96
	MOVQ q_base+0(FP), DI
	MOVQ q_len+8(FP), CX
	MOVQ scales_base+24(FP), BX
	MOVQ blocks_base+72(FP), SI
	BYTES(15, X14, Y14)
	BYTES(8, X15, Y15)

loop:
	Q4_0_BLOCK(0)
	Q4_0_BLOCK(1)
	Q4_0_BLOCK(2)
	Q4_0_BLOCK(3)
	FOUR_SCALES(18)
	ADDQ $72, SI
	ADDQ $128, DI
	ADDQ $32, BX
	SUBQ $128, CX
	JNE  loop
	VZEROUPPER
	RET

// Byte i of 32 gets the byte that has bit i of four, and is then held against that
// bit.
DATA fifthBytes<>+0(SB)/8, $0x0000000000000000
DATA fifthBytes<>+8(SB)/8, $0x0101010101010101
DATA fifthBytes<>+16(SB)/8, $0x0202020202020202
DATA fifthBytes<>+24(SB)/8, $0x0303030303030303
GLOBL fifthBytes<>(SB), RODATA|NOPTR, $32

DATA fifthBits<>+0(SB)/8, $0x8040201008040201
GLOBL fifthBits<>(SB), RODATA|NOPTR, $8

// Where the fifth bit is not set, the number minus 16 is one with all bits above the
// fourth. Y12 and Y13 have fifthBits and fifthBytes, Y14 and Y15 bytes of 0x0f and
// 0xf0.
#define Q5_0_BLOCK(n) \
	VPBROADCASTD (2+22*n)(SI), Y2 \
	VMOVDQU      (6+22*n)(SI), X0 \
	VPSHUFB      Y13, Y2, Y2      \
	VPSRLW       $4, X0, X1       \
	VPAND        Y12, Y2, Y2      \
	VINSERTI128  $1, X1, Y0, Y0   \
	VPCMPEQB     Y12, Y2, Y2      \
	VPAND        Y14, Y0, Y0      \
	VPANDN       Y15, Y2, Y2      \
	VPOR         Y2, Y0, Y0       \
	VMOVDQU      Y0, (32*n)(DI)

// func unpackQ5_0AVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ5_0AVX2(SB), NOSPLIT, $0-96
	MOVQ         q_base+0(FP), DI
	MOVQ         q_len+8(FP), CX
	MOVQ         scales_base+24(FP), BX
	MOVQ         blocks_base+72(FP), SI
	BYTES(15, X14, Y14)
	BYTES(0xf0, X15, Y15)
	VMOVDQU      fifthBytes<>(SB), Y13
	VPBROADCASTQ fifthBits<>(SB), Y12

loop:
	Q5_0_BLOCK(0)
	Q5_0_BLOCK(1)
	Q5_0_BLOCK(2)
	Q5_0_BLOCK(3)
	FOUR_SCALES(22)
	ADDQ $88, SI
	ADDQ $128, DI
	ADDQ $32, BX
	SUBQ $128, CX
	JNE  loop
	VZEROUPPER
	RET

// The order of 16 scales of a byte: of eight those with an even number come first.
DATA scaleOrder<>+0(SB)/8, $0x0705030106040200
DATA scaleOrder<>+8(SB)/8, $0x0f0d0b090e0c0a08
GLOBL scaleOrder<>(SB), RODATA|NOPTR, $16

// The high bits of a number of Q6_K, of four bits that two numbers have: 16 times the
// lower two, and the upper two, less 32.
DATA highBits<>+0(SB)/8, $0x1000f0e01000f0e0
DATA highBits<>+8(SB)/8, $0x1000f0e01000f0e0
DATA highBits<>+16(SB)/8, $0xf0f0f0f0e0e0e0e0
DATA highBits<>+24(SB)/8, $0x1010101000000000
GLOBL highBits<>(SB), RODATA|NOPTR, $32

// Q6K_HALF unpacks 128 numbers of a block: their low bits are at low, their high
// bits at high. Y12 and Y13 have the tables, Y14 bytes of 0x0f.
#define Q6K_HALF(low, high, to) \
	VMOVDQU high(SI), Y2   \
	VMOVDQU low(SI), Y0    \
	VMOVDQU low+32(SI), Y1 \
	VPSRLW  $4, Y2, Y3     \
	VPSRLW  $4, Y0, Y4     \
	VPSRLW  $4, Y1, Y5     \
	VPAND   Y14, Y2, Y2    \
	VPAND   Y14, Y3, Y3    \
	VPAND   Y14, Y0, Y0    \
	VPAND   Y14, Y1, Y1    \
	VPAND   Y14, Y4, Y4    \
	VPAND   Y14, Y5, Y5    \
	VPSHUFB Y2, Y12, Y6    \
	VPSHUFB Y2, Y13, Y7    \
	VPSHUFB Y3, Y12, Y8    \
	VPSHUFB Y3, Y13, Y9    \
	VPOR    Y6, Y0, Y0     \
	VPOR    Y7, Y1, Y1     \
	VPOR    Y8, Y4, Y4     \
	VPOR    Y9, Y5, Y5     \
	VMOVDQU Y0, to(DI)     \
	VMOVDQU Y1, to+32(DI)  \
	VMOVDQU Y4, to+64(DI)  \
	VMOVDQU Y5, to+96(DI)

// func unpackQ6_KAVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ6_KAVX2(SB), NOSPLIT, $0-96
	MOVQ           q_base+0(FP), DI
	MOVQ           q_len+8(FP), CX
	MOVQ           scales_base+24(FP), BX
	MOVQ           blocks_base+72(FP), SI
	BYTES(15, X14, Y14)
	VBROADCASTI128 highBits<>(SB), Y12
	VBROADCASTI128 highBits<>+16(SB), Y13
	VMOVDQU        scaleOrder<>(SB), X11

loop:
	Q6K_HALF(0, 128, 0)
	Q6K_HALF(64, 160, 128)
	HALF_BROADCAST(208(SI), X2, Y2)
	VMOVDQU   192(SI), X0
	VPSHUFB   X11, X0, X0
	VPSRLDQ   $8, X0, X1
	VPMOVSXBD X0, Y0
	VPMOVSXBD X1, Y1
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VMULPS    Y2, Y0, Y0
	VMULPS    Y2, Y1, Y1
	VMOVUPS   Y0, (BX)
	VMOVUPS   Y1, 32(BX)
	ADDQ      $210, SI
	ADDQ      $256, DI
	ADDQ      $64, BX
	SUBQ      $256, CX
	JNE       loop
	VZEROUPPER
	RET

// Q4K_PAIR unpacks the next 64 numbers of a block. Y14 has bytes of 0x0f.
#define Q4K_PAIR(from, to) \
	VMOVDQU from(SI), Y0  \
	VPSRLW  $4, Y0, Y1    \
	VPAND   Y14, Y0, Y0   \
	VPAND   Y14, Y1, Y1   \
	VMOVDQU Y0, to(DI)    \
	VMOVDQU Y1, to+32(DI)

// func unpackQ4_KAVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ4_KAVX2(SB), NOSPLIT, $0-96
	MOVQ q_base+0(FP), DI
	MOVQ q_len+8(FP), CX
	MOVQ scales_base+24(FP), BX
	MOVQ mins_base+48(FP), DX
	MOVQ blocks_base+72(FP), SI
	BYTES(15, X14, Y14)

loop:
	Q4K_PAIR(16, 0)
	Q4K_PAIR(48, 64)
	Q4K_PAIR(80, 128)
	Q4K_PAIR(112, 192)

	// The first four scales, R8, and minimums, R9, are the lower six bits of the first
	// eight bytes; the upper two go above the four bits that the last bytes have of
	// the other four, R10 and R11.
	MOVL 4(SI), R8
	MOVL 8(SI), R9
	MOVL 12(SI), R10
	MOVL R10, R11
	ANDL $0x0f0f0f0f, R10
	SHRL $4, R11
	ANDL $0x0f0f0f0f, R11
	MOVL R8, AX
	SHRL $2, AX
	ANDL $0x30303030, AX
	ORL  AX, R10
	MOVL R9, AX
	SHRL $2, AX
	ANDL $0x30303030, AX
	ORL  AX, R11
	ANDL $0x3f3f3f3f, R8
	ANDL $0x3f3f3f3f, R9
	SHLQ $32, R10
	SHLQ $32, R11
	ORQ  R10, R8
	ORQ  R11, R9

	VMOVQ      R8, X0
	VMOVQ      R9, X1
	VPMOVZXBD  X0, Y0
	VPMOVZXBD  X1, Y1
	HALF_BROADCAST((SI), X2, Y2)
	HALF_BROADCAST(2(SI), X3, Y3)
	VCVTDQ2PS  Y0, Y0
	VCVTDQ2PS  Y1, Y1
	VMULPS     Y2, Y0, Y0
	VMULPS     Y3, Y1, Y1
	VPERM2F128 $0x00, Y0, Y0, Y2
	VPERM2F128 $0x11, Y0, Y0, Y3
	VMOVUPS    Y2, (BX)
	VMOVUPS    Y3, 32(BX)
	VMOVUPS    Y1, (DX)
	ADDQ       $144, SI
	ADDQ       $256, DI
	ADDQ       $64, BX
	ADDQ       $32, DX
	SUBQ       $256, CX
	JNE        loop
	VZEROUPPER
	RET

// Q3K_PART unpacks 32 numbers: two bits of each in y, the third in bit k of Y2. Where
// that is not set, the number minus 4 is one with all bits above the second. Y12 to
// Y15 have bytes of 0xfc, 1, 3 and 0.
#define Q3K_PART(shift, y, k, to) \
	VPSRLW   $k, Y2, Y3    \
	VPSRLW   $shift, y, Y4 \
	VPAND    Y13, Y3, Y3   \
	VPAND    Y14, Y4, Y4   \
	VPCMPEQB Y15, Y3, Y3   \
	VPAND    Y12, Y3, Y3   \
	VPOR     Y3, Y4, Y4    \
	VMOVDQU  Y4, to(DI)

// func unpackQ3_KAVX2(q []int8, scales, mins []float32, blocks []byte)
TEXT ·unpackQ3_KAVX2(SB), NOSPLIT, $0-96
	MOVQ    q_base+0(FP), DI
	MOVQ    q_len+8(FP), CX
	MOVQ    scales_base+24(FP), BX
	MOVQ    blocks_base+72(FP), SI
	BYTES(0xfc, X12, Y12)
	BYTES(1, X13, Y13)
	BYTES(3, X14, Y14)
	BYTES(32, X11, Y11)
	VMOVDQU scaleOrder<>(SB), X10
	VPXOR   Y15, Y15, Y15
	MOVQ    $0x0f0f0f0f0f0f0f0f, R11
	MOVQ    $0x3030303030303030, R12

loop:
	VMOVDQU (SI), Y2
	VMOVDQU 32(SI), Y0
	VMOVDQU 64(SI), Y1
	Q3K_PART(0, Y0, 0, 0)
	Q3K_PART(2, Y0, 1, 32)
	Q3K_PART(4, Y0, 2, 64)
	Q3K_PART(6, Y0, 3, 96)
	Q3K_PART(0, Y1, 4, 128)
	Q3K_PART(2, Y1, 5, 160)
	Q3K_PART(4, Y1, 6, 192)
	Q3K_PART(6, Y1, 7, 224)

	// Eight bytes have the low four bits of scales 0 to 7 and 8 to 15; the next four,
	// here twice, and the second time shifted by 2, their high two bits.
	MOVQ 96(SI), R8
	MOVL 104(SI), R9
	MOVQ R9, AX
	SHLQ $30, AX
	ORQ  AX, R9
	MOVQ R8, R10
	SHRQ $4, R10
	ANDQ R11, R8
	ANDQ R11, R10
	MOVQ R9, AX
	SHLQ $4, AX
	ANDQ R12, AX
	ANDQ R12, R9
	ORQ  AX, R8
	ORQ  R9, R10

	VMOVQ     R8, X0
	VPINSRQ   $1, R10, X0, X0
	VPSUBB    X11, X0, X0
	VPSHUFB   X10, X0, X0
	VPMOVSXBD X0, Y1
	VPSRLDQ   $8, X0, X0
	VPMOVSXBD X0, Y0
	HALF_BROADCAST(108(SI), X2, Y2)
	VCVTDQ2PS Y1, Y1
	VCVTDQ2PS Y0, Y0
	VMULPS    Y2, Y1, Y1
	VMULPS    Y2, Y0, Y0
	VMOVUPS   Y1, (BX)
	VMOVUPS   Y0, 32(BX)
	ADDQ      $110, SI
	ADDQ      $256, DI
	ADDQ      $64, BX
	SUBQ      $256, CX
	JNE       loop
	VZEROUPPER
	RET

// BLOCKS_TIMES adds the products of unit n of four, 32 numbers of a row at q, to the
// lanes in y. scales has the products of scales and units. Multiplying by 1 and 0, in
// Y14, leaves the even numbers as words, a shift the odd ones: these go to different
// parts of a processor.
#define BLOCKS_TIMES(n, q, scales, y) \
	VMOVDQU     q, Y5                 \
	VPMADDUBSW  Y5, Y14, Y4           \
	VPSRAW      $8, Y5, Y5            \
	VPMADDWD    (64*n)(BX), Y4, Y4    \
	VPMADDWD    (64*n+32)(BX), Y5, Y5 \
	VPERMILPS   $(0x55*n), scales, Y6 \
	VPADDD      Y5, Y4, Y4            \
	VCVTDQ2PS   Y4, Y4                \
	VFMADD231PS Y6, Y4, y

// func dotsBlocksAVX2(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, ahead []byte)
TEXT ·dotsBlocksAVX2(SB), NOSPLIT, $0-192
	MOVQ     dst_base+0(FP), DI
	MOVQ     dst_len+8(FP), DX
	MOVQ     q_base+24(FP), SI
	MOVQ     scales_base+48(FP), R8
	MOVQ     mins_base+72(FP), R12
	MOVQ     x_len+104(FP), R9      // bytes of a row
	MOVQ     R9, R10
	SHRQ     $2, R10                // bytes of its scales
	VPCMPEQW Y14, Y14, Y14
	VPSRLW   $15, Y14, Y14
	MOVQ     $4, R11

	// Each step asks for four of the pieces into which they divide what is ahead, at
	// R13, and R14 is the length of such a piece.
	MOVQ  ahead_len+176(FP), AX
	LEAQ  1(DX), R14
	SHRQ  $1, R14
	IMULQ R9, R14
	SHRQ  $5, R14
	ADDQ  R14, AX
	XORQ  DX, DX
	DIVQ  R14
	MOVQ  AX, R14
	MOVQ  ahead_base+168(FP), R13
	CMPQ  ahead_len+176(FP), $0
	JNE   counted
	MOVQ  SI, R13
	XORQ  R14, R14

counted:
	LEAQ (R14)(R14*2), R15
	MOVQ dst_len+8(FP), DX

	// A second row that is missing is the first again, and stored in its place.
pair:
	CMPQ DX, $2
	JGE  ready
	XORQ R9, R9
	XORQ R10, R10
	XORQ R11, R11

ready:
	MOVQ   x_base+96(FP), BX
	MOVQ   x_len+104(FP), CX
	MOVQ   units_base+120(FP), AX
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	VXORPS X2, X2, X2
	VXORPS X3, X3, X3

loop:
	PREFETCHT0     (R13)
	PREFETCHT0     (R13)(R14*1)
	PREFETCHT0     (R13)(R14*2)
	PREFETCHT0     (R13)(R15*1)
	LEAQ           (R13)(R14*4), R13
	VBROADCASTF128 (AX), Y12
	VMULPS         (R8), Y12, Y8
	VMULPS         (R8)(R10*1), Y12, Y9
	BLOCKS_TIMES(0, (SI), Y8, Y0)
	BLOCKS_TIMES(0, (SI)(R9*1), Y9, Y2)
	BLOCKS_TIMES(1, 32(SI), Y8, Y1)
	BLOCKS_TIMES(1, 32(SI)(R9*1), Y9, Y3)
	BLOCKS_TIMES(2, 64(SI), Y8, Y0)
	BLOCKS_TIMES(2, 64(SI)(R9*1), Y9, Y2)
	BLOCKS_TIMES(3, 96(SI), Y8, Y1)
	BLOCKS_TIMES(3, 96(SI)(R9*1), Y9, Y3)
	ADDQ           $128, SI
	ADDQ           $32, R8
	ADDQ           $256, BX
	ADDQ           $16, AX
	SUBQ           $128, CX
	JNE            loop

	SUM_LANES(Y0, Y1, X0, X1)
	SUM_LANES(Y2, Y3, X2, X3)
	CMPQ mins_len+80(FP), $0
	JEQ  store

	// The minimums of both rows times the sums, sixteen at a time, and the eight that
	// may be left.
	MOVQ   sums_base+144(FP), BX
	MOVQ   sums_len+152(FP), CX
	MOVQ   R9, AX
	SHRQ   $3, AX                // bytes of a row's minimums
	VXORPS X4, X4, X4
	VXORPS X5, X5, X5
	VXORPS X6, X6, X6
	VXORPS X7, X7, X7

mins:
	VMOVUPS     (BX), Y8
	VFMADD231PS (R12), Y8, Y4
	VFMADD231PS (R12)(AX*1), Y8, Y6
	SUBQ        $8, CX
	JEQ         subtract
	VMOVUPS     32(BX), Y8
	VFMADD231PS 32(R12), Y8, Y5
	VFMADD231PS 32(R12)(AX*1), Y8, Y7
	ADDQ        $64, BX
	ADDQ        $64, R12
	SUBQ        $8, CX
	JNE         mins
	SUBQ        $32, R12

subtract:
	ADDQ   $32, R12
	ADDQ   AX, R12
	SUM_LANES(Y4, Y5, X4, X5)
	SUM_LANES(Y6, Y7, X6, X7)
	VSUBSS X4, X0, X0
	VSUBSS X6, X2, X2

store:
	VMOVSS X0, (DI)
	VMOVSS X2, (DI)(R11*1)
	ADDQ   R9, SI
	ADDQ   R10, R8
	ADDQ   $8, DI
	SUBQ   $2, DX
	JGT    pair
	VZEROUPPER
	RET
