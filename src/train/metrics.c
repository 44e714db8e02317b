#include "train/metrics.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void thaw_wilson_interval(size_t hits, size_t count, double *low, double *high)
{
    const double z = 1.959963984540054; /* 97.5 % quantile of the normal distribution */
    const double n = (double)count;
    if (!count) {
        *low = 0.0;
        *high = 1.0;
        return;
    }
    const double p = (double)hits / n;
    const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = hits ? fmax(centre - half, 0.0) : 0.0;
    *high = hits < count ? fmin(centre + half, 1.0) : 1.0;
}

static size_t row_sum(const size_t *confusion, size_t classes, size_t row)
{
    size_t sum = 0;
    for (size_t i = 0; i < classes; i++)
        sum += confusion[row * classes + i];
    return sum;
}

static size_t column_sum(const size_t *confusion, size_t classes, size_t column)
{
    size_t sum = 0;
    for (size_t i = 0; i < classes; i++)
        sum += confusion[i * classes + column];
    return sum;
}

double thaw_macro_f1(const size_t *confusion, size_t classes)
{
    double sum = 0.0;
    size_t counted = 0;
    for (size_t k = 0; k < classes; k++) {
        const size_t both = row_sum(confusion, classes, k) + column_sum(confusion, classes, k);
        if (!both)
            continue;
        sum += 2.0 * (double)confusion[k * classes + k] / (double)both;
        counted++;
    }
    return counted ? sum / (double)counted : NAN;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { RESAMPLES = 1000 };

thaw_status thaw_macro_f1_interval(thaw_context *context, const int32_t *truth, const int32_t *predicted, size_t count,
                                   size_t classes, double *low, double *high)
{
    size_t *confusion;
    double scores[RESAMPLES];
    *low = 0.0;
    *high = 1.0;
    if (!count)
        return THAW_OK;
    int64_t cells;
    if (!thaw_multiply((int64_t)classes, (int64_t)classes, &cells))
        return thaw_fail(context, THAW_ERR_SIZE, "%zu classes are too many", classes);
    THAW_TRY(thaw_allocate(context, (size_t)cells, sizeof *confusion, &confusion));
    thaw_random random = {1};
    for (size_t i = 0; i < RESAMPLES; i++) {
        memset(confusion, 0, (size_t)cells * sizeof *confusion);
        for (size_t j = 0; j < count; j++) {
            const size_t pick = (size_t)thaw_random_below(&random, count);
            confusion[(size_t)truth[pick] * classes + (size_t)predicted[pick]]++;
        }
        scores[i] = thaw_macro_f1(confusion, classes);
    }
    free(confusion);
    qsort(scores, RESAMPLES, sizeof scores[0], compare_doubles);
    *low = scores[RESAMPLES * 25 / 1000];
    *high = scores[RESAMPLES * 975 / 1000 - 1];
    return THAW_OK;
}

void thaw_class_scores(const size_t *confusion, size_t classes, thaw_class_score *scores)
{
    for (size_t k = 0; k < classes; k++) {
        const size_t truth = row_sum(confusion, classes, k), predicted = column_sum(confusion, classes, k);
        const double hits = (double)confusion[k * classes + k];
        scores[k] =
            (thaw_class_score){truth, truth ? hits / (double)truth : NAN, predicted ? hits / (double)predicted : NAN};
    }
}
