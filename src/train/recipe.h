/* The default recipe: a probe, then fine-tuning from its head, kept if it is better beyond chance. */
#ifndef THAW_TRAIN_RECIPE_H
#define THAW_TRAIN_RECIPE_H

#include "train/training.h"

/* All of it, for a training that has been given model, device, dataset and options, and nothing else yet. */
THAW_MUST_CHECK thaw_status thaw_recipe_run(thaw_training *training, thaw_finetune_result *result);

#endif
