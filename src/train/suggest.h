/* Which learning rate a curve of losses speaks for. */
#ifndef THAW_TRAIN_SUGGEST_H
#define THAW_TRAIN_SUGGEST_H

#include <thaw/train.h>

/* Sets result->valley and result->steepest from its points, as fastai's `valley` and `steep` do; NaN where fewer than
 * two points are left to look at. */
THAW_MUST_CHECK thaw_status thaw_suggest(thaw_context *context, thaw_lr_find_result *result);

#endif
