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
/* The 95 % interval of median(a) / median(b): both are drawn again from themselves, with replacement, as often as
 * THAW_BOOTSTRAP_RESAMPLES says, and of the ratios that come out the 2.5th and the 97.5th percentile are taken (Efron's
 * percentile bootstrap). Both sorted, above 0; counts from THAW_BENCH_ENOUGH on mean something. The same seed gives the
 * same interval. THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_bootstrap_ratio(thaw_context *context, const double *a, size_t a_count,
                                                 const double *b, size_t b_count, uint64_t seed, double *low,
                                                 double *high);

#endif
