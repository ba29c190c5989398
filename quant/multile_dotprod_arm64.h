#include "multile_arm64.h"

// GROUPS multiplies four columns of the row groups a and b with those of the
// token groups p and r.
#define GROUPS(a, b, p, r)        \
	SDOT_ELEMENT(0, p, a, 0)  \
	SDOT_ELEMENT(0, p, b, 1)  \
	SDOT_ELEMENT(1, p, a, 2)  \
	SDOT_ELEMENT(1, p, b, 3)  \
	SDOT_ELEMENT(2, p, a, 4)  \
	SDOT_ELEMENT(2, p, b, 5)  \
	SDOT_ELEMENT(3, p, a, 6)  \
	SDOT_ELEMENT(3, p, b, 7)  \
	SDOT_ELEMENT(0, r, a, 8)  \
	SDOT_ELEMENT(0, r, b, 9)  \
	SDOT_ELEMENT(1, r, a, 10) \
	SDOT_ELEMENT(1, r, b, 11) \
	SDOT_ELEMENT(2, r, a, 12) \
	SDOT_ELEMENT(2, r, b, 13) \
	SDOT_ELEMENT(3, r, a, 14) \
	SDOT_ELEMENT(3, r, b, 15)
