/* The gradient of a convolution's input on blocks of channels for any stride: see cl/conv_backward_data.cl. */
#include "ops/shared/conv_backward.h"
#include "ops/shared/weights.h"

#include <limits.h>
#include <stdio.h>

#define MOST_COLUMNS  16 /* as there */
#define ELEMENT_LIMIT ((int64_t)1 << 30)
#define GEOMETRY      12

static void geometry_arguments(const thaw_conv_geometry *g, thaw_argument arguments[GEOMETRY])
{
    const int64_t *const sizes[] = {g->in, g->out, g->kernel, g->stride, g->dilation, g->pad};
    for (size_t i = 0; i < GEOMETRY; i++)
        arguments[i] = THAW_INT(sizes[i / 2][1 + i % 2]);
}

static bool is_flat(const thaw_conv_geometry *geometry)
{
    return geometry->in[0] == 1 && geometry->out[0] == 1 && geometry->kernel[0] == 1 &&
           geometry->in_block == geometry->out_block;
}

/* Packed once where weights stay as they are, else before each run into memory that nodes share. */
static thaw_status prepare_packed(const thaw_node *node, thaw_conv_gradient *gradient, const thaw_conv_packing *packing,
                                  const thaw_conv_weight_order *order)
{
    thaw_buffer *weights = NULL;
    if (!thaw_conv_is_fixed(node->inputs[1]))
        return THAW_OK;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), thaw_conv_packing_bytes(packing), &gradient->packed));
    THAW_TRY(thaw_weights_upload(node, node->inputs[1], &weights));
    const thaw_status status = thaw_conv_pack_weights(node, gradient->packed, weights, packing, order);
    thaw_buffer_destroy(&weights);
    return status;
}

static thaw_status refresh_packed(const thaw_node *node, const thaw_conv_gradient *gradient,
                                  const thaw_conv_packing *packing, const thaw_conv_weight_order *order,
                                  const thaw_buffer **packed)
{
    *packed = gradient->packed ? gradient->packed : node->graph->packed;
    return gradient->packed ? THAW_OK : thaw_conv_pack_weights(node, *packed, node->inputs[1]->buffer, packing, order);
}

static void plan_packed(const thaw_node *node, thaw_conv_gradient *gradient, const thaw_conv_packing *packing)
{
    gradient->packed_bytes = thaw_conv_is_fixed(node->inputs[1]) ? 0 : thaw_conv_packing_bytes(packing);
}

/* --- groups of whole blocks --- */

/* How dx is cut up; counts are per group. */
typedef struct tiling {
    int64_t in_blocks, out_blocks, stack, stacks, tile;
} tiling;

static tiling cut(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->in_block;
    tiling t = {.in_blocks = thaw_divide_up(geometry->in_channels / geometry->groups, block),
                .out_blocks = thaw_divide_up(geometry->out_channels / geometry->groups, block)};
    t.stack = thaw_conv_stack(t.in_blocks);
    t.stacks = thaw_divide_up(t.in_blocks, t.stack);
    t.tile = thaw_conv_tile(block, t.stack);
    return t;
}

static bool gather_fits(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->in_block, groups = geometry->groups;
    if (!is_flat(geometry) || geometry->kernel[2] > MOST_COLUMNS)
        return false;
    const tiling t = cut(geometry);
    const int64_t most = ELEMENT_LIMIT / block / geometry->n / groups;
    return geometry->in[1] * geometry->in[2] <= most / t.in_blocks &&
           thaw_conv_pixels(geometry) <= most / t.out_blocks &&
           (groups == 1 ||
            (geometry->in_channels / groups % block == 0 && geometry->out_channels / groups % block == 0));
}

static thaw_conv_packing gather_packing(const thaw_conv_geometry *geometry)
{
    const tiling t = cut(geometry);
    return (thaw_conv_packing){
        .groups = geometry->groups,
        .group_in = geometry->out_channels / geometry->groups,
        .group_out = geometry->in_channels / geometry->groups,
        .stacks = t.stacks,
        .width = t.stack * geometry->in_block,
        .in_block = geometry->out_block,
        .kernel_h = geometry->kernel[1],
        .kernel_w = geometry->kernel[2],
        .spare = geometry->in_block,
    };
}

/* Channels exchanged, but the kernel as it is. */
static thaw_conv_weight_order gather_order(const thaw_conv_geometry *geometry)
{
    const thaw_conv plain = {.geometry = *geometry};
    thaw_conv_weight_order order = thaw_conv_order(&plain);
    const int64_t out = order.out;
    order.out = order.in;
    order.in = out;
    return order;
}

static void gather_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_packing packing = gather_packing(thaw_conv_geometry_of(node));
    plan_packed(node, gradient, &packing);
}

static thaw_status gather_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_packing packing = gather_packing(geometry);
    const thaw_conv_weight_order order = gather_order(geometry);
    const tiling t = cut(geometry);
    char options[64];
    snprintf(options, sizeof options, "-DBLOCK=%d -DTILE=%d -DSTACK=%d", (int)geometry->in_block, (int)t.tile,
             (int)t.stack);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_backward_data", "conv_backward_data", options,
                             &gradient->kernel));
    return prepare_packed(node, gradient, &packing, &order);
}

static thaw_status gather_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    enum { TILES_AT_ONCE = 8 };
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_packing packing = gather_packing(geometry);
    const thaw_conv_weight_order order = gather_order(geometry);
    const tiling t = cut(geometry);
    const thaw_buffer *packed;
    THAW_TRY(refresh_packed(node, gradient, &packing, &order, &packed));
    const int64_t phase = geometry->n * thaw_divide_up(geometry->in[1], geometry->stride[1]) *
                          thaw_divide_up(geometry->in[2], geometry->stride[2]); /* the largest one's elements */
    const int64_t run = t.tile * (thaw_device_ends_loops(thaw_node_device(node)) ? 1 : TILES_AT_ONCE);
    thaw_range range = THAW_RANGE_3(geometry->groups * t.stacks, thaw_divide_up(phase, run),
                                    geometry->stride[1] * geometry->stride[2]);
    range.local[0] = 1;
    thaw_argument arguments[8 + GEOMETRY] = {
        THAW_BUFFER(node->inputs[0]->gradient),
        THAW_INT(add),
        THAW_BUFFER(node->outputs[0]->gradient),
        THAW_BUFFER(packed),
        THAW_INT(geometry->n),
        THAW_INT(run),
        THAW_INT(t.in_blocks),
        THAW_INT(t.out_blocks),
    };
    geometry_arguments(geometry, arguments + 8);
    return thaw_kernel_run(gradient->kernel, range, arguments, sizeof arguments / sizeof *arguments);
}

/* --- each channel by itself --- */

static bool depthwise_fits(const thaw_conv_geometry *geometry)
{
    const int64_t most = INT_MAX / geometry->in_block;
    return is_flat(geometry) && geometry->groups == geometry->in_channels &&
           geometry->groups == geometry->out_channels && geometry->in[1] * geometry->in[2] < most &&
           thaw_conv_pixels(geometry) < most;
}

static thaw_conv_packing depthwise_packing(const thaw_conv_geometry *geometry)
{
    return (thaw_conv_packing){
        .groups = 1,
        .group_in = 1,
        .group_out = geometry->in_channels,
        .stacks = thaw_divide_up(geometry->in_channels, geometry->in_block),
        .width = geometry->in_block,
        .in_block = 1,
        .kernel_h = geometry->kernel[1],
        .kernel_w = geometry->kernel[2],
    };
}

static thaw_conv_weight_order depthwise_order(const thaw_conv_geometry *geometry)
{
    const thaw_conv plain = {.geometry = *geometry};
    thaw_conv_weight_order order = thaw_conv_order(&plain);
    order.out = order.group;
    return order;
}

static void depthwise_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_packing packing = depthwise_packing(thaw_conv_geometry_of(node));
    plan_packed(node, gradient, &packing);
}

static thaw_status depthwise_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_packing packing = depthwise_packing(geometry);
    const thaw_conv_weight_order order = depthwise_order(geometry);
    char options[48];
    snprintf(options, sizeof options, "-DDEPTHWISE -DBLOCK=%d", (int)geometry->in_block);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_backward_data", "conv_backward_depthwise", options,
                             &gradient->kernel));
    return prepare_packed(node, gradient, &packing, &order);
}

static thaw_status depthwise_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    enum { PIXELS = 1024 };
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_packing packing = depthwise_packing(geometry);
    const thaw_conv_weight_order order = depthwise_order(geometry);
    const thaw_buffer *packed;
    THAW_TRY(refresh_packed(node, gradient, &packing, &order, &packed));
    const int64_t rows = thaw_divide_up(PIXELS, geometry->in[2]);
    thaw_range range = THAW_RANGE_3(thaw_divide_up(geometry->in[1], rows), packing.stacks, geometry->n);
    range.local[0] = 1;
    thaw_argument arguments[5 + GEOMETRY] = {
        THAW_BUFFER(node->inputs[0]->gradient),
        THAW_INT(add),
        THAW_BUFFER(node->outputs[0]->gradient),
        THAW_BUFFER(packed),
        THAW_INT(rows),
    };
    geometry_arguments(geometry, arguments + 5);
    return thaw_kernel_run(gradient->kernel, range, arguments, sizeof arguments / sizeof *arguments);
}

const thaw_conv_backward_variant thaw_conv_data_gather = {
    .name = "gather", .fits = gather_fits, .plan = gather_plan, .prepare = gather_prepare, .run = gather_run};
const thaw_conv_backward_variant thaw_conv_data_gather_depthwise = {.name = "gather_depthwise",
                                                                    .fits = depthwise_fits,
                                                                    .plan = depthwise_plan,
                                                                    .prepare = depthwise_prepare,
                                                                    .run = depthwise_run};
