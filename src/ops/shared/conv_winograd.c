/* 3x3 convolutions with stride 1 by minimal filtering F(4x4, 3x3) on blocks of channels: see cl/conv_winograd.cl. */
#include "ops/shared/conv_variants.h"

#include <limits.h>
#include <stdio.h>

#define TILE            4  /* outputs along each side */
#define PRODUCTS        36 /* (TILE + 2)^2 */
#define GAP             16 /* floats between rows of the transformed input, as in the kernels */
#define MOST_GROUPS     8  /* that a work-item multiplies with the same weights */
#define FEW_GROUPS      4
#define CACHED_BYTES    ((int64_t)2 << 20) /* weights of this size stay in a cache while others come and go */
#define CHUNK_BYTES     ((int64_t)4 << 20) /* of transformed input, or MOST_GROUPS where that is more */
#define FEWEST_CHANNELS 4
#define OPTIONS         48

/* How the output is cut. */
typedef struct tiling {
    int64_t rows, columns, tiles; /* of all images */
    int64_t size;                 /* tiles in a group */
    int64_t groups;
    int64_t group_bytes; /* of transformed input */
    int64_t chunk;       /* groups that are transformed, then multiplied, before the next are */
} tiling;

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What the registers of a device with this vector width hold, two accumulators a tile (16 registers in AVX2, 32 in
 * AVX-512 and NEON); half of it where most would stay empty otherwise. */
static int64_t group_size(int64_t tiles, int32_t block)
{
    const int64_t most = block == 16 ? 14 : block == 8 ? 6 : 8, half = most / 2 + 1;
    return divide_up(tiles, half) * half <= divide_up(tiles, most) * most * 3 / 4 ? half : most;
}

static tiling find_tiling(const thaw_conv_geometry *geometry)
{
    const int32_t block = geometry->in_block;
    tiling t = {.rows = divide_up(geometry->out[1], TILE), .columns = divide_up(geometry->out[2], TILE)};
    t.tiles = geometry->n * t.rows * t.columns;
    t.size = group_size(t.tiles, block);
    t.groups = divide_up(t.tiles, t.size);
    t.group_bytes = PRODUCTS * divide_up(geometry->in_channels, block) * t.size * block * (int64_t)sizeof(float);
    const int64_t most = CHUNK_BYTES / t.group_bytes / MOST_GROUPS * MOST_GROUPS;
    t.chunk = smaller(t.groups, most ? most : MOST_GROUPS);
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
           find_tiling(geometry).tiles <= INT_MAX / 2;
}

static size_t scratch_bytes(const thaw_conv_geometry *geometry)
{
    const tiling t = find_tiling(geometry);
    return (size_t)(t.chunk * t.group_bytes) + PRODUCTS * GAP * sizeof(float);
}

static void write_sizes(const thaw_conv_geometry *geometry, char sizes[OPTIONS])
{
    snprintf(sizes, OPTIONS, "-DBLOCK=%d -DTILES=%d", (int)geometry->out_block, (int)find_tiling(geometry).size);
}

/* Channels of the packed weights: whole blocks of the input, pairs of blocks of the output. */
static int64_t packed_in(const thaw_conv_geometry *geometry)
{
    return divide_up(geometry->in_channels, geometry->in_block) * geometry->in_block;
}

static int64_t packed_out_blocks(const thaw_conv_geometry *geometry)
{
    return divide_up(geometry->out_channels, 2 * geometry->out_block) * 2;
}

static size_t packed_bytes(const thaw_conv_geometry *geometry)
{
    return (size_t)(PRODUCTS * packed_in(geometry) * packed_out_blocks(geometry) * geometry->out_block) * sizeof(float);
}

static thaw_status pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_weight_order order = thaw_conv_order(conv);
    char sizes[OPTIONS];
    thaw_kernel *kernel;
    write_sizes(geometry, sizes);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_winograd", "winograd_weights", sizes, &kernel));
    return thaw_kernel_launch(kernel, THAW_RANGE_2(packed_in(geometry), packed_out_blocks(geometry)),
                              THAW_BUFFER(conv->packed), THAW_BUFFER(weights), THAW_INT(geometry->in_channels),
                              THAW_INT(geometry->out_channels), THAW_LONG(order.offset), THAW_LONG(order.out),
                              THAW_LONG(order.in), THAW_LONG(order.tap));
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    char sizes[OPTIONS], epilogue[THAW_EPILOGUE_OPTIONS], options[OPTIONS + THAW_EPILOGUE_OPTIONS + 16];
    write_sizes(&conv->geometry, sizes);
    snprintf(options, sizeof options, "%s -DGROUPS=%d %s", sizes, MOST_GROUPS,
             thaw_epilogue_options(node, false, epilogue));
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_winograd", "winograd_input", sizes, &conv->kernel));
    THAW_TRY(
        thaw_kernel_get(thaw_node_device(node), "conv_winograd", "winograd_output", options, &conv->second_kernel));
    const int64_t block = conv->geometry.out_block;
    return thaw_conv_pack_bias(node, conv, divide_up(conv->geometry.out_channels, block) * block);
}

/* Groups for one work-item: few, whose transformed input stays in a core's cache while all weights go by; more where
 * weights come from memory; fewer if cores had nothing to do. */
static int64_t groups_at_once(const thaw_node *node, const thaw_conv *conv, int64_t groups, int64_t pairs)
{
    const int64_t items = 4 * (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t most = (int64_t)packed_bytes(&conv->geometry) > CACHED_BYTES ? MOST_GROUPS : FEW_GROUPS;
    const int64_t shared = groups * pairs / items;
    return shared < 1 ? 1 : smaller(shared, most);
}

static thaw_status run_chunk(const thaw_node *node, const thaw_conv *conv, const tiling *t, int64_t first,
                             int64_t count)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t in_blocks = divide_up(geometry->in_channels, geometry->in_block);
    const int64_t out_blocks = divide_up(geometry->out_channels, geometry->out_block);
    const int64_t pairs = divide_up(out_blocks, 2), step = groups_at_once(node, conv, count, pairs);
    thaw_buffer *scratch = thaw_node_scratch(node);
    int64_t y_offset, y_image;
    const thaw_range input = {{(size_t)in_blocks, (size_t)count, 1}, {1, 1, 1}};
    const thaw_range output = {{(size_t)pairs, (size_t)divide_up(count, step), 1}, {1, 1, 1}};
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    THAW_TRY(thaw_kernel_launch(conv->kernel, input, THAW_BUFFER(scratch), THAW_BUFFER(node->inputs[0]->buffer),
                                THAW_INT(first), THAW_INT(t->tiles), THAW_INT(t->rows), THAW_INT(t->columns),
                                THAW_INT(geometry->in[1]), THAW_INT(geometry->in[2]), THAW_INT(geometry->pad[1]),
                                THAW_INT(geometry->pad[2])));
    return thaw_kernel_launch(
        conv->second_kernel, output, THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(scratch),
        THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias), THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_LONG(y_offset), THAW_LONG(y_image),
        THAW_INT(first), THAW_INT(count), THAW_INT(step), THAW_INT(t->tiles), THAW_INT(t->rows), THAW_INT(t->columns),
        THAW_INT(in_blocks), THAW_INT(out_blocks), THAW_INT(geometry->out[1]), THAW_INT(geometry->out[2]));
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const tiling t = find_tiling(&conv->geometry);
    for (int64_t first = 0; first < t.groups; first += t.chunk)
        THAW_TRY(run_chunk(node, conv, &t, first, smaller(t.chunk, t.groups - first)));
    return THAW_OK;
}

const thaw_conv_variant thaw_conv_winograd = {"winograd", fits, scratch_bytes, prepare, run, true, packed_bytes, pack};
