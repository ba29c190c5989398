#define CLEAR(a, b, c, d)        \
	VEOR a.B16, a.B16, a.B16 \
	VEOR b.B16, b.B16, b.B16 \
	VEOR c.B16, c.B16, c.B16 \
	VEOR d.B16, d.B16, d.B16

// TREE adds up the lanes in a to d.
#define TREE(a, na, b, nb, nc, nd)   \
	FADD(nc, na, na)             \
	FADD(nd, nb, nb)             \
	FADD(nb, na, na)             \
	VEXT $8, a.B16, a.B16, b.B16 \
	FADD(nb, na, na)             \
	FADDP(na, na, na)
