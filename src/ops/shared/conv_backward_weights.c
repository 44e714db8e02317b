/* The gradient of a convolution's weights on blocks of channels: see cl/conv_backward_weights.cl. */
#include "ops/shared/conv_backward.h"

#include <limits.h>
#include <stdio.h>

#define MOST_SUMS         65536              /* bytes that a work-item keeps for all of the kernel's positions */
#define MOST_PATCH        1024               /* columns of a row-major image */
#define CACHED_BYTES      ((int64_t)3 << 19) /* of the input, that stay close to a core while dw's parts are computed */
#define PARTS_LIMIT_BYTES ((int64_t)16 << 20)
#define ITEMS_PER_CORE    4
#define CHUNK_PIXELS      112 /* for one kernel position: dy and x stay in the first-level cache for the next */
#define MOST_WIDTH        196 /* of the rows that 1x1 kernels' images are cut into, for the same reason */
#define MOST_SPREAD       8
#define MOST_TRIPLE_TAPS  9 /* with three blocks of output channels at a time */
#define GEOMETRY          9

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t weight_count(const thaw_conv_geometry *geometry)
{
    return geometry->out_channels * thaw_conv_depth(geometry);
}

static void geometry_arguments(const thaw_conv_geometry *g, thaw_argument arguments[GEOMETRY])
{
    const int64_t numbers[GEOMETRY] = {g->in[1],       g->in[2],       g->out[1], g->out[2], g->stride[1],
                                       g->dilation[1], g->dilation[2], g->pad[1], g->pad[2]};
    for (size_t i = 0; i < GEOMETRY; i++)
        arguments[i] = THAW_INT(numbers[i]);
}

/* Planes that kernels address in ints. */
static bool is_flat(const thaw_conv_geometry *geometry)
{
    const int64_t most = INT_MAX / geometry->out_block;
    return geometry->in[0] == 1 && geometry->out[0] == 1 && geometry->kernel[0] == 1 &&
           geometry->in[1] * geometry->in[2] < most && geometry->n * thaw_conv_pixels(geometry) < most;
}

/* Ranges of output rows that are summed up apart, `items` work-items to each: enough that a part of the input stays in
 * a cache, and that all cores have work; as few as their sums' memory allows. */
static void plan_parts(const thaw_node *node, thaw_conv_gradient *gradient, int64_t rows, int64_t items)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t units = (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t bytes =
        geometry->n * geometry->in_channels * geometry->in[1] * geometry->in[2] * (int64_t)sizeof(float);
    const int64_t wanted = larger(thaw_divide_up(bytes, CACHED_BYTES), thaw_divide_up(ITEMS_PER_CORE * units, items));
    const int64_t most = PARTS_LIMIT_BYTES / (int64_t)sizeof(float) / weight_count(geometry);
    const int64_t parts = larger(1, thaw_smaller(thaw_smaller(wanted, most), rows));
    gradient->parts = thaw_divide_up(rows, thaw_divide_up(rows, parts)); /* none is empty */
    if (gradient->parts > 1)
        gradient->scratch_bytes = (size_t)(gradient->parts * weight_count(geometry)) * sizeof(float);
}

/* Runs the kernel on all parts, then adds these. Of its arguments the first four and the last ones, the geometry, are
 * filled in here. */
static thaw_status run_parts(const thaw_node *node, const thaw_conv_gradient *gradient, bool add,
                             const size_t pieces[3], const thaw_conv_geometry *geometry, thaw_argument *arguments,
                             size_t count)
{
    const bool several = gradient->parts > 1;
    thaw_buffer *to = node->inputs[1]->gradient, *scratch = thaw_node_scratch(node);
    arguments[0] = THAW_BUFFER(several ? scratch : to);
    arguments[1] = THAW_INT(add && !several);
    arguments[2] = THAW_BUFFER(node->outputs[0]->gradient);
    arguments[3] = THAW_BUFFER(node->inputs[0]->buffer);
    geometry_arguments(geometry, arguments + count - GEOMETRY);
    THAW_TRY(thaw_kernel_run_pieces(gradient->kernel, pieces, arguments, count));
    if (!several)
        return THAW_OK;
    return thaw_conv_add_parts(node, to, weight_count(geometry), add, scratch, gradient->parts, weight_count(geometry));
}

/* --- blocks of channels --- */

/* How the weights are cut up. Counts are per group. */
typedef struct tiling {
    int64_t stack, stacks; /* output blocks at a time */
    int64_t lanes, spread; /* input channels at a time, times so many for a work-item */
    int64_t items;
    int64_t rows, width; /* of dy in all images; those of 1x1 kernels are whatever is convenient */
    bool pointwise;
} tiling;

/* Pixels in the rows that images of 1x1 kernels are cut into, all of them equally long. */
static int64_t convenient_width(const thaw_conv_geometry *geometry)
{
    const int64_t pixels = thaw_conv_pixels(geometry);
    int64_t width = thaw_smaller(pixels, MOST_WIDTH);
    while (pixels % width != 0)
        width--;
    return larger(width, geometry->out[2]);
}

static tiling cut(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block, group_in = geometry->in_channels / geometry->groups;
    const int64_t out_blocks = thaw_divide_up(geometry->out_channels / geometry->groups, block);
    tiling t = {.lanes = block > 4 ? block / 2 : block, .pointwise = true};
    t.stack = out_blocks % 3 == 0 && thaw_conv_taps(geometry) <= MOST_TRIPLE_TAPS ? 3 : thaw_smaller(2, out_blocks);
    t.stacks = thaw_divide_up(out_blocks, t.stack);
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        t.pointwise = t.pointwise && geometry->kernel[axis] == 1 && geometry->stride[axis] == 1 &&
                      geometry->in[axis] == geometry->out[axis];
    t.width = t.pointwise ? convenient_width(geometry) : geometry->out[2];
    t.rows = geometry->n * thaw_conv_pixels(geometry) / t.width;
    t.spread = t.pointwise ? thaw_smaller(MOST_SPREAD, thaw_divide_up(group_in, t.lanes)) : 1;
    t.items = thaw_divide_up(group_in, t.spread * t.lanes);
    return t;
}

static bool tiled_fits(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block, groups = geometry->groups;
    if (!is_flat(geometry) || geometry->in_block != block)
        return false;
    const tiling t = cut(geometry);
    return thaw_conv_taps(geometry) * t.spread * t.stack * t.lanes * block * (int64_t)sizeof(float) <= MOST_SUMS &&
           (groups == 1 ||
            (geometry->in_channels / groups % block == 0 && geometry->out_channels / groups % block == 0));
}

static void tiled_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const tiling t = cut(geometry);
    plan_parts(node, gradient, t.rows, t.items * t.stacks * geometry->groups);
}

static thaw_status tiled_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const tiling t = cut(geometry);
    char options[128];
    snprintf(options, sizeof options,
             "-DBLOCK=%d -DSTACK=%d -DLANES=%d -DSPREAD=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_W=%d",
             (int)geometry->out_block, (int)t.stack, (int)t.lanes, (int)t.spread, (int)geometry->kernel[1],
             (int)geometry->kernel[2], (int)geometry->stride[2]);
    return thaw_kernel_get(thaw_node_device(node), "conv_backward_weights", "backward_weights_blocked", options,
                           &gradient->kernel);
}

static thaw_status tiled_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const tiling t = cut(geometry);
    thaw_conv_geometry flat = *geometry;
    if (t.pointwise) {
        flat.in[1] = flat.out[1] = thaw_conv_pixels(geometry) / t.width;
        flat.in[2] = flat.out[2] = t.width;
    }
    const int64_t run = thaw_divide_up(t.rows, gradient->parts);
    const size_t *const pieces = THAW_PIECES(t.items, t.stacks * geometry->groups, thaw_divide_up(t.rows, run));
    thaw_argument arguments[10 + GEOMETRY] = {[4] = THAW_INT(t.rows),
                                              THAW_INT(run),
                                              THAW_INT(thaw_divide_up(CHUNK_PIXELS, t.width)),
                                              THAW_INT(geometry->groups),
                                              THAW_INT(geometry->in_channels / geometry->groups),
                                              THAW_INT(geometry->out_channels / geometry->groups)};
    return run_parts(node, gradient, add, pieces, &flat, arguments, sizeof arguments / sizeof *arguments);
}

/* --- an image of few channels, row-major --- */

static int64_t image_patch(const thaw_conv_geometry *geometry)
{
    return (geometry->out[2] - 1) * geometry->stride[2] + (geometry->kernel[2] - 1) * geometry->dilation[2] + 1;
}

static int64_t image_stack(const thaw_conv_geometry *geometry)
{
    const int64_t blocks = thaw_divide_up(geometry->out_channels, geometry->out_block);
    return geometry->kernel[2] > 12 ? 1 : thaw_smaller(2, blocks);
}

static bool image_fits(const thaw_conv_geometry *geometry)
{
    const int64_t sums = geometry->in_channels * thaw_conv_taps(geometry) * image_stack(geometry) * geometry->out_block;
    return is_flat(geometry) && geometry->in_block == 1 && geometry->out_block > 1 && geometry->groups == 1 &&
           sums * (int64_t)sizeof(float) <= MOST_SUMS && image_patch(geometry) <= MOST_PATCH;
}

static int64_t image_stacks(const thaw_conv_geometry *geometry)
{
    return thaw_divide_up(thaw_divide_up(geometry->out_channels, geometry->out_block), image_stack(geometry));
}

static void image_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    plan_parts(node, gradient, geometry->n * geometry->out[1], image_stacks(geometry));
}

static thaw_status image_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    char options[160];
    snprintf(options, sizeof options,
             "-DIMAGE -DBLOCK=%d -DSTACK=%d -DCHANNELS=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_W=%d -DPATCH=%d",
             (int)geometry->out_block, (int)image_stack(geometry), (int)geometry->in_channels, (int)geometry->kernel[1],
             (int)geometry->kernel[2], (int)geometry->stride[2], (int)image_patch(geometry));
    return thaw_kernel_get(thaw_node_device(node), "conv_backward_weights", "backward_weights_image", options,
                           &gradient->kernel);
}

static thaw_status image_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t rows = geometry->n * geometry->out[1], run = thaw_divide_up(rows, gradient->parts);
    const size_t *const pieces = THAW_PIECES(image_stacks(geometry), thaw_divide_up(rows, run), 1);
    thaw_argument arguments[7 + GEOMETRY] = {[4] = THAW_INT(rows), THAW_INT(run), THAW_INT(geometry->out_channels)};
    return run_parts(node, gradient, add, pieces, geometry, arguments, sizeof arguments / sizeof *arguments);
}

/* --- each channel by itself --- */

static bool depthwise_fits(const thaw_conv_geometry *geometry)
{
    return is_flat(geometry) && geometry->groups == geometry->in_channels &&
           geometry->groups == geometry->out_channels && geometry->in_block == geometry->out_block &&
           thaw_conv_taps(geometry) * geometry->out_block * (int64_t)sizeof(float) <= MOST_SUMS;
}

static int64_t count_blocks(const thaw_conv_geometry *geometry)
{
    return thaw_divide_up(geometry->out_channels, geometry->out_block);
}

static void depthwise_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    plan_parts(node, gradient, geometry->n * geometry->out[1], count_blocks(geometry));
}

static thaw_status depthwise_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    char options[128];
    snprintf(options, sizeof options, "-DDEPTHWISE -DBLOCK=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_W=%d",
             (int)geometry->out_block, (int)geometry->kernel[1], (int)geometry->kernel[2], (int)geometry->stride[2]);
    return thaw_kernel_get(thaw_node_device(node), "conv_backward_weights", "backward_weights_depthwise", options,
                           &gradient->kernel);
}

static thaw_status depthwise_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t rows = geometry->n * geometry->out[1], run = thaw_divide_up(rows, gradient->parts);
    const size_t *const pieces = THAW_PIECES(count_blocks(geometry), thaw_divide_up(rows, run), 1);
    thaw_argument arguments[7 + GEOMETRY] = {[4] = THAW_INT(rows), THAW_INT(run), THAW_INT(geometry->out_channels)};
    return run_parts(node, gradient, add, pieces, geometry, arguments, sizeof arguments / sizeof *arguments);
}

static const thaw_conv_backward_variant image = {
    .name = "image", .fits = image_fits, .plan = image_plan, .prepare = image_prepare, .run = image_run};
static const thaw_conv_backward_variant depthwise = {.name = "depthwise_blocked",
                                                     .fits = depthwise_fits,
                                                     .plan = depthwise_plan,
                                                     .prepare = depthwise_prepare,
                                                     .run = depthwise_run};
static const thaw_conv_backward_variant tiled = {
    .name = "tiled", .fits = tiled_fits, .plan = tiled_plan, .prepare = tiled_prepare, .run = tiled_run};

const thaw_conv_backward_variant *const thaw_conv_weights_blocked[] = {&image, &depthwise, &thaw_conv_weights_winograd,
                                                                       &tiled, NULL};
