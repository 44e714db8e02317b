/* Turns gradients on the device into new weights. */
#ifndef THAW_TRAIN_OPTIMIZER_H
#define THAW_TRAIN_OPTIMIZER_H

#include <thaw/train.h>
#include "train/parameters.h"

typedef struct thaw_optimizer thaw_optimizer;

typedef struct thaw_optimizer_options {
    thaw_optimizer_kind kind;
    double momentum; /* SGD; Adam's betas are 0.9 and 0.999, its epsilon 1e-8 */
    bool nesterov;
    double weight_decay; /* on parameters that decay */
    double clip_norm;    /* the largest norm of all gradients together; 0: not limited */
    bool accumulates;    /* gradients come by thaw_optimizer_add() */
} thaw_optimizer_options;

/* For those of the parameters that are trainable; they must outlive it. State starts at zero. */
THAW_MUST_CHECK thaw_status thaw_optimizer_create(thaw_device *device, const thaw_parameters *parameters,
                                                  const thaw_optimizer_options *options, thaw_optimizer **optimizer);
/* Queues: adds weight times the gradients to those of the coming step. */
THAW_MUST_CHECK thaw_status thaw_optimizer_add(thaw_optimizer *optimizer, double weight);
/* Queues one update of every parameter: from its gradient, or from the mean of what was added, by weight. */
THAW_MUST_CHECK thaw_status thaw_optimizer_step(thaw_optimizer *optimizer, double learning_rate);
void thaw_optimizer_destroy(thaw_optimizer **optimizer);

/* What a checkpoint keeps: how many steps were made, and buffer `which` (from 0; NULL: no more) for parameter `index`,
 * of its size; NULL where it is not trainable. */
uint64_t thaw_optimizer_steps(const thaw_optimizer *optimizer);
void thaw_optimizer_set_steps(thaw_optimizer *optimizer, uint64_t steps);
thaw_buffer *thaw_optimizer_state(const thaw_optimizer *optimizer, size_t index, int which);

#endif
