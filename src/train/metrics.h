/* What is said of a classifier, and how sure one can be. */
#ifndef THAW_TRAIN_METRICS_H
#define THAW_TRAIN_METRICS_H

#include <thaw/train.h>

/* The 95 % interval of a share of `hits` in `count` (Wilson 1927). 0 to 1 for a count of 0. */
void thaw_wilson_interval(size_t hits, size_t count, double *low, double *high);

/* Macro-F1: the unweighted mean of the classes' F1 = 2 tp / (2 tp + fp + fn), where classes that neither occur nor are
 * predicted don't count; NaN without images. [low, high] is its 95 % interval by the percentile bootstrap: 1000 seeded
 * resamples of the images. */
THAW_MUST_CHECK thaw_status thaw_macro_f1(thaw_context *context, const int32_t *truth, const int32_t *predicted,
                                          size_t count, size_t classes, double *f1, double *low, double *high);

/* Fills recall, precision and count of every class. */
void thaw_class_scores(const size_t *confusion, size_t classes, thaw_class_score *scores);

#endif
