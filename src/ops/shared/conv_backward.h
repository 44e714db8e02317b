/* The gradients of a convolution. */
#ifndef THAW_OPS_SHARED_CONV_BACKWARD_H
#define THAW_OPS_SHARED_CONV_BACKWARD_H

#include "ops/shared/conv_variants.h"

/* A way to compute the gradient of the input, or that of the weights. Gradients are stored as what they belong to. */
struct thaw_conv_backward_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    /* Sets the gradient's scratch_bytes and packed_bytes, 0 at first. NULL: it needs neither. Runs where there are no
     * buffers yet; for blocks of channels, on a device. */
    void (*plan)(const thaw_node *node, thaw_conv_gradient *gradient);
    thaw_status (*prepare)(const thaw_node *node, thaw_conv_gradient *gradient);
    /* Queues. `add`: to what the gradient holds, which is replaced otherwise. */
    thaw_status (*run)(const thaw_node *node, const thaw_conv_gradient *gradient, bool add);
    bool (*suits)(const thaw_device_info *info);      /* NULL: any device */
    bool (*pays)(const thaw_conv_geometry *geometry); /* if not, only THAW_ALGORITHM takes it; NULL: always */
};

/* For attributes, and its counterpart. */
THAW_MUST_CHECK thaw_status thaw_conv_backward_create(const thaw_node *node);
void thaw_conv_backward_release(thaw_conv *conv);
/* Whether there are variants for what the node's inputs need, in the storage that its geometry has: always, if that is
 * row-major. */
bool thaw_conv_backward_fits(const thaw_node *node);
/* Chooses them, and makes the node's scratch_bytes and packed_bytes large enough. */
void thaw_conv_backward_choose(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_conv_backward_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_conv_backward_run(thaw_node *node);

/* Ordered, NULL behind the last; the last one of a row-major table always fits. */
extern const thaw_conv_backward_variant *const thaw_conv_data_row_major[], *const thaw_conv_weights_row_major[];
extern const thaw_conv_backward_variant *const thaw_conv_weights_blocked[];
extern const thaw_conv_backward_variant thaw_conv_weights_winograd;
extern const thaw_conv_backward_variant thaw_conv_nchw_data, thaw_conv_nchw_weights;
extern const thaw_conv_backward_variant thaw_conv_depthwise_nchw_data, thaw_conv_depthwise_nchw_weights;
extern const thaw_conv_backward_variant thaw_conv_data_mirror, thaw_conv_data_gather, thaw_conv_data_gather_depthwise;

THAW_MUST_CHECK thaw_status thaw_conv_mirror_create(const thaw_node *node, thaw_conv_mirror **mirror);
void thaw_conv_mirror_destroy(thaw_conv_mirror **mirror);

/* Sums of parts, for gradients that are computed in several at once: gradient[i] (+)= parts[i] + parts[stride + i] ..,
 * `count` of them. */
THAW_MUST_CHECK thaw_status thaw_conv_add_parts(const thaw_node *node, thaw_buffer *gradient, int64_t elements,
                                                bool add, const thaw_buffer *parts, int64_t count, int64_t stride);

/* The geometry that infer and layout have found. */
const thaw_conv_geometry *thaw_conv_geometry_of(const thaw_node *node);

#endif
