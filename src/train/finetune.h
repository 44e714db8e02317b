/* What the recipes of fine-tuning have in common. */
#ifndef THAW_TRAIN_FINETUNE_H
#define THAW_TRAIN_FINETUNE_H

#include "base/hash.h"
#include "train/training.h"

/* Model, frozen part and rows made ready; facts into result. *frozen says what must not change. */
THAW_MUST_CHECK thaw_status thaw_finetune_prepare(thaw_training *training, thaw_finetune_result *result,
                                                  thaw_hash *frozen);
/* The recipe finetune, of a training that is prepared. */
THAW_MUST_CHECK thaw_status thaw_finetune_descend(thaw_training *training, thaw_hash frozen,
                                                  thaw_finetune_result *result);
/* Classes and preprocessing into the model's metadata. */
THAW_MUST_CHECK thaw_status thaw_finetune_describe(const thaw_training *training);
/* THAW_ERR_CHECK, and result->frozen_unchanged false, if the model's frozen part is not what `frozen` says any more. */
THAW_MUST_CHECK thaw_status thaw_finetune_check_frozen(const thaw_training *training, thaw_hash frozen,
                                                       thaw_finetune_result *result);

#endif
