// What the kernels for rows of blocks with scales have in common, those that multiply
// and those that unpack tiles: eight rows side by side.
//
// Row i of the eight is at (SI), (SI)(R8*1), (SI)(R8*2), (SI)(R9*1), and from the
// fifth on the same with R10.

// COLUMNS loads 16 bytes at an offset of each row, four words of 32 bits, into Y0
// to Y3: word n of all rows into Yn.
#define COLUMNS(offset) \
	HALVES(offset) \
	VPUNPCKLDQ  Y1, Y0, Y4 \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKLDQ  Y3, Y2, Y6 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKLQDQ Y6, Y4, Y0 \
	VPUNPCKHQDQ Y6, Y4, Y1 \
	VPUNPCKLQDQ Y7, Y5, Y2 \
	VPUNPCKHQDQ Y7, Y5, Y3

// LAST_COLUMN does so for the last word alone.
#define LAST_COLUMN(offset) \
	HALVES(offset) \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKHQDQ Y7, Y5, Y3

#define HALVES(offset) \
	VMOVDQU     offset(SI), X0 \
	VMOVDQU     offset(SI)(R8*1), X1 \
	VMOVDQU     offset(SI)(R8*2), X2 \
	VMOVDQU     offset(SI)(R9*1), X3 \
	VINSERTI128 $1, offset(R10), Y0, Y0 \
	VINSERTI128 $1, offset(R10)(R8*1), Y1, Y1 \
	VINSERTI128 $1, offset(R10)(R8*2), Y2, Y2 \
	VINSERTI128 $1, offset(R10)(R9*1), Y3, Y3

// SCALES_FIRST widens the scales that begin blocks, SCALES_LAST those that follow
// after offset bytes of a block. Sixteen bytes are taken of each.
#define SCALES_FIRST(scales) \
	SCALES(VPUNPCKLWD, VPUNPCKLDQ, VPUNPCKLQDQ, 0, scales)

#define SCALES_LAST(offset, scales) \
	SCALES(VPUNPCKHWD, VPUNPCKHDQ, VPUNPCKHQDQ, offset-14, scales)

#define SCALES(WORDS, DOUBLES, QUADS, offset, scales) \
	VMOVDQU   offset(SI), X4 \
	WORDS     offset(SI)(R8*1), X4, X4 \
	VMOVDQU   offset(SI)(R8*2), X5 \
	WORDS     offset(SI)(R9*1), X5, X5 \
	DOUBLES   X5, X4, X4 \
	VMOVDQU   offset(R10), X5 \
	WORDS     offset(R10)(R8*1), X5, X5 \
	VMOVDQU   offset(R10)(R8*2), X6 \
	WORDS     offset(R10)(R9*1), X6, X6 \
	DOUBLES   X6, X5, X5 \
	QUADS     X5, X4, X4 \
	VCVTPH2PS X4, scales

// Five codes in a byte, to the base of three. A byte is a fraction of 256, kept
// less 128: its first digit is 1 from 86 − 128 and 2 from 171 − 128 on, and three
// times it, modulo 256, has the next digit first and is less 128 again.

#define TRIT_CONSTANTS \
	MASK(0x80808080, X8, Y8) \
	MASK(0x2A2A2A2A, X14, Y14) \
	MASK(0xD5D5D5D5, X15, Y15)

// DIGIT takes the first digits of four columns, whose activations are at an offset,
// from Y4; what includes this says by TAKE(offset, sum) what is done with them.
#define DIGIT(column, offset, sum) \
	VPCMPGTB Y15, column, Y4 \
	VPCMPGTB Y14, column, Y5 \
	VPADDB   Y5, Y4, Y4 \
	VPABSB   Y4, Y4 \
	TAKE(offset, sum)

#define NEXT(column) \
	VPADDB column, column, Y5 \
	VPADDB Y5, column, column

// FOUR and FIVE take so many digits, whose activations are so far apart. The first two
// belong to one block of activations, and so do the next two.
#define FOUR(column, offset, apart, sum, sum34) \
	VPXOR Y8, column, column \
	DIGIT(column, offset, sum) \
	NEXT(column) \
	DIGIT(column, offset+apart, sum) \
	NEXT(column) \
	DIGIT(column, offset+2*apart, sum34) \
	NEXT(column) \
	DIGIT(column, offset+3*apart, sum34)

#define FIVE(column, offset, apart, sum, sum34, sum5) \
	FOUR(column, offset, apart, sum, sum34) \
	NEXT(column) \
	DIGIT(column, offset+4*apart, sum5)

// TQ1_0 has 32 bytes, whose digits belong to the first two blocks of activations and,
// the fifth ones, to half of the third; then 16, then four with four digits.
#define TQ1_0_FIRST \
	COLUMNS(0) \
	FIVE(Y0, 0, 32, Y9, Y10, Y13) \
	FIVE(Y1, 4, 32, Y9, Y10, Y13) \
	FIVE(Y2, 8, 32, Y9, Y10, Y13) \
	FIVE(Y3, 12, 32, Y9, Y10, Y13) \
	COLUMNS(16) \
	FIVE(Y0, 16, 32, Y9, Y10, Y13) \
	FIVE(Y1, 20, 32, Y9, Y10, Y13) \
	FIVE(Y2, 24, 32, Y9, Y10, Y13) \
	FIVE(Y3, 28, 32, Y9, Y10, Y13)

#define TQ1_0_LAST \
	COLUMNS(32) \
	FIVE(Y0, 160, 16, Y13, Y9, Y9) \
	FIVE(Y1, 164, 16, Y13, Y9, Y9) \
	FIVE(Y2, 168, 16, Y13, Y9, Y9) \
	FIVE(Y3, 172, 16, Y13, Y9, Y9) \
	LAST_COLUMN(36) \
	FOUR(Y3, 240, 4, Y9, Y9)

// PTQ1_0 has 16 bytes, whose fifth digits begin the second block of activations, then
// eight, then two with four digits, and its scale behind them. Of the last two, the
// first two digits come to lie side by side as two bytes and three times these, and
// then the last two.
#define PTQ1_0_DIGITS \
	COLUMNS(0) \
	FIVE(Y0, 0, 16, Y9, Y9, Y10) \
	FIVE(Y1, 4, 16, Y9, Y9, Y10) \
	FIVE(Y2, 8, 16, Y9, Y9, Y10) \
	FIVE(Y3, 12, 16, Y9, Y9, Y10) \
	COLUMNS(12) \
	VPSRLD    $16, Y3, Y4 \
	VPACKUSDW Y4, Y4, Y4 \
	VPERMQ    $0x08, Y4, Y4 \
	VCVTPH2PS X4, Y11 \
	FIVE(Y1, 80, 8, Y10, Y10, Y10) \
	FIVE(Y2, 84, 8, Y10, Y10, Y10) \
	VPSLLD    $16, Y3, Y4 \
	NEXT(Y4) \
	VPBLENDW  $0xAA, Y4, Y3, Y3 \
	VPXOR     Y8, Y3, Y3 \
	DIGIT(Y3, 120, Y10) \
	NEXT(Y3) \
	NEXT(Y3) \
	DIGIT(Y3, 124, Y10)
