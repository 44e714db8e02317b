/* Single steps: a batch through the trained part, its loss, gradients, new weights. */
#ifndef THAW_TRAIN_TRAINER_H
#define THAW_TRAIN_TRAINER_H

#include "base/random.h"
#include "train/average.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/training.h"

enum { THAW_PART_TRAIN, THAW_PART_HELD_OUT };

typedef struct thaw_trainer {
    const thaw_training *training;
    thaw_program *program; /* from the cut to the logits */
    thaw_parameters parameters;
    thaw_loss *loss;
    thaw_optimizer *optimizer;
    thaw_average *average; /* NULL: none is kept */
    size_t batch;
    size_t *order[2]; /* rows: for training, as they are to come in this epoch; held out */
    size_t count[2];
    size_t epoch_rows; /* of the rows for training, how many an epoch uses */
    size_t position;   /* of these, how many are done */
    size_t steps_per_epoch;
    uint64_t batches;        /* forward passes of training so far */
    thaw_random random;      /* of the epochs' orders */
    thaw_random epoch_start; /* what it was before this epoch's: all that is needed to have that again */
} thaw_trainer;

/* *trainer is {0} or freed by thaw_trainer_close(); the training must outlive it. THAW_ERR_UNSUPPORTED if an operator
 * can't be trained through. */
THAW_MUST_CHECK thaw_status thaw_trainer_open(thaw_trainer *trainer, const thaw_training *training);
void thaw_trainer_close(thaw_trainer *trainer);

/* Shuffles the rows for training and goes to number `position` of them. */
THAW_MUST_CHECK thaw_status thaw_trainer_begin_epoch(thaw_trainer *trainer, size_t position);
/* One step, of as many batches as are to be accumulated, or of what the epoch has left. THAW_ERR_DIVERGED, naming the
 * first tensor that went bad. */
THAW_MUST_CHECK thaw_status thaw_trainer_step(thaw_trainer *trainer, double learning_rate, thaw_loss_sums *sums);
/* Steps that change no weight (but running statistics), from the epoch's beginning: the mean time of the last `timed`.
 */
THAW_MUST_CHECK thaw_status thaw_trainer_time(thaw_trainer *trainer, int untimed, int timed, double *seconds);
/* The held-out rows, with the averaged weights where there are some; ends the epoch's run through its rows.
 * THAW_ERR_DIVERGED as above. */
THAW_MUST_CHECK thaw_status thaw_trainer_validate(thaw_trainer *trainer, thaw_loss_sums *sums);
/* The same with the weights as they are; right[row], where it is not NULL: is that
 * held-out row classified right? */
THAW_MUST_CHECK thaw_status thaw_trainer_judge(thaw_trainer *trainer, thaw_loss_sums *sums, bool *right);
/* Are all constants that the device trained with, and that are frozen, what they were? */
THAW_MUST_CHECK thaw_status thaw_trainer_check_frozen(const thaw_trainer *trainer, bool *unchanged);

#endif
