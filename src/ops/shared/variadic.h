/* Arithmetic on any number of tensors, element by element, with NumPy's broadcasting. */
#ifndef THAW_OPS_SHARED_VARIADIC_H
#define THAW_OPS_SHARED_VARIADIC_H

#include "ops/shared/binary.h"

/* The state: the first two inputs combined, then what there is with each other one in its turn. Two inputs that are
 * only combined are an operator on two tensors. */
typedef struct thaw_variadic {
    thaw_binary first;     /* first: what thaw_binary_*() look at */
    thaw_binary *rest;     /* [input_count], from 2 on */
    thaw_terms *gradients; /* [input_count] */
    bool mean;             /* the sum is divided by input_count */
} thaw_variadic;

THAW_MUST_CHECK thaw_status thaw_variadic_attributes(thaw_node *node, thaw_arithmetic arithmetic, bool mean);
THAW_MUST_CHECK thaw_status thaw_variadic_infer(thaw_node *node);
int32_t thaw_variadic_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_variadic_fold(thaw_node *node);
/* THAW_ERR_UNSUPPORTED for the gradient of a minimum or maximum of more than two. */
THAW_MUST_CHECK thaw_status thaw_variadic_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_variadic_forward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_variadic_backward(thaw_node *node);
void thaw_variadic_release(thaw_node *node);

#endif
