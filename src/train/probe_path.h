/* How strong the L2 penalty should be: stratified cross-validation over a path of strengths. */
#ifndef THAW_TRAIN_PROBE_PATH_H
#define THAW_TRAIN_PROBE_PATH_H

#include <thaw/train.h>
#include "train/probe_solver.h"

typedef struct thaw_probe_path_options {
    const float *weights; /* [count]: of the rows, in training and when held out */
    size_t count;         /* rows that take part, the first ones of the objective */
    uint64_t seed;        /* of the folds */
    const thaw_job *job;
} thaw_probe_path_options;

/* Folds that are fitted side by side, so that a row that was read serves them all; as many as host and device have
 * room for. */
size_t thaw_probe_path_slots(const thaw_probe_rows *rows);
/* The folds are five; of many images, the first ones that hold 2000 of them. Fills probe->folds, path, strength,
 * cv_count and cv_top1 with its interval. Where each class has but one image there are no folds, and the strength is a
 * fixed one. */
THAW_MUST_CHECK thaw_status thaw_probe_path_choose(thaw_probe_solver *solver, const thaw_probe_path_options *options,
                                                   thaw_probe_result *probe);

#endif
