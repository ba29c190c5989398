// PRODUCTS turns a block's sums of one token with eight rows, in a and b, into
// products, and adds them to those in memory. V16 and V17 have the rows' scales; R10
// and R11 point to the token's scale and sum, and go on to the next one's.
#define PRODUCTS(token, a, na, b, nb)          \
	VLD1R (R10), [V19.S4]                  \
	VLD1R (R11), [V18.S4]                  \
	ADD   R9, R10, R10                     \
	ADD   R9, R11, R11                     \
	VSUB  V18.S4, a.S4, a.S4               \
	VSUB  V18.S4, b.S4, b.S4               \
	SCVTF(na, na)                          \
	SCVTF(nb, nb)                          \
	FMUL(19, 16, 20)                       \
	FMUL(19, 17, 21)                       \
	FLDPQ (token*128)(R0), (F22, F23)      \
	VFMLA V20.S4, a.S4, V22.S4             \
	VFMLA V21.S4, b.S4, V23.S4             \
	FSTPQ (F22, F23), (token*128)(R0)
