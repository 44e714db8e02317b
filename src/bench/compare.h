/* Results against a reference in double precision: of some elements from everywhere in the result, since the reference
 * is slow. */
#ifndef THAW_BENCH_COMPARE_H
#define THAW_BENCH_COMPARE_H

#include "bench/bench.h"

/* The element that the reference is asked for. */
typedef double (*thaw_bench_reference)(const void *user, int64_t element);

/* The largest difference between got[] and the reference, over the largest magnitude that the reference gives; NaN if
 * any of *all* `count` elements is no finite number. The first and the last element and one from each of about
 * `samples` equal parts are compared, which one the seed decides. */
double thaw_bench_compare(const float *got, int64_t count, int64_t samples, uint64_t seed,
                          thaw_bench_reference reference, const void *user);

#endif
