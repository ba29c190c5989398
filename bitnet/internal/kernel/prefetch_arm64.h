// PREFETCH_AHEAD is how many bytes beyond the rows at hand is asked for what
// comes next. Prefetching beyond the end is harmless.
#define PREFETCH_AHEAD 4096
