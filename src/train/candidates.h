/* What the default recipe may try after its probe, from what is likely to be best to what is cheapest. */
#ifndef THAW_TRAIN_CANDIDATES_H
#define THAW_TRAIN_CANDIDATES_H

#include <thaw/train.h>

enum { THAW_MOST_CANDIDATES = 3 };

/* A way to fine-tune. */
typedef struct thaw_candidate {
    thaw_freeze_options freeze;
    thaw_augment_kind augment;
    int32_t least_steps; /* fewer are not taken, unless that is all that is wanted */
} thaw_candidate;

/* Stages with weights below the head. */
THAW_MUST_CHECK thaw_status thaw_candidates_stages(const thaw_model *model, const thaw_preprocess *preprocess,
                                                   int32_t *stages);
/* For so many training images and `stages` > 0; what `wish` asks for, where it asks for anything. Their number. */
size_t thaw_candidates_list(const thaw_freeze_options *wish, size_t train_count, int32_t stages,
                            thaw_candidate list[THAW_MOST_CANDIDATES]);
/* The options of fine-tuning that way, from those that the probe before it had. */
thaw_finetune_options thaw_candidate_options(const thaw_candidate *candidate, const thaw_finetune_options *of_probe);
/* Epochs that the time that is left allows; 0: too few. */
int32_t thaw_candidate_epochs(const thaw_candidate *candidate, double seconds_left, double step_seconds,
                              size_t steps_per_epoch);

#endif
