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
    bool halves;                 /* weights are packed as 16-bit floats; only in blocks, of constants */
} thaw_conv_geometry;

typedef struct thaw_conv_variant thaw_conv_variant;
typedef struct thaw_conv_backward_variant thaw_conv_backward_variant;
typedef struct thaw_conv_mirror thaw_conv_mirror;

/* How the gradient of the input is computed, or that of the weights. */
typedef struct thaw_conv_gradient {
    const thaw_conv_backward_variant *variant; /* NULL: nobody needs it */
    size_t scratch_bytes, packed_bytes;        /* as for nodes */
    thaw_kernel *kernel;
    int64_t parts, terms;     /* that are summed up apart, and what is summed up in one of them */
    int tile;                 /* as in thaw_conv */
    thaw_buffer *packed;      /* weights that stay as they are; NULL: none */
    thaw_conv_mirror *mirror; /* of the input's gradient: conv_mirror.c */
} thaw_conv_gradient;

/* A convolution's state. */
typedef struct thaw_conv {
    thaw_conv_geometry geometry;
    const thaw_conv_variant *variant;
    thaw_kernel *kernel;         /* im2col, or the one that does it all; NULL: none */
    thaw_kernel *second_kernel;  /* for those that work in two steps */
    thaw_epilogue_pass epilogue; /* after a matrix product */
    thaw_buffer *taps;           /* where each product's input lies, and */
    int tile;                    /* which size of work-group: conv_implicit.c, conv_nchw.c */
    bool mirrored; /* the weights are those of the convolution whose gradient this one computes: see conv_mirror.c */
    bool borrows;  /* `packed` is memory that nodes share */
    thaw_buffer *packed;      /* weights as a variant that is not row-major wants them; NULL: none */
    thaw_buffer *packed_bias; /* [out_channels filled up], zeros where there is no bias; for those too */
    thaw_conv_gradient data, weights;
    thaw_kernel *bias_kernel; /* NULL: nobody needs the gradient of the bias */
    thaw_kernel *slope;       /* of the activation that follows; NULL: none, or no gradient */
    thaw_kernel *slope_sums;  /* both of them in one; NULL: each alone */
} thaw_conv;

struct thaw_conv_variant {
    const char *name; /* as in THAW_ALGORITHM */
    bool (*fits)(const thaw_conv_geometry *geometry);
    size_t (*scratch_bytes)(const thaw_conv_geometry *geometry); /* NULL: none */
    thaw_status (*prepare)(const thaw_node *node, thaw_conv *conv);
    thaw_status (*run)(const thaw_node *node, const thaw_conv *conv);
    bool slices;        /* writes its output wherever thaw_value_place() says */
    bool adds_in_place; /* where input and output are stored alike: the output may overwrite the residual */
    /* For those that want their weights packed: the bytes, and how that is queued, from weights that lie row-major on
     * the device in the order that thaw_conv_order() tells. NULL: they are read as they are. */
    size_t (*packed_bytes)(const thaw_conv_geometry *geometry);
    thaw_status (*pack)(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights);
    bool (*suits)(const thaw_device_info *info); /* NULL: any device */
};

/* Makes the convolution ready to run, its variant's kernels and weights that stay as they are included. `shared`:
 * memory of the program's for weights that change, at least thaw_conv_packed_bytes(), that others use in between; NULL:
 * the convolution gets its own. */
THAW_MUST_CHECK thaw_status thaw_conv_prepare(const thaw_node *node, thaw_conv *conv, thaw_buffer *shared);
/* Queues it, after packing weights that may have changed. */
THAW_MUST_CHECK thaw_status thaw_conv_run(const thaw_node *node, const thaw_conv *conv);
/* Frees what prepare made. */
void thaw_conv_release(thaw_conv *conv);
size_t thaw_conv_packed_bytes(const thaw_conv *conv);
/* Is it absent, or a constant that no training changes? */
bool thaw_conv_is_fixed(const thaw_value *value);

/* Of those for the geometry's storage whose scratch the device (NULL: not known yet) can give, the one that
 * THAW_ALGORITHM names if it fits, else the first that does. NULL if none fits, which row-major storage never has.
 * Those for NHWC want constant weights and bias; those that are not row-major no buffers of constant ones. */
const thaw_conv_variant *thaw_conv_choose(const thaw_conv_geometry *geometry, const thaw_device *device);

#define THAW_CONV_MOST_VARIANTS 8 /* that may fit */
/* All of them that fit, the plainest last; their number. */
size_t thaw_conv_fitting(const thaw_conv_geometry *geometry, const thaw_device *device,
                         const thaw_conv_variant *fitting[THAW_CONV_MOST_VARIANTS]);
/* The fastest of them that computes what the plainest does, as measured on the node's device now or at an earlier start
 * (see device/tuning.h); `first` where nothing is to be measured. The node's geometry is set, its buffers are not. */
const thaw_conv_variant *thaw_conv_tune(thaw_node *node, const thaw_conv_variant *first);

extern const thaw_conv_variant thaw_conv_winograd_fused, thaw_conv_winograd, thaw_conv_image, thaw_conv_tiled,
    thaw_conv_depthwise_blocked;
extern const thaw_conv_variant thaw_conv_nhwc_depthwise, thaw_conv_nhwc_pointwise, thaw_conv_nhwc_direct;
extern const thaw_conv_variant thaw_conv_nchw, thaw_conv_depthwise_nchw;
extern const thaw_conv_variant thaw_conv_implicit, thaw_conv_implicit_large, thaw_conv_implicit_middle,
    thaw_conv_implicit_small;

/* Can the tiled variant multiply the input's channels by factors first: is it what computes this geometry in blocks? */
bool thaw_conv_takes_factors(const thaw_conv_geometry *geometry);
/* Can the depthwise variant sum up its output's channels on the way, and in how many parts does it do that? 0: no. */
int64_t thaw_conv_sum_parts(const thaw_conv_geometry *geometry);

/* Makes conv->packed_bias of `count` numbers, at least the output channels: the bias, zeros where there is none, or
 * none yet. */
THAW_MUST_CHECK thaw_status thaw_conv_pack_bias(const thaw_node *node, thaw_conv *conv, int64_t count);

/* Where a weight lies: offset + group * its number + out * output channel of the group + in * input channel + tap * its
 * place in the kernel. */
typedef struct thaw_conv_weight_order {
    int64_t offset, group, out, in, tap;
} thaw_conv_weight_order;
/* Mirrored: flipped, input and output channels exchanged. */
thaw_conv_weight_order thaw_conv_order(const thaw_conv *conv);

/* [groups, stacks, kernel_h, input blocks, kernel_w, in_block, width] and `spare` zeros: see cl/conv_pack.cl. */
typedef struct thaw_conv_packing {
    int64_t groups, group_in, group_out; /* channels per group */
    int64_t stacks, width, in_block, kernel_h, kernel_w, spare;
    int64_t in_blocks; /* where more than hold group_in channels */
    bool halves;       /* 16-bit floats, rounded to the nearest, ties to even */
} thaw_conv_packing;
size_t thaw_conv_packing_bytes(const thaw_conv_packing *packing);
THAW_MUST_CHECK thaw_status thaw_conv_pack_weights(const thaw_node *node, const thaw_buffer *packed,
                                                   const thaw_buffer *weights, const thaw_conv_packing *packing,
                                                   const thaw_conv_weight_order *order);

/* Columns of the input, as a matrix product wants them: the kernel that makes them, how many rows of the output they
 * are made for at a time (0: not one fits), and making those of `count` rows of a group of an image in the node's
 * scratch memory, [depth, count * width]. */
THAW_MUST_CHECK thaw_status thaw_conv_get_im2col(const thaw_node *node, thaw_kernel **kernel);
int64_t thaw_conv_rows_at_once(const thaw_conv_geometry *geometry);
THAW_MUST_CHECK thaw_status thaw_conv_run_im2col(const thaw_node *node, thaw_kernel *kernel, int64_t image,
                                                 int64_t group, int64_t first, int64_t count);

/* Variants whose work-groups share what they read: do such groups of `items` suit the device? CPUs only where
 * THAW_ALGORITHM names the variant. */
bool thaw_conv_groups_suit(const thaw_device_info *info, const char *name, uint64_t items);

/* The bias as it stands on the device; NULL: none. */
const thaw_buffer *thaw_conv_bias(const thaw_node *node);

/* The parameters that cl/conv.cl calls GEOMETRY. */
#define THAW_CONV_GEOMETRY_ARGUMENTS (6 * THAW_CONV_AXES)
void thaw_conv_geometry_arguments(const thaw_conv_geometry *geometry,
                                  thaw_argument arguments[THAW_CONV_GEOMETRY_ARGUMENTS]);

/* How many of `blocks` blocks of channels are summed up together in registers, and with how many pixels: what a CPU
 * with vectors of `block` floats has room for. */
int64_t thaw_conv_stack(int64_t blocks);
int64_t thaw_conv_tile(int64_t block, int64_t stack);
/* Of `count` pieces, each of which reads so many floats of the input, as many as one work-item takes; they go on in so
 * many `stacks` of all groups. */
int64_t thaw_conv_pieces_at_once(const thaw_node *node, const thaw_conv_geometry *geometry, int64_t stacks,
                                 int64_t count, int64_t floats_per_piece);
/* Of a tensor's `rows`, as many as one work-item takes, at least `fewest` where there are, so that there are `items`
 * for each core in `others` such tensors. */
int64_t thaw_conv_rows_for_item(const thaw_node *node, int64_t rows, int64_t others, int64_t items, int64_t fewest);

/* Elements of one channel in the output; weights of one output channel. */
int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry);
int64_t thaw_conv_depth(const thaw_conv_geometry *geometry);
/* Channels of a group; kernel positions, of two dimensions. */
int64_t thaw_conv_group_in(const thaw_conv_geometry *geometry);
int64_t thaw_conv_group_out(const thaw_conv_geometry *geometry);
int64_t thaw_conv_taps(const thaw_conv_geometry *geometry);

#endif
