//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "blocks_rows_arm64.h"

// Rows of blocks become groups of a tile: of every four columns, the codes of each of
// the four rows.

#define ACTIVATIONS(column) // are not wanted here
#define TAKE(n, column, word, sum) FMOVQ F16, (4*(column)+16*(word))(R0)

// TWO_SCALES and FOUR_SCALES store the scales for so many blocks of activations.
#define TWO_SCALES \
	FMOVQ F25, (R5)    \
	FMOVQ F25, 128(R5)

#define FOUR_SCALES \
	TWO_SCALES         \
	FMOVQ F25, 256(R5) \
	FMOVQ F25, 384(R5)

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	SCALES(0)          \
	CODES(2, 0, 16, 8, 8) \
	FMOVQ F25, (R5)
// func unpackRowsQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	SCALES(0)            \
	TWO_SCALES                 \
	CODES(2, 0, 16, 8, 8)      \
	CODES(18, 64, 16, 10, 10)
// func unpackRowsPQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsPQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	SCALES(64)             \
	FOUR_SCALES                \
	CODES(0, 0, 32, 8, 10)     \
	CODES(16, 16, 32, 8, 10)   \
	CODES(32, 128, 32, 12, 14) \
	CODES(48, 144, 32, 12, 14)
// func unpackRowsTQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsTQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 54
#define WEIGHTS 256
#define BLOCK \
	SCALES(52)          \
	FOUR_SCALES         \
	TQ1_0_DIGITS(8, 10, 12, 14)
// func unpackRowsTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsTQ1_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	PTQ1_0_DIGITS(8, 10) \
	TWO_SCALES
// func unpackRowsPTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsPTQ1_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
