/* Operators that are one move from input 0 to output 0 which may read an element more than once. */
#ifndef THAW_OPS_SHARED_REPEAT_H
#define THAW_OPS_SHARED_REPEAT_H

#include "ops/shared/movement.h"
#include "ops/shared/terms.h"

/* The state. */
typedef struct thaw_repeat {
    thaw_move_state move; /* first: what thaw_move_forward() and thaw_move_fold() look at */
    thaw_terms backward;
} thaw_repeat;

THAW_MUST_CHECK thaw_status thaw_repeat_attributes(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_repeat_prepare(thaw_node *node);
/* The gradient of an element is the sum over its copies. */
THAW_MUST_CHECK thaw_status thaw_repeat_backward(thaw_node *node);
void thaw_repeat_release(thaw_node *node);

#endif
