/* Turns gradients on the device into new weights. */
#ifndef THAW_TRAIN_OPTIMIZER_H
#define THAW_TRAIN_OPTIMIZER_H

#include <thaw/train.h>
#include "model/program.h"

typedef struct thaw_optimizer thaw_optimizer;

typedef struct thaw_optimizer_options {
    thaw_optimizer_kind kind;
    double momentum;     /* SGD; Adam's betas are 0.9 and 0.999, its epsilon 1e-8 */
    double weight_decay; /* on weights of rank 2 and more: not on biases and norms */
} thaw_optimizer_options;

/* For every trainable value of the program, which must outlive it. State starts at zero. */
THAW_MUST_CHECK thaw_status thaw_optimizer_create(thaw_program *program, const thaw_optimizer_options *options,
                                                  thaw_optimizer **optimizer);
/* Queues one update of every parameter from its gradient. */
THAW_MUST_CHECK thaw_status thaw_optimizer_step(thaw_optimizer *optimizer, double learning_rate);
void thaw_optimizer_destroy(thaw_optimizer **optimizer);

#endif
