// Products of a tile with a panel, 64 rows and six tokens at once, to sums of 32 bits:
// a token's sums with 16 rows each in Z0, Z6, Z12 and Z18, the next one's in Z1, and so
// on.

// TOKEN multiplies four columns of 64 rows by one token's.
#define TOKEN(offset, activations, sum, sum16, sum32, sum48) \
	VPBROADCASTD offset(DX), activations \
	VPDPBUSD     activations, Z24, sum \
	VPDPBUSD     activations, Z25, sum16 \
	VPDPBUSD     activations, Z26, sum32 \
	VPDPBUSD     activations, Z27, sum48

// STEP multiplies four columns of 64 rows by those of six tokens. The tile comes
// from the second-level cache and is asked for some 200 cycles ahead.
#define STEP(step) \
	PREFETCHT0 (step*64+1024)(SI) \
	PREFETCHT0 (step*64+1024)(SI)(R8*1) \
	PREFETCHT0 (step*64+1024)(SI)(R8*2) \
	PREFETCHT0 (step*64+1024)(SI)(R9*1) \
	PREFETCHT0 (step*24+768)(DX) \
	VMOVDQU32  (step*64)(SI), Z24 \
	VMOVDQU32  (step*64)(SI)(R8*1), Z25 \
	VMOVDQU32  (step*64)(SI)(R8*2), Z26 \
	VMOVDQU32  (step*64)(SI)(R9*1), Z27 \
	TOKEN(step*24+0, Z28, Z0, Z6, Z12, Z18) \
	TOKEN(step*24+4, Z29, Z1, Z7, Z13, Z19) \
	TOKEN(step*24+8, Z30, Z2, Z8, Z14, Z20) \
	TOKEN(step*24+12, Z31, Z3, Z9, Z15, Z21) \
	TOKEN(step*24+16, Z28, Z4, Z10, Z16, Z22) \
	TOKEN(step*24+20, Z29, Z5, Z11, Z17, Z23)

// SIXTEEN multiplies 16 columns.
#define SIXTEEN \
	STEP(0) \
	STEP(1) \
	STEP(2) \
	STEP(3) \
	ADDQ $256, SI \
	ADDQ $96, DX

#define CLEAR4(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

#define CLEAR_SUMS \
	CLEAR4(Z0, Z1, Z2, Z3) \
	CLEAR4(Z4, Z5, Z6, Z7) \
	CLEAR4(Z8, Z9, Z10, Z11) \
	CLEAR4(Z12, Z13, Z14, Z15) \
	CLEAR4(Z16, Z17, Z18, Z19) \
	CLEAR4(Z20, Z21, Z22, Z23)
