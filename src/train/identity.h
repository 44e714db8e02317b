/* What a checkpoint says about the run that it belongs to. */
#ifndef THAW_TRAIN_IDENTITY_H
#define THAW_TRAIN_IDENTITY_H

#include "base/hash.h"
#include "train/checkpoint.h"
#include "train/training.h"

/* One hash over the model as it is before training: nodes, weights, what is trained. */
thaw_hash thaw_identity_of_model(const thaw_graph *graph);
/* Notes on model (its hash as text), data, options and device: all that the result depends on. */
THAW_MUST_CHECK thaw_status thaw_identity_note(const thaw_training *training, const char *model, int32_t epochs,
                                               thaw_checkpoint *checkpoint);

#endif
