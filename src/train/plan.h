/* Tells what is going to be trained. */
#ifndef THAW_TRAIN_PLAN_H
#define THAW_TRAIN_PLAN_H

#include "train/training.h"

/* Calls options->on_plan, once the model is prepared. */
THAW_MUST_CHECK thaw_status thaw_plan_tell(const thaw_training *training);

#endif
