/* Softmax cross-entropy on the device. */
#ifndef THAW_TRAIN_LOSS_H
#define THAW_TRAIN_LOSS_H

#include "base/context.h"
#include "device/kernel.h"

typedef struct thaw_loss thaw_loss;

typedef struct thaw_loss_sums {
    double loss; /* of unweighted losses */
    size_t correct, count;
} thaw_loss_sums;

/* For batches of up to `batch` rows of `classes` logits. */
THAW_MUST_CHECK thaw_status thaw_loss_create(thaw_device *device, size_t batch, size_t classes, double label_smoothing,
                                             thaw_loss **loss);
/* The label and weight of a row of the coming batch. */
void thaw_loss_set_row(thaw_loss *loss, size_t row, int32_t label, float weight);
/* Computes the losses of all rows set, adds the first `count` to `sums`, and fills the gradient of the mean weighted
 * loss (sum of weight * loss over the sum of weights, as PyTorch has it) unless `gradient` is NULL. Waits for the
 * device. */
THAW_MUST_CHECK thaw_status thaw_loss_run(thaw_loss *loss, const thaw_buffer *logits, thaw_buffer *gradient,
                                          size_t count, thaw_loss_sums *sums);
/* Was the row classified right, in the last run? */
bool thaw_loss_row_right(const thaw_loss *loss, size_t row);
void thaw_loss_destroy(thaw_loss **loss);

#endif
