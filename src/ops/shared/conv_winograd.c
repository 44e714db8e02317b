/* 3x3 convolutions with stride 1 by minimal filtering F(4x4, 3x3) on blocks of channels: see cl/conv_winograd.cl. */
#include "ops/shared/conv_variants.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TILE            4                  /* outputs along each side */
#define PRODUCTS        36                 /* (TILE + 2)^2 */
#define FILTER          9                  /* numbers in a kernel */
#define MOST_GROUPS     8                  /* that a work-item multiplies with the same weights, as in the kernels */
#define CHUNK_BYTES     ((int64_t)5 << 20) /* of transformed input, or MOST_GROUPS where that is more; evened out */
#define FEWEST_CHANNELS 4
#define FUSED_CHANNELS  256 /* of the input at most, where one kernel does it all */
#define USUAL_CHANNELS  128 /* fewer need no kernel of their own: compiling takes longer than its room costs */
#define OPTIONS         48

/* How the output is cut. */
typedef struct tiling {
    int64_t rows, columns, tiles; /* of all images */
    int64_t size;                 /* tiles in a group */
    int64_t groups;
    int64_t group_bytes; /* of transformed input */
    int64_t chunk;       /* groups that are transformed, then multiplied, before the next are */
} tiling;

/* TILES, as in the kernels. */
static int64_t group_size(int32_t block, bool fused)
{
    return block == 8 ? 6 : !fused ? 4 : block == 16 ? 14 : 8;
}

static tiling find_tiling(const thaw_conv_geometry *geometry, bool fused)
{
    const int32_t block = geometry->in_block;
    tiling t = {.rows = thaw_divide_up(geometry->out[1], TILE), .columns = thaw_divide_up(geometry->out[2], TILE)};
    t.tiles = geometry->n * t.rows * t.columns;
    t.size = group_size(block, fused);
    t.groups = thaw_divide_up(t.tiles, t.size);
    t.group_bytes = PRODUCTS * thaw_divide_up(geometry->in_channels, block) * t.size * block * (int64_t)sizeof(float);
    const int64_t most = CHUNK_BYTES / t.group_bytes < MOST_GROUPS ? MOST_GROUPS : CHUNK_BYTES / t.group_bytes;
    const int64_t even = thaw_divide_up(t.groups, thaw_divide_up(t.groups, most));
    t.chunk = thaw_smaller(t.groups, thaw_divide_up(even, MOST_GROUPS) * MOST_GROUPS);
    return t;
}

static bool fits(const thaw_conv_geometry *geometry)
{
    const int32_t block = geometry->out_block;
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != (axis ? 3 : 1) || geometry->stride[axis] != 1 || geometry->dilation[axis] != 1)
            return false;
    return geometry->groups == 1 && geometry->out[0] == 1 && geometry->in_channels >= FEWEST_CHANNELS &&
           geometry->in_block == block && (block == 4 || block == 8 || block == 16) &&
           geometry->in[1] * geometry->in[2] <= INT_MAX / block && thaw_conv_pixels(geometry) <= INT_MAX / block &&
           find_tiling(geometry, true).tiles <= INT_MAX / 2;
}

/* A GPU sets private memory aside for all work-items that it can hold: hundreds of kilobytes for each are too much. */
static bool suits(const thaw_device_info *info)
{
    return strcmp(info->type, "cpu") == 0;
}

static size_t scratch_bytes(const thaw_conv_geometry *geometry)
{
    const tiling t = find_tiling(geometry, false);
    return (size_t)(t.chunk * t.group_bytes);
}

/* Output channels with those that fill up the last pair of blocks. */
static int64_t padded_out(const thaw_conv_geometry *geometry)
{
    return thaw_divide_up(geometry->out_channels, 2 * geometry->out_block) * 2 * geometry->out_block;
}

/* Input channels with those that fill up the last block. */
static int64_t padded_in(const thaw_conv_geometry *geometry)
{
    return thaw_divide_up(geometry->in_channels, geometry->in_block) * geometry->in_block;
}

/* As cl/conv_pack.cl lays them out. */
static thaw_conv_packing packing_of(const thaw_conv_geometry *geometry)
{
    const int64_t width = 2 * geometry->out_block;
    return (thaw_conv_packing){.groups = 1,
                               .group_in = geometry->in_channels,
                               .group_out = geometry->out_channels,
                               .stacks = thaw_divide_up(geometry->out_channels, width),
                               .width = width,
                               .in_block = 1,
                               .in_blocks = padded_in(geometry),
                               .kernel_h = 1,
                               .kernel_w = FILTER,
                               .halves = geometry->halves};
}

static size_t packed_bytes(const thaw_conv_geometry *geometry)
{
    const thaw_conv_packing packing = packing_of(geometry);
    return thaw_conv_packing_bytes(&packing);
}

static thaw_status pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_packing packing = packing_of(&conv->geometry);
    const thaw_conv_weight_order order = thaw_conv_order(conv);
    return thaw_conv_pack_weights(node, conv->packed, weights, &packing, &order);
}

/* --- running --- */

static thaw_status get_kernel(const thaw_node *node, const thaw_conv *conv, const char *name, const char *more,
                              thaw_kernel **kernel)
{
    char options[OPTIONS + THAW_EPILOGUE_OPTIONS + 16];
    snprintf(options, sizeof options, "-DBLOCK=%d %s", (int)conv->geometry.out_block, more);
    return thaw_kernel_get(thaw_node_device(node), "conv_winograd", name, options, kernel);
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    char epilogue[THAW_EPILOGUE_OPTIONS], options[OPTIONS + THAW_EPILOGUE_OPTIONS];
    snprintf(options, sizeof options, "%s%s", thaw_epilogue_few_options(node, epilogue),
             conv->geometry.halves ? " -DHALVES" : "");
    THAW_TRY(get_kernel(node, conv, "winograd_input", options, &conv->kernel));
    THAW_TRY(get_kernel(node, conv, "winograd_output", options, &conv->second_kernel));
    return thaw_conv_pack_bias(node, conv, padded_out(&conv->geometry));
}

/* Groups for one work-item: as many as there is room for, since they share the work on weights; fewer if cores had
 * nothing to do. */
static int64_t groups_at_once(const thaw_node *node, int64_t groups, int64_t pairs)
{
    const int64_t items = 4 * (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t shared = groups * pairs / items;
    return shared < 1 ? 1 : thaw_smaller(shared, MOST_GROUPS);
}

static thaw_status run_chunk(const thaw_node *node, const thaw_conv *conv, const tiling *t, int64_t first,
                             int64_t count)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const int64_t in_blocks = thaw_divide_up(geometry->in_channels, geometry->in_block);
    const int64_t out_blocks = thaw_divide_up(geometry->out_channels, geometry->out_block);
    const int64_t pairs = thaw_divide_up(out_blocks, 2), step = groups_at_once(node, count, pairs);
    thaw_buffer *scratch = thaw_node_scratch(node);
    int64_t y_offset, y_image;
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    THAW_TRY(thaw_kernel_launch_pieces(
        conv->kernel, THAW_PIECES(in_blocks, count, 1), THAW_BUFFER(scratch), THAW_BUFFER(node->inputs[0]->buffer),
        THAW_INT(first), THAW_INT(t->tiles), THAW_INT(t->rows), THAW_INT(t->columns), THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]), THAW_INT(geometry->pad[1]), THAW_INT(geometry->pad[2])));
    return thaw_kernel_launch_pieces(
        conv->second_kernel, THAW_PIECES(pairs, thaw_divide_up(count, step), 1), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(scratch), THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias),
        THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(epilogue.alpha), THAW_FLOAT(epilogue.beta),
        THAW_LONG(y_offset), THAW_LONG(y_image), THAW_INT(first), THAW_INT(count), THAW_INT(step), THAW_INT(t->tiles),
        THAW_INT(t->rows), THAW_INT(t->columns), THAW_INT(in_blocks), THAW_INT(out_blocks), THAW_INT(geometry->out[1]),
        THAW_INT(geometry->out[2]));
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const tiling t = find_tiling(&conv->geometry, false);
    for (int64_t first = 0; first < t.groups; first += t.chunk)
        THAW_TRY(run_chunk(node, conv, &t, first, thaw_smaller(t.chunk, t.groups - first)));
    return THAW_OK;
}

/* --- one kernel for all --- */

/* Transformed weights are four times as many numbers: as 16-bit floats they would take twice the memory of plain ones
 * in float32, and be rounded once more than those of other variants. For the same reason many channels go into few
 * only.
 */
static bool fused_fits(const thaw_conv_geometry *geometry)
{
    const bool small = geometry->in_channels * geometry->out_channels <= USUAL_CHANNELS * USUAL_CHANNELS;
    return fits(geometry) && geometry->in_channels <= (small ? FUSED_CHANNELS : USUAL_CHANNELS) && !geometry->halves;
}

static size_t fused_packed_bytes(const thaw_conv_geometry *geometry)
{
    return (size_t)(PRODUCTS * padded_in(geometry) * padded_out(geometry)) * sizeof(float);
}

static void write_fused_options(const thaw_node *node, const thaw_conv *conv,
                                char options[OPTIONS + THAW_EPILOGUE_OPTIONS])
{
    const int most = conv->geometry.in_channels <= USUAL_CHANNELS ? USUAL_CHANNELS : FUSED_CHANNELS;
    char epilogue[THAW_EPILOGUE_OPTIONS];
    snprintf(options, OPTIONS + THAW_EPILOGUE_OPTIONS, "-DFUSED -DMOST_BLOCKS=%d %s",
             most / (int)conv->geometry.in_block, thaw_epilogue_few_options(node, epilogue));
}

static thaw_status fused_pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_weight_order order = thaw_conv_order(conv);
    char options[OPTIONS + THAW_EPILOGUE_OPTIONS];
    thaw_kernel *kernel;
    write_fused_options(node, conv, options);
    THAW_TRY(get_kernel(node, conv, "winograd_weights", options, &kernel));
    return thaw_kernel_launch(kernel, THAW_RANGE_2(padded_in(geometry), padded_out(geometry) / geometry->out_block),
                              THAW_BUFFER(conv->packed), THAW_BUFFER(weights), THAW_INT(geometry->in_channels),
                              THAW_INT(geometry->out_channels), THAW_LONG(order.offset), THAW_LONG(order.out),
                              THAW_LONG(order.in), THAW_LONG(order.tap));
}

static thaw_status fused_prepare(const thaw_node *node, thaw_conv *conv)
{
    char options[OPTIONS + THAW_EPILOGUE_OPTIONS];
    write_fused_options(node, conv, options);
    THAW_TRY(get_kernel(node, conv, "winograd_fused", options, &conv->kernel));
    return thaw_conv_pack_bias(node, conv, padded_out(&conv->geometry));
}

static thaw_status fused_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const tiling t = find_tiling(geometry, true);
    int64_t y_offset, y_image;
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    return thaw_kernel_launch_pieces(
        conv->kernel, THAW_PIECES(t.groups, 1, 1), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias),
        THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(epilogue.alpha), THAW_FLOAT(epilogue.beta),
        THAW_LONG(y_offset), THAW_LONG(y_image), THAW_INT(t.tiles), THAW_INT(t.rows), THAW_INT(t.columns),
        THAW_INT(thaw_divide_up(geometry->in_channels, geometry->in_block)),
        THAW_INT(thaw_divide_up(geometry->out_channels, geometry->out_block)), THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]), THAW_INT(geometry->out[1]), THAW_INT(geometry->out[2]), THAW_INT(geometry->pad[1]),
        THAW_INT(geometry->pad[2]));
}

const thaw_conv_variant thaw_conv_winograd = {.name = "winograd",
                                              .fits = fits,
                                              .scratch_bytes = scratch_bytes,
                                              .prepare = prepare,
                                              .run = run,
                                              .slices = true,
                                              .adds_in_place = true,
                                              .packed_bytes = packed_bytes,
                                              .pack = pack,
                                              .suits = suits};
const thaw_conv_variant thaw_conv_winograd_fused = {.name = "winograd_fused",
                                                    .fits = fused_fits,
                                                    .prepare = fused_prepare,
                                                    .run = fused_run,
                                                    .slices = true,
                                                    .adds_in_place = true,
                                                    .packed_bytes = fused_packed_bytes,
                                                    .pack = fused_pack,
                                                    .suits = suits};
