// PREFETCH_AHEAD is how many bytes beyond the rows at hand the codes are asked
// for that come next: rows are short, and a processor's own prefetching has to
// start anew with each two. Prefetching beyond the end is harmless.
#define PREFETCH_AHEAD 4096
