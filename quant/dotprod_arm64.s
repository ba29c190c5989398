//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "prefetch_arm64.h"
#include "multile_dotprod_arm64.h"

// ROW multiplies one block of a row, the 32 bytes at R, with the activations in
// V0 to V7. Only the topmost field of a code byte must be shifted to be a
// signed byte; the others stay where they are, and sums of products 4 times and
// 16 times too large are kept apart. These cannot overflow: a row has at most
// 2²⁰ columns, a quarter of them in each field, of products up to 48·128.
#define ROW(R, top, sum16, sum4, sum)    \
	VLD1.P 32(R), [V20.B16, V21.B16] \
	VUSHR  $6, V20.B16, V22.B16      \
	VUSHR  $6, V21.B16, V23.B16      \
	VAND   V31.B16, V20.B16, V24.B16 \
	VAND   V31.B16, V21.B16, V25.B16 \
	VAND   V30.B16, V20.B16, V26.B16 \
	VAND   V30.B16, V21.B16, V27.B16 \
	VAND   V29.B16, V20.B16, V20.B16 \
	VAND   V29.B16, V21.B16, V21.B16 \
	SDOT(0, 22, top)                 \
	SDOT(2, 24, sum16)               \
	SDOT(4, 26, sum4)                \
	SDOT(6, 20, sum)                 \
	SDOT(1, 23, top)                 \
	SDOT(3, 25, sum16)               \
	SDOT(5, 27, sum4)                \
	SDOT(7, 21, sum)

// func codeDotDotprod(sums []int32, codes []byte, q []int8)
//
// Two rows at a time: more would load the activations less often, but memory is
// slower than this, and it is read fastest in its order.
TEXT ·codeDotDotprod(SB), NOSPLIT, $0-72
	MOVD  sums_base+0(FP), R0
	MOVD  sums_len+8(FP), R1
	MOVD  codes_base+24(FP), R2
	MOVD  q_base+48(FP), R3
	MOVD  q_len+56(FP), R4
	LSR   $2, R4, R5             // bytes of a row
	LSR   $7, R4, R4             // blocks of a row
	VMOVI $0x03, V29.B16
	VMOVI $0x0c, V30.B16
	VMOVI $0x30, V31.B16

two:
	SUBS $2, R1, R1
	BLT  last
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R2
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R3, R11
	MOVD R4, R12
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16

twoBlocks:
	PRFM   (R10), PLDL1KEEP
	VLD1.P 64(R11), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R11), [V4.B16, V5.B16, V6.B16, V7.B16]
	ADD    $64, R10, R10
	ROW(R8, 8, 9, 10, 11)
	ROW(R9, 12, 13, 14, 15)
	SUBS   $1, R12, R12
	BNE    twoBlocks

	VADD   V8.S4, V11.S4, V11.S4
	VADD   V12.S4, V15.S4, V15.S4
	SSRA_S(4, 9, 11)             // exact
	SSRA_S(4, 13, 15)
	SSRA_S(2, 10, 11)
	SSRA_S(2, 14, 15)
	VADDP  V15.S4, V11.S4, V11.S4
	VADDP  V11.S4, V11.S4, V11.S4
	FMOVD.P F11, 8(R0)
	B      two

last:
	ADDS $2, R1, R1
	BEQ  done
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16

lastBlocks:
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R3), [V4.B16, V5.B16, V6.B16, V7.B16]
	ROW(R2, 8, 9, 10, 11)
	SUBS   $1, R4, R4
	BNE    lastBlocks

	VADD  V8.S4, V11.S4, V11.S4
	SSRA_S(4, 9, 11)
	SSRA_S(2, 10, 11)
	VADDV V11.S4, V11
	FMOVS F11, (R0)

done:
	RET

// HALF multiplies half a block. With several tokens registers are scarce, so
// that only two multiples of the codes are kept apart, at the price of a shift:
// two fields are the codes and two are 4 times as large.
#define HALF(offset, ACTIVATIONS, EACH) \
	FMOVQ offset(R8), F18           \
	FMOVQ offset(R9), F19           \
	ACTIVATIONS(offset+96)          \
	VAND  V31.B16, V18.B16, V16.B16 \
	VAND  V31.B16, V19.B16, V17.B16 \
	EACH(SDOT, 0)                   \
	ACTIVATIONS(offset+64)          \
	VAND  V30.B16, V18.B16, V16.B16 \
	VAND  V30.B16, V19.B16, V17.B16 \
	EACH(SDOT, 1)                   \
	VUSHR $4, V18.B16, V18.B16      \
	VUSHR $4, V19.B16, V19.B16      \
	ACTIVATIONS(offset+32)          \
	VAND  V31.B16, V18.B16, V16.B16 \
	VAND  V31.B16, V19.B16, V17.B16 \
	EACH(SDOT, 0)                   \
	ACTIVATIONS(offset)             \
	VAND  V30.B16, V18.B16, V16.B16 \
	VAND  V30.B16, V19.B16, V17.B16 \
	EACH(SDOT, 1)

#define BLOCK(ACTIVATIONS, EACH)   \
	HALF(0, ACTIVATIONS, EACH) \
	HALF(16, ACTIVATIONS, EACH)

#define JOIN(a, a4, b, b4) \
	SSRA_S(2, a4, a)   \
	SSRA_S(2, b4, b)

// func codeDotsFewDotprod(sums []int32, codes []byte, q []int8, cols int)
TEXT ·codeDotsFewDotprod(SB), NOSPLIT, $0-80
	VMOVI $0x0c, V30.B16
	VMOVI $0x03, V31.B16
#include "codedots_arm64.h"

// func mulGroupsDotprod(sums *int32, rows *byte, tokens *int8, cols int)
//
// Token t has V(2t) for the first group of rows and V(2t+1) for the second.
TEXT ·mulGroupsDotprod(SB), NOSPLIT, $0-32
	MOVD sums+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD tokens+16(FP), R2
	MOVD cols+24(FP), R3
	ADD  R3<<2, R1, R4
	ADD  R3<<2, R2, R5
	LSR  $4, R3, R3
	CLEAR_SUMS

loop:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	VLD1.P 64(R4), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R5), [V28.B16, V29.B16, V30.B16, V31.B16]
	GROUPS(16, 20, 24, 28)
	GROUPS(17, 21, 25, 29)
	GROUPS(18, 22, 26, 30)
	GROUPS(19, 23, 27, 31)
	SUBS   $1, R3, R3
	BNE    loop

	// A token's sums are tileRows apart.
	FSTPQ (F0, F1), (R0)
	FSTPQ (F2, F3), 128(R0)
	FSTPQ (F4, F5), 256(R0)
	FSTPQ (F6, F7), 384(R0)
	FSTPQ (F8, F9), 512(R0)
	FSTPQ (F10, F11), 640(R0)
	FSTPQ (F12, F13), 768(R0)
	FSTPQ (F14, F15), 896(R0)
	RET
