// PREFETCH_AHEAD is how many bytes beyond the rows at hand the codes are asked
// for that come next. The processor's own prefetching stops at every page and
// is confused by two rows at a time. Prefetching beyond the end is harmless.
#define PREFETCH_AHEAD 4096
