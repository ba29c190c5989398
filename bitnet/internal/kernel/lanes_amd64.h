// SUM_LANES adds up the 16 lanes in ylow and yhigh by the fixed tree: l+8, l+4,
// l+2, l+1. xlow and xhigh are other names of these registers.
#define SUM_LANES(ylow, yhigh, xlow, xhigh) \
	VADDPS       yhigh, ylow, ylow \
	VEXTRACTF128 $1, ylow, xhigh   \
	VADDPS       xhigh, xlow, xlow \
	VMOVHLPS     xlow, xlow, xhigh \
	VADDPS       xhigh, xlow, xlow \
	VMOVSHDUP    xlow, xhigh       \
	VADDSS       xhigh, xlow, xlow

// SUM_FOUR goes on with the tree where lanes l+8 have been added, for 4 sums in
// Y0 to Y3, and leaves the results in X0: l+4, with two sums in a register, then
// l+2, with four, and l+1.
#define SUM_FOUR \
	VPERM2F128   $0x20, Y2, Y0, Y4 \
	VPERM2F128   $0x31, Y2, Y0, Y5 \
	VPERM2F128   $0x20, Y3, Y1, Y6 \
	VPERM2F128   $0x31, Y3, Y1, Y7 \
	VADDPS       Y5, Y4, Y4        \
	VADDPS       Y7, Y6, Y6        \
	VUNPCKLPD    Y6, Y4, Y0        \
	VUNPCKHPD    Y6, Y4, Y1        \
	VADDPS       Y1, Y0, Y0        \
	VMOVSHDUP    Y0, Y1            \
	VADDPS       Y1, Y0, Y0        \
	VEXTRACTF128 $1, Y0, X1        \
	VSHUFPS      $0x88, X1, X0, X0

// IMAGE_OF_16 stores the 8-bit image of 16 values in Y3 and Y4 at DI, and adds what it
// loses, squared, to the lanes in Y6 and Y7 and the squares to those in Y8 and Y9. Y2
// is the step, Y1 its inverse. Packing keeps to the halves of a register.
#define IMAGE_OF_16 \
	VFMADD231PS  Y3, Y3, Y8    \
	VFMADD231PS  Y4, Y4, Y9    \
	VMULPS       Y1, Y3, Y10   \
	VMULPS       Y1, Y4, Y11   \
	VCVTPS2DQ    Y10, Y10      \
	VCVTPS2DQ    Y11, Y11      \
	VPACKSSDW    Y11, Y10, Y12 \
	VPERMQ       $0xd8, Y12, Y12 \
	VEXTRACTI128 $1, Y12, X13  \
	VPACKSSWB    X13, X12, X12 \
	VMOVDQU      X12, (DI)     \
	VCVTDQ2PS    Y10, Y10      \
	VCVTDQ2PS    Y11, Y11      \
	VFNMADD231PS Y10, Y2, Y3   \
	VFNMADD231PS Y11, Y2, Y4   \
	VFMADD231PS  Y3, Y3, Y6    \
	VFMADD231PS  Y4, Y4, Y7
