#include "report/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"

/* Samples in order, and room to count how often each was drawn. */
typedef struct sorted_samples {
    double *values;
    uint32_t *drawn;
    size_t count;
} sorted_samples;

static int compare_numbers(const void *a, const void *b)
{
    const double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

static thaw_status sort_samples(thaw_context *context, const double *samples, size_t count, sorted_samples *sorted)
{
    THAW_TRY(thaw_allocate(context, count, sizeof *sorted->values, &sorted->values));
    THAW_TRY(thaw_allocate(context, count, sizeof *sorted->drawn, &sorted->drawn));
    memcpy(sorted->values, samples, count * sizeof *samples);
    qsort(sorted->values, count, sizeof *sorted->values, compare_numbers);
    sorted->count = count;
    return THAW_OK;
}

static void free_samples(sorted_samples *sorted)
{
    free(sorted->values);
    free(sorted->drawn);
}

static double middle(const double *values, size_t count)
{
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

thaw_status thaw_median(thaw_context *context, const double *samples, size_t count, double *median)
{
    sorted_samples sorted = {0};
    const thaw_status status = sort_samples(context, samples, count, &sorted);
    if (status == THAW_OK)
        *median = middle(sorted.values, count);
    free_samples(&sorted);
    return status;
}

/* The median of as many draws as there are samples. Counting them spares sorting what was drawn. */
static double resampled_median(sorted_samples *sorted, thaw_random *random)
{
    const size_t count = sorted->count;
    memset(sorted->drawn, 0, count * sizeof *sorted->drawn);
    for (size_t i = 0; i < count; i++)
        sorted->drawn[(size_t)(thaw_random_uniform(random) * (double)count)]++;
    size_t lower = 0, passed = sorted->drawn[0];
    while (passed <= (count - 1) / 2)
        passed += sorted->drawn[++lower];
    size_t upper = lower;
    while (passed <= count / 2)
        passed += sorted->drawn[++upper];
    return 0.5 * (sorted->values[lower] + sorted->values[upper]);
}

static void percentiles(double *ratios, double *low, double *high)
{
    const size_t tail = THAW_BOOTSTRAP_RESAMPLES / 40; /* 2.5 % */
    qsort(ratios, THAW_BOOTSTRAP_RESAMPLES, sizeof *ratios, compare_numbers);
    *low = ratios[tail - 1];
    *high = ratios[THAW_BOOTSTRAP_RESAMPLES - tail];
}

thaw_status thaw_bootstrap_ratio(thaw_context *context, const double *a, size_t a_count, const double *b,
                                 size_t b_count, uint64_t seed, double *low, double *high)
{
    sorted_samples first = {0}, second = {0};
    double *ratios = NULL;
    thaw_random random = {seed};
    thaw_status status = sort_samples(context, a, a_count, &first);
    if (status == THAW_OK)
        status = sort_samples(context, b, b_count, &second);
    if (status == THAW_OK)
        status = thaw_allocate(context, THAW_BOOTSTRAP_RESAMPLES, sizeof *ratios, &ratios);
    for (size_t i = 0; i < THAW_BOOTSTRAP_RESAMPLES && status == THAW_OK; i++)
        ratios[i] = resampled_median(&first, &random) / resampled_median(&second, &random);
    if (status == THAW_OK)
        percentiles(ratios, low, high);
    free(ratios);
    free_samples(&first);
    free_samples(&second);
    return status;
}
