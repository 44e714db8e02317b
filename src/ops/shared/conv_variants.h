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
typedef struct thaw_conv_backward_variant thaw_conv_backward_variant;

/* How the gradient of the input is computed, or that of the weights. */
typedef struct thaw_conv_gradient {
    const thaw_conv_backward_variant *variant; /* NULL: nobody needs it */
    thaw_kernel *kernel;
} thaw_conv_gradient;

/* A convolution's state. */
typedef struct thaw_conv {
    thaw_conv_geometry geometry;
    const thaw_conv_variant *variant;
    thaw_kernel *kernel;         /* im2col, or the one that does it all; NULL: none */
    thaw_kernel *second_kernel;  /* for those that work in two steps */
    thaw_epilogue_pass epilogue; /* after a matrix product */
    thaw_buffer *packed;         /* weights as a blocked variant wants them; NULL: none */
    thaw_buffer *packed_bias; /* [out_channels padded to out_block], zeros where there is no bias; blocked variants */
    thaw_conv_gradient data, weights;
    thaw_kernel *bias_kernel; /* NULL: nobody needs the gradient of the bias */
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

extern const thaw_conv_variant thaw_conv_winograd, thaw_conv_tiled, thaw_conv_depthwise_blocked;

/* Makes conv->packed_bias of `count` numbers, at least the output channels: the bias, zeros where there is none. */
THAW_MUST_CHECK thaw_status thaw_conv_pack_bias(const thaw_node *node, thaw_conv *conv, int64_t count);

/* Columns of the input, as a matrix product wants them: the kernel that makes them, how many rows of the output they
 * are made for at a time (0: not one fits), and making those of `count` rows of a group of an image in the node's
 * scratch memory, [depth, count * width]. */
THAW_MUST_CHECK thaw_status thaw_conv_get_im2col(const thaw_node *node, thaw_kernel **kernel);
int64_t thaw_conv_rows_at_once(const thaw_conv_geometry *geometry);
THAW_MUST_CHECK thaw_status thaw_conv_run_im2col(const thaw_node *node, thaw_kernel *kernel, int64_t image,
                                                 int64_t group, int64_t first, int64_t count);

/* The parameters that cl/conv.cl calls GEOMETRY. */
#define THAW_CONV_GEOMETRY_ARGUMENTS (6 * THAW_CONV_AXES)
void thaw_conv_geometry_arguments(const thaw_conv_geometry *geometry,
                                  thaw_argument arguments[THAW_CONV_GEOMETRY_ARGUMENTS]);

/* Elements of one channel in the output; weights of one output channel. */
int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry);
int64_t thaw_conv_depth(const thaw_conv_geometry *geometry);

#endif
