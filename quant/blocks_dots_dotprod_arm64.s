//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "blocks_rows_arm64.h"

// Products of rows of blocks with one token, whose activations are in V20. A sum of
// each row is in V8 for the first block of activations, in V10 for the second, and so on.

#define ACTIVATIONS(column) FMOVQ (column)(R8), F20
#define TAKE(n, column, word, sum) SDOT_ELEMENT(word, 20, n, sum)

#define CLEAR(sum) VEOR sum.B16, sum.B16, sum.B16

// FINISH turns the sums of a block of activations into products, and adds them to those
// in V26.
#define FINISH(sum)                  \
	VLD1R.P 4(R6), [V17.S4]      \
	VSUB    V17.S4, sum.S4, V16.S4 \
	SCVTF(16, 16)                \
	VLD1R.P 4(R5), [V17.S4]      \
	FMUL(17, 25, 17)             \
	VFMLA   V17.S4, V16.S4, V26.S4

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	CLEAR(V8)              \
	SCALES(0)              \
	CODES(2, 0, 16, 8, 8)  \
	FINISH(V8)
// func blockDotsQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0Dotprod(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	CLEAR(V8)                  \
	CLEAR(V10)                 \
	SCALES(0)                  \
	CODES(2, 0, 16, 8, 8)      \
	CODES(18, 64, 16, 10, 10)  \
	FINISH(V8)                 \
	FINISH(V10)
// func blockDotsPQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPQ2_0Dotprod(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	CLEAR(V8)                   \
	CLEAR(V10)                  \
	CLEAR(V12)                  \
	CLEAR(V14)                  \
	SCALES(64)                  \
	CODES(0, 0, 32, 8, 10)      \
	CODES(16, 16, 32, 8, 10)    \
	CODES(32, 128, 32, 12, 14)  \
	CODES(48, 144, 32, 12, 14)  \
	FINISH(V8)                  \
	FINISH(V10)                 \
	FINISH(V12)                 \
	FINISH(V14)
// func blockDotsTQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0Dotprod(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 54
#define WEIGHTS 256
#define BLOCK \
	CLEAR(V8)                    \
	CLEAR(V10)                   \
	CLEAR(V12)                   \
	CLEAR(V14)                   \
	SCALES(52)                   \
	TQ1_0_DIGITS(8, 10, 12, 14)  \
	FINISH(V8)                   \
	FINISH(V10)                  \
	FINISH(V12)                  \
	FINISH(V14)
// func blockDotsTQ1_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ1_0Dotprod(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	CLEAR(V8)             \
	CLEAR(V10)            \
	PTQ1_0_DIGITS(8, 10)  \
	FINISH(V8)            \
	FINISH(V10)
// func blockDotsPTQ1_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0Dotprod(SB), NOSPLIT, $0-80
#include "blocks_dots_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
