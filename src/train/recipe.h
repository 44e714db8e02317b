/* The default recipe: a probe, then fine-tuning from its head, kept if it is better beyond chance. */
#ifndef THAW_TRAIN_RECIPE_H
#define THAW_TRAIN_RECIPE_H

#include "train/training.h"

enum {
    THAW_RECIPE_UNTIMED_STEPS = 2, /* of a way to fine-tune: kernels are compiled and images fetched ahead */
    THAW_RECIPE_TIMED_STEPS = 3,
    THAW_RECIPE_TRIED_STEPS = THAW_RECIPE_UNTIMED_STEPS + THAW_RECIPE_TIMED_STEPS
};

/* Seconds that it may take. */
double thaw_recipe_budget(const thaw_finetune_options *options);
/* All of it, for a training that has been given model, device, dataset and options, and nothing else yet. */
THAW_MUST_CHECK thaw_status thaw_recipe_run(thaw_training *training, thaw_finetune_result *result);

#endif
