/* Which images are held out together in a cross-validation. */
#ifndef THAW_TRAIN_FOLDS_H
#define THAW_TRAIN_FOLDS_H

#include <stdint.h>
#include <thaw/status.h>

/* Never held out: the only image of its class. */
#define THAW_FOLD_NONE (-1)

/* Deals `count` images, labels below `classes`, into folds as equal as can be, in the whole and within each class, in
 * an order drawn from `seed`: every class with two images or more has some outside each fold. fold[i] is that of image
 * i, or THAW_FOLD_NONE. *folds is `wanted`, or less where no class has so many images; 0 where all have only one. */
THAW_MUST_CHECK thaw_status thaw_folds_deal(thaw_context *context, const int32_t *labels, size_t count, size_t classes,
                                            size_t wanted, uint64_t seed, int32_t *fold, size_t *folds);

#endif
