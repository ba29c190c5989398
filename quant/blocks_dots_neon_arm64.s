//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "blocks_rows_arm64.h"

// Products of rows of blocks with one token, whose activations are in V20. Two rows
// have sums of 16 bits in V8, the others in V9, and for the second block of activations
// in V10 and V11: four of each row, to which a block adds at most 32·3·128.

#define ACTIVATIONS(column) FMOVQ (column)(R8), F20
#define TAKE(n, column, word, sum)     \
	VDUP V20.S[word], V31.S4       \
	SMLAL(31, n, sum)              \
	SMLAL2(31, n, sum+1)

#define CLEAR_SUMS \
	VEOR V8.B16, V8.B16, V8.B16    \
	VEOR V9.B16, V9.B16, V9.B16    \
	VEOR V10.B16, V10.B16, V10.B16 \
	VEOR V11.B16, V11.B16, V11.B16

#define FIRST_SUMS \
	SADDLP_H(8, 16)                \
	SADDLP_H(9, 17)                \
	VADDP V17.S4, V16.S4, V16.S4

#define SECOND_SUMS \
	SADDLP_H(10, 16)               \
	SADDLP_H(11, 17)               \
	VADDP V17.S4, V16.S4, V16.S4

// FINISH turns the sums of a block into products, and adds them to those in V26. JOIN
// has the sums in V16.
#define FINISH(JOIN)                   \
	JOIN                           \
	VLD1R.P 4(R6), [V17.S4]        \
	VSUB    V17.S4, V16.S4, V16.S4 \
	SCVTF(16, 16)                  \
	VLD1R.P 4(R5), [V17.S4]        \
	FMUL(17, 25, 17)               \
	VFMLA   V17.S4, V16.S4, V26.S4

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	CLEAR_SUMS         \
	SCALES(0)          \
	CODES(2, 0, 16, 8) \
	FINISH(FIRST_SUMS)
// func blockDotsQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	CLEAR_SUMS           \
	SCALES(0)            \
	CODES(2, 0, 32, 8)   \
	CODES(18, 16, 32, 8) \
	FINISH(FIRST_SUMS)
// func blockDotsPQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	CLEAR_SUMS             \
	SCALES(64)             \
	CODES(0, 0, 32, 8)     \
	CODES(16, 16, 32, 8)   \
	CODES(32, 128, 32, 10) \
	CODES(48, 144, 32, 10) \
	FINISH(FIRST_SUMS)     \
	FINISH(SECOND_SUMS)
// func blockDotsTQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 54
#define WEIGHTS 256
#define BLOCK \
	CLEAR_SUMS          \
	SCALES(52)          \
	TQ1_0_DIGITS(8, 10) \
	FINISH(FIRST_SUMS)  \
	FINISH(SECOND_SUMS)
// func blockDotsTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ1_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	CLEAR_SUMS         \
	PTQ1_0_DIGITS(8)   \
	FINISH(FIRST_SUMS)
// func blockDotsPTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0Neon(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
