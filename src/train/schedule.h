/* How the learning rate goes over the steps of a run. */
#ifndef THAW_TRAIN_SCHEDULE_H
#define THAW_TRAIN_SCHEDULE_H

#include <thaw/train.h>

/* The rate at `step` (from 0) of `steps`, for a base rate of 1. Linear warm-up from 0 over the first `warmup` steps,
 * then constant   1 cosine     half a cosine from 1 to 0 one-cycle  rises from 1/25 to 1 in the first quarter, falls to
 * 1e-5 by half cosines (Smith 2018, as fastai has it) step       a tenth after each third of the run */
double thaw_schedule_rate(thaw_schedule_kind kind, size_t step, size_t steps, size_t warmup);

#endif
