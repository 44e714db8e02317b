#include "report/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/statistics.h"

thaw_status thaw_sorted_copy(thaw_context *context, const double *samples, size_t count, double **sorted)
{
    THAW_TRY(thaw_allocate(context, count, sizeof **sorted, sorted));
    memcpy(*sorted, samples, count * sizeof *samples);
    thaw_bench_sort(*sorted, count);
    return THAW_OK;
}

/* The median of as many draws as there are samples. Counting them in `drawn`, of `count`, spares sorting them. */
static double resampled_median(const double *sorted, size_t count, uint32_t *drawn, thaw_random *random)
{
    memset(drawn, 0, count * sizeof *drawn);
    for (size_t i = 0; i < count; i++)
        drawn[(size_t)(thaw_random_uniform(random) * (double)count)]++;
    size_t lower = 0, passed = drawn[0];
    while (passed <= (count - 1) / 2)
        passed += drawn[++lower];
    size_t upper = lower;
    while (passed <= count / 2)
        passed += drawn[++upper];
    return 0.5 * (sorted[lower] + sorted[upper]);
}

static void percentiles(double *ratios, double *low, double *high)
{
    const size_t tail = THAW_BOOTSTRAP_RESAMPLES / 40; /* 2.5 % */
    thaw_bench_sort(ratios, THAW_BOOTSTRAP_RESAMPLES);
    *low = ratios[tail - 1];
    *high = ratios[THAW_BOOTSTRAP_RESAMPLES - tail];
}

thaw_status thaw_bootstrap_ratio(thaw_context *context, const double *a, size_t a_count, const double *b,
                                 size_t b_count, uint64_t seed, double *low, double *high)
{
    uint32_t *drawn;
    double *ratios;
    thaw_random random = {seed};
    THAW_TRY(thaw_allocate(context, a_count > b_count ? a_count : b_count, sizeof *drawn, &drawn));
    const thaw_status status = thaw_allocate(context, THAW_BOOTSTRAP_RESAMPLES, sizeof *ratios, &ratios);
    for (size_t i = 0; i < THAW_BOOTSTRAP_RESAMPLES && status == THAW_OK; i++) {
        const double median = resampled_median(a, a_count, drawn, &random);
        ratios[i] = median / resampled_median(b, b_count, drawn, &random);
    }
    if (status == THAW_OK)
        percentiles(ratios, low, high);
    free(ratios);
    free(drawn);
    return status;
}
