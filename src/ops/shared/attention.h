/* Attention in one pass: softmax(scale * q k + bias) v, for every matrix of a stack. */
#ifndef THAW_OPS_SHARED_ATTENTION_H
#define THAW_OPS_SHARED_ATTENTION_H

#include "ops/op.h"

/* Where the matrices of an operand lie in its value, in elements: where the first begins, and how far it is from group
 * to group, within a group, from row to row and from column to column. */
typedef struct thaw_attention_place {
    int64_t offset, outer, inner, row, column;
} thaw_attention_place;

/* The state. Inputs: values that hold q [rows, depth], k [depth, keys] and v [keys, width] for each matrix of a stack,
 * and maybe a constant bias [period, rows, keys], which matrix i reads at i % period. The stack is one of groups of
 * `inner` matrices. Columns of q, v and y lie side by side. */
typedef struct thaw_attention {
    float scale;
    int64_t stack, inner, rows, depth, keys, width, period; /* period 0: no bias */
    thaw_attention_place q, k, v, y;
    thaw_shape shape; /* of the output */
    thaw_kernel *kernel;
} thaw_attention;

/* Whether the kernel takes such sizes on a device with vectors of `block` floats. */
bool thaw_attention_fits(const thaw_attention *attention, int32_t block);

extern const thaw_op thaw_op_attention;

#endif
