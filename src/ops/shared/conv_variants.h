/* The ways to compute a convolution. */
#ifndef THAW_OPS_SHARED_CONV_VARIANTS_H
#define THAW_OPS_SHARED_CONV_VARIANTS_H

#include "ops/shared/epilogue.h"
#include "ops/shared/window.h"

#define THAW_CONV_AXES THAW_WINDOW_AXES

/* Everything has depth, height and width; those that the tensors lack are 1 (padding 0). Each number fits an int, and
 * so does the product of a tensor's three. */
typedef struct thaw_conv_geometry {
    int64_t n, groups, in_channels, out_channels;
    int64_t in[THAW_CONV_AXES], kernel[THAW_CONV_AXES], out[THAW_CONV_AXES];
    int64_t stride[THAW_CONV_AXES], dilation[THAW_CONV_AXES];
    int64_t pad[THAW_CONV_AXES]; /* before the first element; what lies behind the last follows from `out` */
    int32_t in_block, out_block; /* storage of input and output (and residual): see thaw_value */
} thaw_conv_geometry;

typedef struct thaw_conv_variant thaw_conv_variant;

/* A convolution's state. */
typedef struct thaw_conv {
    thaw_conv_geometry geometry;
    const thaw_conv_variant *variant;
    thaw_kernel *kernel;         /* im2col, or the one that does it all; NULL: none */
    thaw_kernel *second_kernel;  /* for those that work in two steps */
    thaw_epilogue_pass epilogue; /* after a matrix product */
    thaw_buffer *packed;         /* weights as a blocked variant wants them; NULL: none */
    thaw_buffer *packed_bias; /* [out_channels padded to out_block], zeros where there is no bias; blocked variants */
} thaw_conv;

struct thaw_conv_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    size_t (*scratch_bytes)(const thaw_conv_geometry *geometry); /* NULL: none */
    thaw_status (*prepare)(const thaw_node *node, thaw_conv *conv);
    thaw_status (*run)(const thaw_node *node, const thaw_conv *conv);
    bool slices; /* writes its output wherever thaw_value_place() says */
};

/* The one that THAW_ALGORITHM names if it fits, else the first that does. Row-major storage: never NULL. */
const thaw_conv_variant *thaw_conv_choose(const thaw_conv_geometry *geometry);
/* The same among those for blocks of channels; NULL if none fits. Weights and bias are constants. */
const thaw_conv_variant *thaw_conv_choose_blocked(const thaw_conv_geometry *geometry);

#define THAW_CONV_BLOCKED_MOST 8 /* variants that may fit */
/* All of those for blocks of channels that fit, the plainest last; their number. */
size_t thaw_conv_fitting_blocked(const thaw_conv_geometry *geometry,
                                 const thaw_conv_variant *fitting[THAW_CONV_BLOCKED_MOST]);
/* The fastest of them that computes what the plainest does, as measured on the node's device now or at an earlier start
 * (see device/tuning.h); `first` where nothing is to be measured. The node's geometry is set, its buffers are not. */
const thaw_conv_variant *thaw_conv_tune(thaw_node *node, const thaw_conv_variant *first);

extern const thaw_conv_variant thaw_conv_winograd, thaw_conv_winograd_late, thaw_conv_tiled,
    thaw_conv_depthwise_blocked;

/* Can the tiled variant multiply the input's channels by factors first: is it what computes this geometry in blocks? */
bool thaw_conv_takes_factors(const thaw_conv_geometry *geometry);
/* Can the depthwise variant sum up its output's channels on the way, and in how many parts does it do that? 0: no. */
int64_t thaw_conv_sum_parts(const thaw_conv_geometry *geometry);

/* Makes conv->packed_bias of `count` numbers, at least the output channels: the bias, zeros where there is none. */
THAW_MUST_CHECK thaw_status thaw_conv_pack_bias(const thaw_node *node, thaw_conv *conv, int64_t count);

/* Elements of one channel in the output; weights of one output channel. */
int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry);
int64_t thaw_conv_depth(const thaw_conv_geometry *geometry);

#endif
