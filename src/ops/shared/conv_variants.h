/* The ways to compute a convolution. */
#ifndef THAW_OPS_SHARED_CONV_VARIANTS_H
#define THAW_OPS_SHARED_CONV_VARIANTS_H

#include "ops/shared/epilogue.h"

#define THAW_CONV_AXES 3

/* Everything has depth, height and width; those that the tensors lack are 1 (padding 0). Each number fits an int, and
 * so does the product of a tensor's three. */
typedef struct thaw_conv_geometry {
    int64_t n, groups, in_channels, out_channels;
    int64_t in[THAW_CONV_AXES], kernel[THAW_CONV_AXES], out[THAW_CONV_AXES];
    int64_t stride[THAW_CONV_AXES], dilation[THAW_CONV_AXES];
    int64_t pad[THAW_CONV_AXES]; /* before the first element; what lies behind the last follows from `out` */
} thaw_conv_geometry;

typedef struct thaw_conv_variant thaw_conv_variant;

/* A convolution's state. */
typedef struct thaw_conv {
    thaw_conv_geometry geometry;
    const thaw_conv_variant *variant;
    thaw_kernel *kernel;         /* im2col, or the one that does it all; NULL: none */
    thaw_epilogue_pass epilogue; /* after a matrix product */
} thaw_conv;

struct thaw_conv_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    size_t (*scratch_bytes)(const thaw_conv_geometry *geometry); /* NULL: none */
    thaw_status (*prepare)(const thaw_node *node, thaw_conv *conv);
    thaw_status (*run)(const thaw_node *node, const thaw_conv *conv);
};

/* The one that THAW_ALGORITHM names if it fits, else the first that does. Never NULL. */
const thaw_conv_variant *thaw_conv_choose(const thaw_conv_geometry *geometry);

/* Elements of one channel in the output; weights of one output channel. */
int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry);
int64_t thaw_conv_depth(const thaw_conv_geometry *geometry);

#endif
