/* Training by gradient descent, from the first step to weights for the model. */
#ifndef THAW_TRAIN_DESCENT_H
#define THAW_TRAIN_DESCENT_H

#include "train/trainer.h"

typedef struct thaw_descent {
    thaw_trainer trainer;
    thaw_tensor **best; /* [trainer.parameters.count], once it has run */
} thaw_descent;

/* *descent is {0} or freed by thaw_descent_close(); the training, with rows prepared, must outlive it. */
THAW_MUST_CHECK thaw_status thaw_descent_open(thaw_descent *descent, const thaw_training *training);
void thaw_descent_close(thaw_descent *descent);
/* Runs the epochs; the model stays as it is. result gets what thaw_epochs_run() gives, and frozen_unchanged as far as
 * the device can tell. */
THAW_MUST_CHECK thaw_status thaw_descent_run(thaw_descent *descent, thaw_finetune_result *result);
/* The best parameters and statistics become the model's. */
void thaw_descent_install(thaw_descent *descent);

#endif
