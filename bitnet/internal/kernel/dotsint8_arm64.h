// The body of DotsInt8 for 2 to 4 vectors: each pair of rows is loaded once for
// all of them. Vector v has the registers V(4v) to V(4v+3), two for the sums of
// each row. The file that includes this one defines
//
//	INTEGERS2 to INTEGERS4  multiplies 16 bytes of the rows at R8 and R9 with
//	                        the vectors at R3 to R6, and moves on
//	JOIN(a, a2, b, b2)      leaves the sums of the rows in a and b
//
// and may use V16 to V31. At the beginning of two rows, V16 and V17 are 0.

#define CLEAR(a, b, c, d)        \
	VEOR a.B16, a.B16, a.B16 \
	VEOR b.B16, b.B16, b.B16 \
	VEOR c.B16, c.B16, c.B16 \
	VEOR d.B16, d.B16, d.B16

#define NEXT                  \
	PRFM (R10), PLDL1KEEP \
	ADD  $32, R10, R10    \
	SUBS $1, R11, R11

	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R7
	MOVD x_len+56(FP), R14
	MOVD cols+72(FP), R13
	UDIV R13, R14, R14        // vectors
	UDIV R14, R1, R1          // rows
	LSL  $1, R13, R15         // bytes of a vector
	LSR  $4, R13, R12

	// Where the products with each vector go. A vector that is missing has the
	// place of the second, which is stored after it.
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
	ADD  R13, R8, R9
	ADD  R13, R9, R2
	CSEL EQ, R8, R9, R9       // the last of an odd number goes twice
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R12, R11
	MOVD R7, R3
	ADD  R15, R3, R4
	ADD  R15, R4, R5
	ADD  R15, R5, R6
	CLEAR(V0, V1, V2, V3)
	CLEAR(V4, V5, V6, V7)
	CLEAR(V8, V9, V10, V11)
	CLEAR(V12, V13, V14, V15)
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	CMP  $3, R14
	BLT  two
	BEQ  three

four:
	INTEGERS4
	NEXT
	BNE four
	B   join

three:
	INTEGERS3
	NEXT
	BNE three
	B   join

two:
	INTEGERS2
	NEXT
	BNE two

join:
	JOIN(V0, V1, V2, V3)
	JOIN(V4, V5, V6, V7)
	JOIN(V8, V9, V10, V11)
	JOIN(V12, V13, V14, V15)
	VADDP   V2.S4, V0.S4, V0.S4
	VADDP   V6.S4, V4.S4, V4.S4
	VADDP   V10.S4, V8.S4, V8.S4
	VADDP   V14.S4, V12.S4, V12.S4
	VADDP   V0.S4, V0.S4, V0.S4
	VADDP   V4.S4, V4.S4, V4.S4
	VADDP   V8.S4, V8.S4, V8.S4
	VADDP   V12.S4, V12.S4, V12.S4
	CMP     $1, R1
	BEQ     last
	FMOVD.P F12, 8(R21)
	FMOVD.P F8, 8(R20)
	FMOVD.P F4, 8(R19)
	FMOVD.P F0, 8(R0)
	SUB     $2, R1, R1
	B       rows

last:
	FMOVS F12, (R21)
	FMOVS F8, (R20)
	FMOVS F4, (R19)
	FMOVS F0, (R0)

done:
	RET
