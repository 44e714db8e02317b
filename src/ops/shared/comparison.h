/* Questions about two tensors, element by element, with NumPy's broadcasting. Answers on the device are masks: float32,
 * 1 or 0. */
#ifndef THAW_OPS_SHARED_COMPARISON_H
#define THAW_OPS_SHARED_COMPARISON_H

#include "ops/shared/binary.h"

/* In the order of cl/binary.cl. */
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

/* The state. */
typedef struct thaw_question {
    thaw_comparison comparison;
    thaw_binary binary;
} thaw_question;

THAW_MUST_CHECK thaw_status thaw_comparison_attributes(thaw_node *node, thaw_comparison comparison);
THAW_MUST_CHECK thaw_status thaw_comparison_infer(thaw_node *node);
/* NaN equals nothing, and is neither less nor greater than anything. */
THAW_MUST_CHECK thaw_status thaw_comparison_fold(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_comparison_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_comparison_forward(thaw_node *node);
/* An answer does not change with its operands: nothing to add. */
THAW_MUST_CHECK thaw_status thaw_comparison_backward(thaw_node *node);

#endif
