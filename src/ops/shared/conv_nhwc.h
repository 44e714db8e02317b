/* What the convolutions into activations with all channels side by side (NHWC) have in common. */
#ifndef THAW_OPS_SHARED_CONV_NHWC_H
#define THAW_OPS_SHARED_CONV_NHWC_H

#include "ops/shared/conv_variants.h"

/* An image of a convolution's input, row-major or NHWC: elements from image to image and to the next column and
 * channel. */
typedef struct thaw_conv_strides {
    int64_t image, column, channel;
} thaw_conv_strides;

thaw_conv_strides thaw_conv_input_strides(const thaw_conv_geometry *geometry);

/* Whether kernels can count in ints: two dimensions, and every place that a window touches is near. */
bool thaw_conv_nhwc_counts(const thaw_conv_geometry *geometry);

/* Makes conv->packed, [groups, depth, columns], of the weights, and conv->packed_bias, [groups, columns]. `depth` is at
 * least kernel_h * kernel_w * channels per group, which come in this order; `columns` at least output channels per
 * group. Zeros fill up. */
THAW_MUST_CHECK thaw_status thaw_conv_nhwc_pack(const thaw_node *node, thaw_conv *conv, int64_t depth, int64_t columns);

/* Whether quads of channels can be read and written at once everywhere: output (in its place), residual, and groups. */
bool thaw_conv_nhwc_aligned(const thaw_node *node, const thaw_conv_geometry *geometry);

#endif
