//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "prefetch_arm64.h"

// INTEGERS multiplies the bytes of two rows, in V18 and V19, with 16 integers of
// the vector at R. An integer is 256·high + low + 128, with high and low bytes
// that have a sign: low is what is stored, with the topmost bit turned over.
#define INTEGERS(R, a_high, a_low, b_high, b_low) \
	VLD2.P 32(R), [V20.B16, V21.B16]          \
	VEOR   V30.B16, V20.B16, V20.B16          \
	SDOT(20, 18, a_low)                       \
	SDOT(20, 19, b_low)                       \
	SDOT(21, 18, a_high)                      \
	SDOT(21, 19, b_high)

// The bytes of each row are added up, to be multiplied by 128 in the end.
#define INTEGERS2                \
	FMOVQ.P 16(R8), F18      \
	FMOVQ.P 16(R9), F19      \
	SDOT(31, 18, 16)         \
	SDOT(31, 19, 17)         \
	INTEGERS(R3, 0, 1, 2, 3) \
	INTEGERS(R4, 4, 5, 6, 7)

#define INTEGERS3 \
	INTEGERS2 \
	INTEGERS(R5, 8, 9, 10, 11)

#define INTEGERS4 \
	INTEGERS3 \
	INTEGERS(R6, 12, 13, 14, 15)

// What overflows in between does not matter: the result does not, and it is the
// same modulo 2³².
#define JOIN(a_high, a_low, b_high, b_low)  \
	VSHL $8, a_high.S4, a_high.S4       \
	VSHL $8, b_high.S4, b_high.S4       \
	VSHL $7, V16.S4, V18.S4             \
	VSHL $7, V17.S4, V19.S4             \
	VADD a_low.S4, a_high.S4, a_high.S4 \
	VADD b_low.S4, b_high.S4, b_high.S4 \
	VADD V18.S4, a_high.S4, a_high.S4   \
	VADD V19.S4, b_high.S4, b_high.S4

// func dotsInt8FewDotprod(dst []int32, rows []int8, x []int16, cols int)
TEXT ·dotsInt8FewDotprod(SB), NOSPLIT, $0-80
	VMOVI $0x80, V30.B16
	VMOVI $1, V31.B16
#include "dotsint8_arm64.h"
