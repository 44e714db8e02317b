/* How far a ratio of two medians can be trusted, told from the samples alone. */
#ifndef THAW_REPORT_BOOTSTRAP_H
#define THAW_REPORT_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>
#include <thaw/status.h>

#define THAW_BOOTSTRAP_RESAMPLES 2000

/* An allocated copy in ascending order. */
THAW_MUST_CHECK thaw_status thaw_sorted_copy(thaw_context *context, const double *samples, size_t count,
                                             double **sorted);

/* What a median was taken of. Samples are above 0. */
typedef struct thaw_bootstrap_run {
    const double *samples, *sorted; /* [count]: as they were taken, round by round, and in ascending order */
    size_t count;
    const size_t *rounds; /* [round_count]: how many samples each has; NULL: each sample is a round of its own */
    size_t round_count;
} thaw_bootstrap_run;

/* The 95 % interval of median(a) / median(b): of both, rounds are drawn with replacement, as many as there are, and of
 * each as many samples as it has, as samples of a round depend on each other; THAW_BOOTSTRAP_RESAMPLES times over. Of
 * the ratios that come out the 2.5th and the 97.5th percentile are taken (Efron's percentile bootstrap). From
 * THAW_BENCH_ENOUGH rounds on it means something. The same seed gives the same interval. THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_bootstrap_ratio(thaw_context *context, const thaw_bootstrap_run *a,
                                                 const thaw_bootstrap_run *b, uint64_t seed, double *low, double *high);

#endif
