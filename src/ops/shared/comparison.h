/* Questions about two tensors, element by element, with NumPy's broadcasting: answered on the host, for shapes. */
#ifndef THAW_OPS_SHARED_COMPARISON_H
#define THAW_OPS_SHARED_COMPARISON_H

#include "ops/op.h"

typedef enum thaw_comparison {
    THAW_EQUAL,
    THAW_LESS,
    THAW_LESS_OR_EQUAL,
    THAW_GREATER,
    THAW_GREATER_OR_EQUAL,
    THAW_AND, /* these three of bool */
    THAW_OR,
    THAW_XOR
} thaw_comparison;

THAW_MUST_CHECK thaw_status thaw_comparison_attributes(thaw_node *node, thaw_comparison comparison);
THAW_MUST_CHECK thaw_status thaw_comparison_infer(thaw_node *node);
/* NaN equals nothing, and is neither less nor greater than anything. */
THAW_MUST_CHECK thaw_status thaw_comparison_fold(thaw_node *node);

#endif
