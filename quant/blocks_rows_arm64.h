// What the kernels for rows of blocks with scales have in common, those that multiply
// and those that unpack tiles: four rows side by side, at R1 to R4. A lane of 32 bits
// belongs to one row, so that nothing is added across lanes.
//
// What includes this gives these macros:
//
//	ACTIVATIONS(column)          gets those of 16 columns ready, from this one on
//	TAKE(n, column, word, sum)   takes the codes of four columns in Vn: word says which
//	                             four of the 16
//
// V27 to V30 are constants. V0 to V7 and V16 to V19 are free for these macros.

#define ROW_CONSTANTS \
	VEOR  V27.B16, V27.B16, V27.B16 \
	VMOVI $85, V28.B16              \
	VMOVI $170, V29.B16             \
	VMOVI $3, V30.B16

// COLUMNS loads 16 bytes at an offset of each row, four words of 32 bits: word n of
// all rows into V(4+n).
#define COLUMNS(offset) \
	FMOVQ offset(R1), F0         \
	FMOVQ offset(R2), F1         \
	FMOVQ offset(R3), F2         \
	FMOVQ offset(R4), F3         \
	VZIP1 V2.S4, V0.S4, V16.S4   \
	VZIP1 V3.S4, V1.S4, V17.S4   \
	VZIP2 V2.S4, V0.S4, V18.S4   \
	VZIP2 V3.S4, V1.S4, V19.S4   \
	VZIP1 V17.S4, V16.S4, V4.S4  \
	VZIP2 V17.S4, V16.S4, V5.S4  \
	VZIP1 V19.S4, V18.S4, V6.S4  \
	VZIP2 V19.S4, V18.S4, V7.S4

// SCALES widens the scales at an offset to V25.
#define SCALES(offset) \
	MOVHU offset(R1), R10   \
	MOVHU offset(R2), R11   \
	MOVHU offset(R3), R12   \
	MOVHU offset(R4), R13   \
	VMOV  R10, V25.H[0]     \
	VMOV  R11, V25.H[1]     \
	VMOV  R12, V25.H[2]     \
	VMOV  R13, V25.H[3]     \
	FCVTL(25, 25)

// Two bits a code: CODES takes those of 16 bytes, whose four fields are so many columns
// apart, the lowest bits first. The first two belong to one block of activations, and so
// do the others.
#define CODES(bytes, column, apart, sum, sum34) \
	COLUMNS(bytes)                   \
	ACTIVATIONS(column)              \
	LOWEST_FIELD(V4, column, 0, sum) \
	LOWEST_FIELD(V5, column, 1, sum) \
	LOWEST_FIELD(V6, column, 2, sum) \
	LOWEST_FIELD(V7, column, 3, sum) \
	FIELDS(2, column+apart, sum)     \
	FIELDS(4, column+2*apart, sum34) \
	FIELDS(6, column+3*apart, sum34)

#define FIELDS(shift, column, sum)       \
	ACTIVATIONS(column)              \
	FIELD(shift, V4, column, 0, sum) \
	FIELD(shift, V5, column, 1, sum) \
	FIELD(shift, V6, column, 2, sum) \
	FIELD(shift, V7, column, 3, sum)

#define LOWEST_FIELD(words, column, word, sum) \
	VAND V30.B16, words.B16, V16.B16       \
	TAKE(16, column, word, sum)

#define FIELD(shift, words, column, word, sum) \
	VUSHR $shift, words.B16, V16.B16       \
	VAND  V30.B16, V16.B16, V16.B16        \
	TAKE(16, column, word, sum)

// Five codes in a byte, to the base of three. A byte is a fraction of 256: its first
// digit is 1 from 86 and 2 from 171 on, and three times it, modulo 256, has the next
// digit first.
#define DIGIT(n, column, word, sum)      \
	CMHI_B(28, n, 16)                \
	CMHI_B(29, n, 17)                \
	VSUB V16.B16, V27.B16, V16.B16   \
	VSUB V17.B16, V16.B16, V16.B16   \
	TAKE(16, column, word, sum)

#define NEXT(words)                      \
	VADD words.B16, words.B16, V16.B16 \
	VADD V16.B16, words.B16, words.B16

#define DIGITS(column, sum)       \
	ACTIVATIONS(column)       \
	DIGIT(4, column, 0, sum)  \
	DIGIT(5, column, 1, sum)  \
	DIGIT(6, column, 2, sum)  \
	DIGIT(7, column, 3, sum)

#define NEXT_DIGITS(column, sum) \
	NEXT(V4)                 \
	NEXT(V5)                 \
	NEXT(V6)                 \
	NEXT(V7)                 \
	DIGITS(column, sum)

#define FIVE(column, apart, sum, sum34, sum5) \
	DIGITS(column, sum)                \
	NEXT_DIGITS(column+apart, sum)     \
	NEXT_DIGITS(column+2*apart, sum34) \
	NEXT_DIGITS(column+3*apart, sum34) \
	NEXT_DIGITS(column+4*apart, sum5)

// TQ1_0 has 32 bytes, whose digits belong to the first two blocks of activations and,
// the fifth ones, to half of the third; then 16, then four with four digits.
#define TQ1_0_DIGITS(sum, sum2, sum3, sum4) \
	COLUMNS(0)                     \
	FIVE(0, 32, sum, sum2, sum3)   \
	COLUMNS(16)                    \
	FIVE(16, 32, sum, sum2, sum3)  \
	COLUMNS(32)                    \
	FIVE(160, 16, sum3, sum4, sum4) \
	COLUMNS(36)                    \
	ACTIVATIONS(240)               \
	DIGIT(7, 240, 0, sum4)         \
	NEXT(V7)                       \
	DIGIT(7, 240, 1, sum4)         \
	NEXT(V7)                       \
	DIGIT(7, 240, 2, sum4)         \
	NEXT(V7)                       \
	DIGIT(7, 240, 3, sum4)

// PTQ1_0 has 16 bytes, whose fifth digits begin the second block of activations, then
// eight, then two with four digits, and its scale behind them. Of the last two, the
// first two digits come to lie side by side as two bytes and three times these, and
// then the last two.
#define PTQ1_0_DIGITS(sum, sum2)          \
	COLUMNS(0)                        \
	FIVE(0, 16, sum, sum, sum2)       \
	COLUMNS(12)                       \
	VUZP2 V7.H8, V7.H8, V25.H8        \
	FCVTL(25, 25)                     \
	EIGHT_DIGITS(80, sum2)            \
	NEXT(V5)                          \
	NEXT(V6)                          \
	EIGHT_DIGITS(88, sum2)            \
	NEXT(V5)                          \
	NEXT(V6)                          \
	EIGHT_DIGITS(96, sum2)            \
	NEXT(V5)                          \
	NEXT(V6)                          \
	EIGHT_DIGITS(104, sum2)           \
	NEXT(V5)                          \
	NEXT(V6)                          \
	EIGHT_DIGITS(112, sum2)           \
	VSHL  $16, V7.S4, V7.S4           \
	VUSHR $16, V7.S4, V17.S4          \
	NEXT(V7)                          \
	VORR  V17.B16, V7.B16, V7.B16     \
	DIGIT(7, 112, 2, sum2)            \
	NEXT(V7)                          \
	NEXT(V7)                          \
	DIGIT(7, 112, 3, sum2)

#define EIGHT_DIGITS(column, sum) \
	ACTIVATIONS(column)       \
	DIGIT(5, column, 0, sum)  \
	DIGIT(6, column, 1, sum)
