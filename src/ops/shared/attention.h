/* Attention in one pass: softmax(scale * q k + bias) v, for every matrix of a stack. */
#ifndef THAW_OPS_SHARED_ATTENTION_H
#define THAW_OPS_SHARED_ATTENTION_H

#include "ops/op.h"

/* The state. Inputs: q [.., rows, depth], k [.., depth, keys], v [.., keys, width] and maybe a constant bias [period,
 * rows, keys], which matrix i reads at i % period. */
typedef struct thaw_attention {
    float scale;
    int64_t stack, rows, depth, keys, width, period; /* period 0: no bias */
    thaw_kernel *kernel;
} thaw_attention;

/* Whether the kernel takes such sizes on a device with vectors of `block` floats. */
bool thaw_attention_fits(const thaw_attention *attention, int32_t block);

extern const thaw_op thaw_op_attention;

#endif
