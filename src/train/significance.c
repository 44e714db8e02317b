#include "train/significance.h"

#include <math.h>

double thaw_mcnemar_exact(size_t only_first, size_t only_second)
{
    const size_t all = only_first + only_second, fewer = only_first < only_second ? only_first : only_second;
    double sum = 0.0;
    for (size_t i = 0; i <= fewer; i++) /* binomial coefficients times 2^-all, in logarithms */
        sum += exp(lgamma((double)all + 1) - lgamma((double)i + 1) - lgamma((double)(all - i) + 1) -
                   (double)all * log(2.0));
    return fmin(1.0, 2.0 * sum);
}

thaw_paired_test thaw_paired_test_of(const bool *first_right, const bool *second_right, size_t count)
{
    thaw_paired_test test = {0};
    for (size_t i = 0; i < count; i++) {
        test.only_first += first_right[i] && !second_right[i];
        test.only_second += second_right[i] && !first_right[i];
    }
    test.p = thaw_mcnemar_exact(test.only_first, test.only_second);
    return test;
}

size_t thaw_mcnemar_least(double level)
{
    size_t images = 1;
    while (thaw_mcnemar_exact(0, images) >= level)
        images++;
    return images;
}
