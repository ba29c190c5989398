//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "blocks_rows_arm64.h"

// Rows of blocks become groups of a tile: of every four columns, the codes of each of
// the four rows.

#define ACTIVATIONS(column) // are not wanted here
#define TAKE(n, column, word, sum) FMOVQ F16, (4*(column)+16*(word))(R0)

#define BYTES 18
#define WEIGHTS 64
#define BLOCKS 1
#define BLOCK \
	SCALES(0)          \
	CODES(2, 0, 16, 8) \
	FMOVQ F25, (R5)
// func unpackRowsQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCKS 1
#define BLOCK \
	SCALES(0)            \
	CODES(2, 0, 32, 8)   \
	CODES(18, 16, 32, 8) \
	FMOVQ F25, (R5)
// func unpackRowsPQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsPQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCKS 2
#define BLOCK \
	SCALES(64)             \
	CODES(0, 0, 32, 8)     \
	CODES(16, 16, 32, 8)   \
	CODES(32, 128, 32, 10) \
	CODES(48, 144, 32, 10) \
	FMOVQ F25, (R5)        \
	FMOVQ F25, 128(R5)
// func unpackRowsTQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsTQ2_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 54
#define WEIGHTS 256
#define BLOCKS 2
#define BLOCK \
	SCALES(52)          \
	TQ1_0_DIGITS(8, 10) \
	FMOVQ F25, (R5)     \
	FMOVQ F25, 128(R5)
// func unpackRowsTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsTQ1_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCKS 1
#define BLOCK \
	PTQ1_0_DIGITS(8) \
	FMOVQ F25, (R5)
// func unpackRowsPTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackRowsPTQ1_0Neon(SB), NOSPLIT, $0-56
#include "blocks_unpack_arm64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK
