#include "bench/statistics.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void thaw_bench_sort(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_doubles);
}

double thaw_bench_quantile(const double *sorted, size_t count, double share)
{
    const double at = share * (double)(count - 1);
    const size_t below = (size_t)at;
    return below + 1 < count ? sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below])
                             : sorted[count - 1];
}

/* Each number is below the true median with a chance of a half: how many are is binomial. */
size_t thaw_bench_outside(size_t count)
{
    const double most = 0.025;
    const double n = (double)count;
    double below = 0;
    size_t outside = 0;
    for (; outside < count; outside++) {
        const double k = (double)outside;
        below += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2.0));
        if (below > most)
            break;
    }
    return outside;
}

thaw_bench_statistics thaw_bench_summarise(const double *sorted, size_t count)
{
    const size_t outside = thaw_bench_outside(count), skipped = outside ? outside - 1 : 0;
    const double median = thaw_bench_quantile(sorted, count, 0.5);
    const double range = thaw_bench_quantile(sorted, count, 0.9) - thaw_bench_quantile(sorted, count, 0.1);
    return (thaw_bench_statistics){.median = median,
                                   .low = sorted[skipped],
                                   .high = sorted[count - 1 - skipped],
                                   .spread = median > 0 ? range / median : 0};
}
