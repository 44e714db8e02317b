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
    thaw_buffer *packed;         /* weights as a variant that is not row-major wants them; NULL: none */
    thaw_buffer *packed_bias;    /* [out_channels filled up], zeros where there is no bias; for those too */
    thaw_buffer *taps;           /* where each product's input lies, and */
    int tile;                    /* which size of work-group: conv_implicit.c */
} thaw_conv;

struct thaw_conv_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    size_t (*scratch_bytes)(const thaw_conv_geometry *geometry); /* NULL: none */
    thaw_status (*prepare)(const thaw_node *node, thaw_conv *conv);
    thaw_status (*run)(const thaw_node *node, const thaw_conv *conv);
    bool slices; /* writes its output wherever thaw_value_place() says */
};

/* Of those for the geometry's storage whose scratch the device (NULL: not known yet) can give, the one that
 * THAW_ALGORITHM names if it fits, else the first that does. NULL if none fits, which row-major storage never has. All
 * but the row-major ones want constant weights and bias, and no buffers of them. */
const thaw_conv_variant *thaw_conv_choose(const thaw_conv_geometry *geometry, const thaw_device *device);

#define THAW_CONV_MOST_VARIANTS 8 /* that may fit */
/* All of them that fit, the plainest last; their number. */
size_t thaw_conv_fitting(const thaw_conv_geometry *geometry, const thaw_device *device,
                         const thaw_conv_variant *fitting[THAW_CONV_MOST_VARIANTS]);
/* The fastest of them that computes what the plainest does, as measured on the node's device now or at an earlier start
 * (see device/tuning.h); `first` where nothing is to be measured. The node's geometry is set, its buffers are not. */
const thaw_conv_variant *thaw_conv_tune(thaw_node *node, const thaw_conv_variant *first);

/* Frees what prepare made. */
void thaw_conv_release(thaw_conv *conv);

extern const thaw_conv_variant thaw_conv_winograd, thaw_conv_winograd_late, thaw_conv_tiled,
    thaw_conv_depthwise_blocked;
extern const thaw_conv_variant thaw_conv_nhwc_depthwise, thaw_conv_nhwc_pointwise, thaw_conv_nhwc_direct;
extern const thaw_conv_variant thaw_conv_implicit, thaw_conv_implicit_large, thaw_conv_implicit_middle,
    thaw_conv_implicit_small;

/* Makes conv->packed_bias of `count` numbers, at least the output channels: the bias, zeros where there is none. */
THAW_MUST_CHECK thaw_status thaw_conv_pack_bias(const thaw_node *node, thaw_conv *conv, int64_t count);

/* Elements of one channel in the output; weights of one output channel. */
int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry);
int64_t thaw_conv_depth(const thaw_conv_geometry *geometry);

#endif
