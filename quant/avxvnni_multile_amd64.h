// The body of mulTile with 256-bit VPDPBUSD: DI sums, SI tile, DX panel, R8
// columns. All sums of 16 rows and six tokens stay in Y0–Y11 along the whole
// row.

// TOKEN multiplies four columns of 16 rows by one token's.
#define TOKEN(offset, sum, sum8) \
	VPBROADCASTD offset(DX), Y14 \
	VPDPBUSD_YMM(14, 12, sum) \
	VPDPBUSD_YMM(14, 13, sum8)

// STEP multiplies four columns of 16 rows by those of six tokens. The tile comes
// from the second-level cache and is asked for ahead.
#define STEP(step) \
	PREFETCHT0 (step*64+512)(SI) \
	VMOVDQU    (step*64)(SI), Y12 \
	VMOVDQU    (step*64+32)(SI), Y13 \
	TOKEN(step*24+0, 0, 1) \
	TOKEN(step*24+4, 2, 3) \
	TOKEN(step*24+8, 4, 5) \
	TOKEN(step*24+12, 6, 7) \
	TOKEN(step*24+16, 8, 9) \
	TOKEN(step*24+20, 10, 11)

	MOVQ DX, BX
	SHLQ $4, R8                 // bytes of a group
	MOVQ $4, R10                // groups to come

group:
	MOVQ  BX, DX
	MOVQ  R8, CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPXOR Y8, Y8, Y8
	VPXOR Y9, Y9, Y9
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11

steps:
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	ADDQ $256, SI
	ADDQ $96, DX
	SUBQ $256, CX
	JNZ  steps

	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 256(DI)
	VMOVDQU Y3, 288(DI)
	VMOVDQU Y4, 512(DI)
	VMOVDQU Y5, 544(DI)
	VMOVDQU Y6, 768(DI)
	VMOVDQU Y7, 800(DI)
	VMOVDQU Y8, 1024(DI)
	VMOVDQU Y9, 1056(DI)
	VMOVDQU Y10, 1280(DI)
	VMOVDQU Y11, 1312(DI)
	ADDQ    $64, DI             // the next group's sums
	DECQ    R10
	JNZ     group
