// The body of codeDots for 2 to 4 tokens: each pair of rows is unpacked once
// for all of them. Token t has the registers V(4t) to V(4t+3): for each of the
// two rows its sum, and after it a sum of a second kind, that can be what the
// file that includes this one wants. It defines
//
//	BLOCK(ACTIVATIONS, EACH)  multiplies a block of the rows at R8 and R9 with
//	                          all tokens, by means of the macros below
//	JOIN(a, a2, b, b2)        adds the sums of the second kind to the others
//
// and may use V16 to V31.

// ACTIVATIONS2 to 4 take 16 activations of each of 2 to 4 tokens, those at an
// offset within the block, into V20 to V23.
#define ACTIVATIONS2(offset)    \
	FMOVQ (offset)(R3), F20 \
	FMOVQ (offset)(R4), F21

#define ACTIVATIONS3(offset) \
	ACTIVATIONS2(offset) \
	FMOVQ (offset)(R5), F22

#define ACTIVATIONS4(offset) \
	ACTIVATIONS3(offset) \
	FMOVQ (offset)(R6), F23

// EACH2 to 4 have an instruction multiply the activations of each token with
// the codes in V16 and V17, those of the two rows. kind is 0 for sums of the
// first kind, 1 for the others.
#define EACH2(INSTRUCTION, kind)    \
	INSTRUCTION(20, 16, 0+kind) \
	INSTRUCTION(20, 17, 2+kind) \
	INSTRUCTION(21, 16, 4+kind) \
	INSTRUCTION(21, 17, 6+kind)

#define EACH3(INSTRUCTION, kind)    \
	EACH2(INSTRUCTION, kind)    \
	INSTRUCTION(22, 16, 8+kind) \
	INSTRUCTION(22, 17, 10+kind)

#define EACH4(INSTRUCTION, kind)     \
	EACH3(INSTRUCTION, kind)     \
	INSTRUCTION(23, 16, 12+kind) \
	INSTRUCTION(23, 17, 14+kind)

#define NEXT_BLOCK            \
	ADD  $32, R8, R8      \
	ADD  $32, R9, R9      \
	ADD  $128, R3, R3     \
	ADD  $128, R4, R4     \
	ADD  $128, R5, R5     \
	ADD  $128, R6, R6     \
	PRFM (R10), PLDL1KEEP \
	ADD  $64, R10, R10    \
	SUBS $1, R11, R11

	MOVD sums_base+0(FP), R0
	MOVD sums_len+8(FP), R1
	MOVD codes_base+24(FP), R2
	MOVD q_base+48(FP), R7
	MOVD q_len+56(FP), R14
	MOVD cols+72(FP), R13
	UDIV R13, R14, R14      // tokens
	UDIV R14, R1, R1        // rows
	LSR  $2, R13, R15       // bytes of a row
	LSR  $7, R13, R12       // blocks of a row

	// Where the sums of each token go. A token that is missing has the place of
	// the second, which is stored after it.
	LSL  $2, R1, R8
	ADD  R8, R0, R19
	ADD  R8, R19, R20
	ADD  R8, R20, R21
	CMP  $3, R14
	CSEL LT, R19, R20, R20
	CMP  $4, R14
	CSEL LT, R19, R21, R21

rows:
	CMP  $1, R1
	BLT  done
	MOVD R2, R8
	ADD  R15, R8, R9
	ADD  R15, R9, R2
	CSEL EQ, R8, R9, R9     // the last of an odd number goes twice
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R12, R11
	MOVD R7, R3
	ADD  R13, R3, R4
	ADD  R13, R4, R5
	ADD  R13, R5, R6
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16
	CMP  $3, R14
	BLT  two
	BEQ  three

four:
	BLOCK(ACTIVATIONS4, EACH4)
	NEXT_BLOCK
	BNE four
	B   join

three:
	BLOCK(ACTIVATIONS3, EACH3)
	NEXT_BLOCK
	BNE three
	B   join

two:
	BLOCK(ACTIVATIONS2, EACH2)
	NEXT_BLOCK
	BNE two

join:
	JOIN(0, 1, 2, 3)
	JOIN(4, 5, 6, 7)
	JOIN(8, 9, 10, 11)
	JOIN(12, 13, 14, 15)
	VADDP V2.S4, V0.S4, V0.S4
	VADDP V6.S4, V4.S4, V4.S4
	VADDP V10.S4, V8.S4, V8.S4
	VADDP V14.S4, V12.S4, V12.S4
	VADDP V0.S4, V0.S4, V0.S4
	VADDP V4.S4, V4.S4, V4.S4
	VADDP V8.S4, V8.S4, V8.S4
	VADDP V12.S4, V12.S4, V12.S4
	CMP   $1, R1
	BEQ   last
	FMOVD.P F12, 8(R21)
	FMOVD.P F8, 8(R20)
	FMOVD.P F4, 8(R19)
	FMOVD.P F0, 8(R0)
	SUB   $2, R1, R1
	B     rows

last:
	FMOVS F12, (R21)
	FMOVS F8, (R20)
	FMOVS F4, (R19)
	FMOVS F0, (R0)

done:
	RET
