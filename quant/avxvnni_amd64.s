//go:build !purego

#include "textflag.h"
#include "prefetch_amd64.h"
#include "codedots_macros_amd64.h"

// The assembler knows VPDPBUSD in the EVEX coding only. This is the VEX coding,
// of registers given by number: VEX.256.66.0F38.W0 50 /r.
#define VPDPBUSD_YMM(signed, unsigned, sum) \
	BYTE $0xC4                                              \
	BYTE $(((~sum & 8) << 4) | 0x40 | ((~signed & 8) << 2) | 2) \
	BYTE $(((~unsigned & 15) << 3) | 5)                     \
	BYTE $0x50                                              \
	BYTE $(0xC0 | ((sum & 7) << 3) | (signed & 7))

// func codeDotAVXVNNI(sums []int32, codes []byte, q []int8)
TEXT ·codeDotAVXVNNI(SB), NOSPLIT, $0-72
	MOVQ sums_base+0(FP), DI
	MOVQ sums_len+8(FP), CX
	MOVQ codes_base+24(FP), SI
	MOVQ q_base+48(FP), DX
	MOVQ q_len+56(FP), R8
#include "avxvnni_codedots_amd64.h"
	VZEROUPPER
	RET

// func mulTileAVXVNNI(sums []int32, tile []byte, panel []int8, cols int)
TEXT ·mulTileAVXVNNI(SB), NOSPLIT, $0-80
	MOVQ sums_base+0(FP), DI
	MOVQ tile_base+24(FP), SI
	MOVQ panel_base+48(FP), DX
	MOVQ cols+72(FP), R8
#include "avxvnni_multile_amd64.h"
	VZEROUPPER
	RET

// func peakAVXVNNI(steps int)
TEXT ·peakAVXVNNI(SB), NOSPLIT, $0-8
	MOVQ steps+0(FP), CX
#include "avxvnni_peak_amd64.h"
	VZEROUPPER
	RET

#include "avxvnni_several_amd64.h"

#define STEP_ROWS 4
#define START EACH(LOAD, 0) NEXT_2(LOAD, 0)
#define STORE EACH(SAVE, 0) NEXT_2(SAVE, 0)
#define BLOCK \
	PREFETCHT0 (BX) \
	PREFETCHT0 64(BX) \
	PAIR((SI), (SI)(R10*1), EACH) \
	PAIR((SI)(R10*2), (SI)(R13*1), NEXT_2)

#define TOKENS 2
#define EACH EACH_2
// func codeDots2AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots2AVXVNNI(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#undef STEP_ROWS
#undef START
#undef STORE
#undef BLOCK
#define STEP_ROWS 2
#define START EACH(LOAD, 0)
#define STORE EACH(SAVE, 0)
#define BLOCK \
	PREFETCHT0 (BX) \
	PAIR((SI), (SI)(R10*1), EACH)

#define TOKENS 3
#define EACH EACH_3
// func codeDots3AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots3AVXVNNI(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 4
#define EACH EACH_4
// func codeDots4AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots4AVXVNNI(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 5
#define EACH EACH_5
// func codeDots5AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots5AVXVNNI(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 6
#define EACH EACH_6
// func codeDots6AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots6AVXVNNI(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH
