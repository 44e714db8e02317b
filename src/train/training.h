/* What fine-tuning and the search for a learning rate have in common: a model with a new head and its frozen part, and
 * the images' way to the cut. */
#ifndef THAW_TRAIN_TRAINING_H
#define THAW_TRAIN_TRAINING_H

#include "train/cut.h"
#include "train/rows.h"
#include "train/standardise.h"

typedef struct thaw_training {
    thaw_context *context;
    thaw_model *model;
    thaw_device *device;
    const thaw_dataset *dataset;
    const thaw_finetune_options *options;
    thaw_cut cut;
    thaw_rows *rows;
    thaw_standardisation standardisation; /* width 0: features stay as they are */
    const char **paths;                   /* [images] */
    int32_t *labels;                      /* [rows] */
    float *weights;                       /* [rows], in training */
    bool *validation;                     /* [rows]: held out */
    size_t *class_count;                  /* [classes]: training images */
    bool head_kept;                       /* the model's own is trained on */
    bool keeps_last; /* epoch, not the best: held-out images then say without bias how good it is */
    double deadline; /* on thaw_clock_seconds(): training ends in time for validation by then; 0: none */
    size_t classes, train_count, validation_count, bad_count;
} thaw_training;

/* Puts the head, unless the model has one for the same classes already, and the flags into the model. */
THAW_MUST_CHECK thaw_status thaw_training_prepare_model(thaw_training *training);
/* Reads the images, runs the frozen part over them where its output fits into memory, labels and weighs the rows. */
THAW_MUST_CHECK thaw_status thaw_training_prepare_rows(thaw_training *training);
/* The last of that: the features of a linear head are standardised, where they are kept. */
THAW_MUST_CHECK thaw_status thaw_training_standardise(thaw_training *training);
void thaw_training_close(thaw_training *training);

/* The node that makes the logits if it is all that is trained and reads the cut, a list of features, itself; else NULL:
 * only then standardised features can be folded into it. */
const thaw_node *thaw_training_linear_head(const thaw_training *training);

#endif
