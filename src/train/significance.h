/* Is one classifier better than another, or was it luck? */
#ifndef THAW_TRAIN_SIGNIFICANCE_H
#define THAW_TRAIN_SIGNIFICANCE_H

#include <stdbool.h>
#include <stddef.h>

/* Two classifiers on the same images. */
typedef struct thaw_paired_test {
    size_t only_first, only_second; /* images that only the one had right */
    double p;                       /* McNemar's exact test, two-sided: how probable so uneven a split or a more uneven
                                     * one is, if both are equally good; 1 where they never disagree */
} thaw_paired_test;

thaw_paired_test thaw_paired_test_of(const bool *first_right, const bool *second_right, size_t count);
/* Of the counts alone. */
double thaw_mcnemar_exact(size_t only_first, size_t only_second);
/* How many images only the better one must have right, and none the other, so that p is below `level`. */
size_t thaw_mcnemar_least(double level);

#endif
