/* What repetitions tell: by ranks, since times on a machine that others use too are not spread evenly around a mean. */
#ifndef THAW_BENCH_STATISTICS_H
#define THAW_BENCH_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/* Fewer repetitions have no 95 % interval of the median: from the smallest to the largest of six it is 96.9 %. */
#define THAW_BENCH_ENOUGH 6

typedef struct thaw_bench_statistics {
    double median;
    double low, high; /* 95 % interval of the median, from ranks; smallest and largest where there are too few */
    double spread;    /* (90th - 10th percentile) / median */
} thaw_bench_statistics;

/* Of sorted numbers, count >= 1. */
thaw_bench_statistics thaw_bench_summarise(const double *sorted, size_t count);
/* A percentile between two ranks is in proportion between them. share in [0, 1]. */
double thaw_bench_quantile(const double *sorted, size_t count, double share);
/* How many of the smallest, and as many of the largest, `count` numbers lie outside of the interval: the largest k such
 * that the median is beyond the k-th smallest with a chance of 2.5 % at most. 0 where there are too few. */
size_t thaw_bench_outside(size_t count);
void thaw_bench_sort(double *numbers, size_t count);

#endif
