// PREFETCH_AHEAD is how many bytes beyond the rows at hand the codes are asked
// for that come next, in their order. The processor's own prefetching stops at
// every page and is confused by several rows at a time. Prefetching beyond the
// end is harmless.
#define PREFETCH_AHEAD 4096

// PREFETCH_GROUP asks for as many codes as one block of 16 rows has, at R13.
#define PREFETCH_GROUP \
	PREFETCHT1 (R13)    \
	PREFETCHT1 64(R13)  \
	PREFETCHT1 128(R13) \
	PREFETCHT1 192(R13) \
	PREFETCHT1 256(R13) \
	PREFETCHT1 320(R13) \
	PREFETCHT1 384(R13) \
	PREFETCHT1 448(R13) \
	ADDQ       $512, R13
