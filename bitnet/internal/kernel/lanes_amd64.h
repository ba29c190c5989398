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
