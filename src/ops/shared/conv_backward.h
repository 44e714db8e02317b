/* The gradients of a convolution. */
#ifndef THAW_OPS_SHARED_CONV_BACKWARD_H
#define THAW_OPS_SHARED_CONV_BACKWARD_H

#include "ops/shared/conv_variants.h"

/* A way to compute the gradient of the input, or that of the weights; the forward pass keeps what it has in storage of
 * the same blocks as activations. */
struct thaw_conv_backward_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    size_t (*scratch_bytes)(const thaw_conv_geometry *geometry); /* NULL: none */
    thaw_status (*prepare)(const thaw_node *node, thaw_conv_gradient *gradient);
    /* Queues. `add`: to what the gradient holds, which is replaced otherwise. */
    thaw_status (*run)(const thaw_node *node, const thaw_conv_gradient *gradient, bool add);
};

/* For the node's storage, as its geometry says: chooses a variant for each gradient that the node's inputs need.
 * Returns the scratch bytes. */
size_t thaw_conv_backward_choose(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_conv_backward_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_conv_backward_run(thaw_node *node);

/* Ordered, NULL behind the last; the last one of a row-major table always fits. */
extern const thaw_conv_backward_variant *const thaw_conv_data_row_major[], *const thaw_conv_weights_row_major[];

/* Sums of parts, for gradients that are computed in several at once: gradient[i] (+)= parts[i] + parts[stride + i] ..,
 * `count` of them. */
THAW_MUST_CHECK thaw_status thaw_conv_add_parts(const thaw_node *node, thaw_buffer *gradient, int64_t elements,
                                                bool add, const thaw_buffer *parts, int64_t count, int64_t stride);

/* The geometry that infer and layout have found. */
const thaw_conv_geometry *thaw_conv_geometry_of(const thaw_node *node);

#endif
