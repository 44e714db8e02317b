/* Operators that take the mean off each row of a tensor, divide by its deviation, and then scale and shift elements. */
#ifndef THAW_OPS_SHARED_NORMALIZATION_H
#define THAW_OPS_SHARED_NORMALIZATION_H

#include "ops/op.h"

/* The state: the input as [rows, length]; elements of a row share a scale and a shift by `inner` neighbours, and rows
 * do with every `groups`-th one. */
typedef struct thaw_normalization {
    int64_t rows, length, inner, groups;
    float epsilon;
    thaw_kernel *kernel, *backward, *parameters;
} thaw_normalization;

/* Makes the state. */
THAW_MUST_CHECK thaw_status thaw_normalization_create(thaw_node *node);
/* With rows, length, inner and groups set: checks scale (input 1) and shift (input 2, if there is one), and sets
 * output 0. */
THAW_MUST_CHECK thaw_status thaw_normalization_infer(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_normalization_prepare(thaw_node *node);
/* Outputs 1 and 2, where they are asked for, get each row's mean and 1 / deviation. */
THAW_MUST_CHECK thaw_status thaw_normalization_forward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_normalization_backward(thaw_node *node);

#endif
