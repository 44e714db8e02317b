/* From a model's output to class probabilities. */
#ifndef THAW_TRAIN_PROBABILITIES_H
#define THAW_TRAIN_PROBABILITIES_H

#include "model/model.h"
#include "train/feature_table.h"

/* Runs the whole model: table->rows become probabilities [count][classes], by a softmax of our own unless the model
 * ends in one. THAW_ERR_SHAPE if the output is no list of classes, or does not have as many as the model has names. */
THAW_MUST_CHECK thaw_status thaw_probabilities(thaw_model *model, thaw_device *device, const char *const *paths,
                                               size_t count, const thaw_preprocess *preprocess, const thaw_job *job,
                                               const char *phase, thaw_feature_table *table, size_t *bad_count);

#endif
