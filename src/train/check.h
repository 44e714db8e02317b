/* The parts of thaw_check(). */
#ifndef THAW_TRAIN_CHECK_H
#define THAW_TRAIN_CHECK_H

#include <thaw/check.h>
#include "data/duplicates.h"
#include "train/neighbours.h"

typedef struct thaw_checking {
    thaw_context *context;
    const thaw_dataset *dataset;
    const thaw_check_options *options;
    thaw_check_report *report;
    thaw_picture_facts *facts; /* [count] */
    thaw_like *likes;          /* [count] */
    size_t *group;             /* [count]: likes[i].group */
    size_t finding_capacity;
} thaw_checking;

/* Takes image, kind and what else is known; fills in the size. */
THAW_MUST_CHECK thaw_status thaw_check_add(thaw_checking *checking, thaw_finding finding);

/* Groups of duplicates, from `likes`. */
THAW_MUST_CHECK thaw_status thaw_check_groups(thaw_checking *checking);
/* Labels that the neighbours doubt. */
THAW_MUST_CHECK thaw_status thaw_check_labels(thaw_checking *checking, const thaw_feature_space *space);
/* Images that look more like their class when turned. */
THAW_MUST_CHECK thaw_status thaw_check_turned(thaw_checking *checking, const thaw_feature_space *space);

/* Says in the log if images for training and for validation are the same files: count and the first pair. Only files
 * of equal size are read. */
THAW_MUST_CHECK thaw_status thaw_check_warn_of_leaks(thaw_context *context, const thaw_dataset *dataset);

#endif
