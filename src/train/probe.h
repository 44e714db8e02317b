/* The probe: multinomial logistic regression on standardised features. */
#ifndef THAW_TRAIN_PROBE_H
#define THAW_TRAIN_PROBE_H

#include "train/training.h"

/* THAW_ERR_USAGE if the options ask for something that a probe can't do. */
THAW_MUST_CHECK thaw_status thaw_probe_check(thaw_context *context, const thaw_finetune_options *options);
/* Once rows are prepared: is the head a linear one, and are all its features in memory? */
bool thaw_probe_is_possible(const thaw_training *training);
/* Once rows are prepared: chooses the L2 penalty's strength, fits, and puts the head, with the standardisation folded
 * into it, into the model. result gets probe and one epoch. right[i], where it is not NULL: is image i of the
 * dataset, if it is held out, classified right? THAW_ERR_UNSUPPORTED where features are not in memory.
 * THAW_ERR_INTERRUPTED. */
THAW_MUST_CHECK thaw_status thaw_probe_run(thaw_training *training, thaw_finetune_result *result, bool *right);

#endif
