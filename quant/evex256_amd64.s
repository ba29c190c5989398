//go:build !purego

#include "textflag.h"
#include "prefetch_amd64.h"

// The EVEX twin of avxvnni_amd64.s: EVEX.256.66.0F38.W0 50 /r.
#define VPDPBUSD_YMM(signed, unsigned, sum) \
	BYTE $0x62                                                  \
	BYTE $(((~sum & 8) << 4) | 0x50 | ((~signed & 8) << 2) | 2) \
	BYTE $(((~unsigned & 15) << 3) | 5)                         \
	BYTE $0x28                                                  \
	BYTE $0x50                                                  \
	BYTE $(0xC0 | ((sum & 7) << 3) | (signed & 7))

// func codeDotEVEX256(sums []int32, codes []byte, q []int8)
TEXT ·codeDotEVEX256(SB), NOSPLIT, $0-72
	MOVQ sums_base+0(FP), DI
	MOVQ sums_len+8(FP), CX
	MOVQ codes_base+24(FP), SI
	MOVQ q_base+48(FP), DX
	MOVQ q_len+56(FP), R8
#include "avxvnni_codedots_amd64.h"
	VZEROUPPER
	RET

// func mulTileEVEX256(sums []int32, tile []byte, panel []int8, cols int)
TEXT ·mulTileEVEX256(SB), NOSPLIT, $0-80
	MOVQ sums_base+0(FP), DI
	MOVQ tile_base+24(FP), SI
	MOVQ panel_base+48(FP), DX
	MOVQ cols+72(FP), R8
#include "avxvnni_multile_amd64.h"
	VZEROUPPER
	RET

// func peakEVEX256(steps int)
TEXT ·peakEVEX256(SB), NOSPLIT, $0-8
	MOVQ steps+0(FP), CX
#include "avxvnni_peak_amd64.h"
	VZEROUPPER
	RET
