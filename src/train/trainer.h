/* Trains the part of a model behind the cut on a table of features. */
#ifndef THAW_TRAIN_TRAINER_H
#define THAW_TRAIN_TRAINER_H

#include "train/feature_table.h"

/* What is trained on: row i of the table has labels[i] and, in training, weights[i]. */
typedef struct thaw_training_set {
    const thaw_feature_table *features;
    const int32_t *labels;  /* [count] */
    const float *weights;   /* [count] */
    const bool *validation; /* [count]: held out */
    size_t class_count;
} thaw_training_set;

/* Trains the trainable values of `graph`, a model's graph whose value `cut` the features stand for and whose value
 * `logits` goes into the loss. Afterwards parameters[i] (one per trainable value in the graph's order, made here,
 * released by the caller) holds the best epoch. The epochs go into result->epochs, with best_epoch and
 * best_validation_top1. THAW_ERR_DIVERGED. An interruption ends it early with THAW_OK and result->interrupted, if one
 * epoch was done; THAW_ERR_INTERRUPTED otherwise. */
THAW_MUST_CHECK thaw_status thaw_train(const thaw_graph *graph, thaw_device *device, const char *cut,
                                       const char *logits, const thaw_training_set *set,
                                       const thaw_finetune_options *options, thaw_finetune_result *result,
                                       thaw_tensor **parameters);

#endif
