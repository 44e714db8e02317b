/* The run: epoch after epoch, the best one kept, checkpoints written and read. */
#ifndef THAW_TRAIN_EPOCHS_H
#define THAW_TRAIN_EPOCHS_H

#include "train/trainer.h"

/* As many as there are where nobody says how many. */
int32_t thaw_epochs_enough(size_t steps_per_epoch);

/* Runs all epochs. A head that is kept is validated before the first step, and is the best as long as no epoch is
 * better. Afterwards best[i] (of trainer->parameters.items[i], made here, released by the caller) holds the best one;
 * result has epochs, best_epoch, best_validation_top1, start_validation_top1, steps and resumed_step. `identity` tells
 * models apart in checkpoints. THAW_ERR_DIVERGED. An interruption ends it early with THAW_OK and result->interrupted,
 * if one epoch was done; THAW_ERR_INTERRUPTED otherwise. */
THAW_MUST_CHECK thaw_status thaw_epochs_run(thaw_trainer *trainer, const char *identity, thaw_finetune_result *result,
                                            thaw_tensor **best);

#endif
