#include "train/metrics.h"
#include "base/context.h"
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

/* Counts of one class: images of it, predictions of it, both at once. */
typedef struct tally {
    size_t truth, predicted, hits;
} tally;

static double mean_f1(const tally *tallies, size_t classes)
{
    double sum = 0.0;
    size_t counted = 0;
    for (size_t k = 0; k < classes; k++) {
        const size_t both = tallies[k].truth + tallies[k].predicted;
        if (!both)
            continue;
        sum += 2.0 * (double)tallies[k].hits / (double)both;
        counted++;
    }
    return counted ? sum / (double)counted : NAN;
}

static void count_image(tally *tallies, int32_t truth, int32_t predicted)
{
    tallies[truth].truth++;
    tallies[predicted].predicted++;
    tallies[truth].hits += truth == predicted;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { RESAMPLES = 1000 };

thaw_status thaw_macro_f1(thaw_context *context, const int32_t *truth, const int32_t *predicted, size_t count,
                          size_t classes, double *f1, double *low, double *high)
{
    tally *tallies;
    double scores[RESAMPLES];
    THAW_TRY(thaw_allocate(context, classes, sizeof *tallies, &tallies));
    for (size_t i = 0; i < count; i++)
        count_image(tallies, truth[i], predicted[i]);
    *f1 = mean_f1(tallies, classes);
    thaw_random random = {1};
    for (size_t i = 0; i < RESAMPLES && count; i++) {
        memset(tallies, 0, classes * sizeof *tallies);
        for (size_t j = 0; j < count; j++) {
            const size_t pick = (size_t)thaw_random_below(&random, count);
            count_image(tallies, truth[pick], predicted[pick]);
        }
        scores[i] = mean_f1(tallies, classes);
    }
    free(tallies);
    if (count)
        qsort(scores, RESAMPLES, sizeof scores[0], compare_doubles);
    *low = count ? scores[RESAMPLES * 25 / 1000] : 0.0;
    *high = count ? scores[RESAMPLES * 975 / 1000 - 1] : 1.0;
    return THAW_OK;
}

void thaw_class_scores(const size_t *confusion, size_t classes, thaw_class_score *scores)
{
    for (size_t k = 0; k < classes; k++) {
        size_t truth = 0, predicted = 0;
        for (size_t i = 0; i < classes; i++) {
            truth += confusion[k * classes + i];
            predicted += confusion[i * classes + k];
        }
        const double hits = (double)confusion[k * classes + k];
        scores[k] =
            (thaw_class_score){truth, truth ? hits / (double)truth : NAN, predicted ? hits / (double)predicted : NAN};
    }
}
