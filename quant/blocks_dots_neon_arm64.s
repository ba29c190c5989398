//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "blocks_rows_arm64.h"

// Products of rows of blocks with one token, whose activations are in V20. For the first
// block of activations, two rows have sums of 16 bits in V8, the others in V9; for the
// second, in V10 and V11, and so on: four of each row, to which a block adds at most
// 16·3·128.

#define ACTIVATIONS(column) FMOVQ (column)(R8), F20
#define TAKE(n, column, word, sum)     \
	VDUP V20.S[word], V31.S4       \
	SMLAL(31, n, sum)              \
	SMLAL2(31, n, sum+1)

#define CLEAR(sum, sum2) \
	VEOR sum.B16, sum.B16, sum.B16 \
	VEOR sum2.B16, sum2.B16, sum2.B16

// FINISH turns the sums of a block of activations into products, and adds them to those
// in V26.
#define FINISH(sum)                    \
	SADDLP_H(sum, 16)              \
	SADDLP_H(sum+1, 17)            \
	VADDP   V17.S4, V16.S4, V16.S4 \
	VLD1R.P 4(R6), [V17.S4]        \
	VSUB    V17.S4, V16.S4, V16.S4 \
	SCVTF(16, 16)                  \
	VLD1R.P 4(R5), [V17.S4]        \
	FMUL(17, 25, 17)               \
	VFMLA   V17.S4, V16.S4, V26.S4

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	CLEAR(V8, V9)          \
	SCALES(0)              \
	CODES(2, 0, 16, 8, 8)  \
	FINISH(8)
// func blockDotsQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	CLEAR(V8, V9)              \
	CLEAR(V10, V11)            \
	SCALES(0)                  \
	CODES(2, 0, 16, 8, 8)      \
	CODES(18, 64, 16, 10, 10)  \
	FINISH(8)                  \
	FINISH(10)
// func blockDotsPQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	CLEAR(V8, V9)               \
	CLEAR(V10, V11)             \
	CLEAR(V12, V13)             \
	CLEAR(V14, V15)             \
	SCALES(64)                  \
	CODES(0, 0, 32, 8, 10)      \
	CODES(16, 16, 32, 8, 10)    \
	CODES(32, 128, 32, 12, 14)  \
	CODES(48, 144, 32, 12, 14)  \
	FINISH(8)                   \
	FINISH(10)                  \
	FINISH(12)                  \
	FINISH(14)
// func blockDotsTQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 54
#define WEIGHTS 256
#define BLOCK \
	CLEAR(V8, V9)                \
	CLEAR(V10, V11)              \
	CLEAR(V12, V13)              \
	CLEAR(V14, V15)              \
	SCALES(52)                   \
	TQ1_0_DIGITS(8, 10, 12, 14)  \
	FINISH(8)                    \
	FINISH(10)                   \
	FINISH(12)                   \
	FINISH(14)
// func blockDotsTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ1_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	CLEAR(V8, V9)         \
	CLEAR(V10, V11)       \
	PTQ1_0_DIGITS(8, 10)  \
	FINISH(8)             \
	FINISH(10)
// func blockDotsPTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
