//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// func readNeon(data []byte)
TEXT ·readNeon(SB), NOSPLIT, $0-24
	MOVD data_base+0(FP), R0
	MOVD data_len+8(FP), R1

loop:
	PRFM   4096(R0), PLDL1KEEP
	PRFM   4160(R0), PLDL1KEEP
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	SUBS   $128, R1, R1
	BNE    loop
	RET

// PRODUCTS multiplies with one instruction into V0 to V23.
#define PRODUCTS(MULTIPLY)   \
	MULTIPLY(24, 25, 0)  \
	MULTIPLY(24, 25, 1)  \
	MULTIPLY(24, 25, 2)  \
	MULTIPLY(24, 25, 3)  \
	MULTIPLY(24, 25, 4)  \
	MULTIPLY(24, 25, 5)  \
	MULTIPLY(24, 25, 6)  \
	MULTIPLY(24, 25, 7)  \
	MULTIPLY(24, 25, 8)  \
	MULTIPLY(24, 25, 9)  \
	MULTIPLY(24, 25, 10) \
	MULTIPLY(24, 25, 11) \
	MULTIPLY(24, 25, 12) \
	MULTIPLY(24, 25, 13) \
	MULTIPLY(24, 25, 14) \
	MULTIPLY(24, 25, 15) \
	MULTIPLY(24, 25, 16) \
	MULTIPLY(24, 25, 17) \
	MULTIPLY(24, 25, 18) \
	MULTIPLY(24, 25, 19) \
	MULTIPLY(24, 25, 20) \
	MULTIPLY(24, 25, 21) \
	MULTIPLY(24, 25, 22) \
	MULTIPLY(24, 25, 23)

// func peakNeon(steps int)
TEXT ·peakNeon(SB), NOSPLIT, $0-8
	MOVD steps+0(FP), R0

loop:
	PRODUCTS(SMLAL)
	SUBS $1, R0, R0
	BNE  loop
	RET

// func peakDotprod(steps int)
TEXT ·peakDotprod(SB), NOSPLIT, $0-8
	MOVD steps+0(FP), R0

loop:
	PRODUCTS(SDOT)
	SUBS $1, R0, R0
	BNE  loop
	RET
