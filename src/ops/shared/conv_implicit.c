/* Convolutions into NHWC as a matrix product in local memory whose left operand is never written down:
 * cl/conv_implicit.cl says how. */
#include "ops/shared/conv_nhwc.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH   16 /* as in the kernel */
#define OUTSIDE ((int32_t)1 << 30)
#define QUAD    4

/* What a work-group computes, by descending size: a device takes the first it can from a variant's own on. */
typedef struct tile {
    int items_m, items_n;       /* work-items along pixels and output channels */
    int per_item_m, per_item_n; /* results of one of them */
} tile;

static const tile tiles[] = {
    {16, 16, 8, 8}, /* 128 x 128 */
    {16, 8, 8, 8},  /* 128 x 64 */
    {16, 8, 4, 8},  /* 64 x 64 */
    {8, 8, 4, 4},   /* 32 x 32 */
};
#define TILE_COUNT ((int)(sizeof tiles / sizeof *tiles))

/* One of the kernel's taps: elements from the window's first, place in the window. */
typedef struct tap {
    int32_t at, h, w, unused;
} tap;

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

static int64_t filled_depth(const thaw_conv_geometry *geometry)
{
    return round_up(thaw_conv_depth(geometry), DEPTH);
}

static int64_t filled_columns(const thaw_conv *conv)
{
    const tile *t = &tiles[conv->tile];
    return round_up(thaw_conv_group_out(&conv->geometry), t->items_n * t->per_item_n);
}

static size_t local_bytes(const tile *t)
{
    const int rows = t->items_m * t->per_item_m, columns = t->items_n * t->per_item_n;
    return (size_t)(DEPTH * (rows + 4 + columns)) * sizeof(float);
}

/* Quads of channels can be read at once. */
static bool reads_quads(const thaw_conv_geometry *geometry)
{
    return geometry->in_block == THAW_BLOCK_ALL && geometry->in_channels / geometry->groups % QUAD == 0;
}

/* As the kernel has them: `taps` has an element for each, or for each four of them. */
static void list_taps(const thaw_conv_geometry *geometry, tap *taps)
{
    const thaw_conv_strides x = thaw_conv_input_strides(geometry);
    const int64_t step = reads_quads(geometry) ? QUAD : 1, group_in = geometry->in_channels / geometry->groups;
    const int64_t width = geometry->in[2] * x.column;
    int64_t count = 0;
    for (int64_t r = 0; r < geometry->kernel[1]; r++)
        for (int64_t s = 0; s < geometry->kernel[2]; s++)
            for (int64_t c = 0; c < group_in; c += step) {
                const int64_t h = r * geometry->dilation[1], w = s * geometry->dilation[2];
                taps[count++] = (tap){(int32_t)(h * width + w * x.column + c * x.channel), (int32_t)h, (int32_t)w, 0};
            }
    while (count < filled_depth(geometry) / step)
        taps[count++] = (tap){0, OUTSIDE, OUTSIDE, 0};
}

static thaw_status make_taps(const thaw_node *node, thaw_conv *conv)
{
    const size_t count = (size_t)(filled_depth(&conv->geometry) / (reads_quads(&conv->geometry) ? QUAD : 1));
    tap *taps;
    THAW_TRY(thaw_allocate(thaw_node_context(node), count, sizeof *taps, &taps));
    list_taps(&conv->geometry, taps);
    thaw_status status = thaw_buffer_create(thaw_node_device(node), count * sizeof *taps, &conv->taps);
    if (status == THAW_OK)
        status = thaw_buffer_write(conv->taps, 0, taps, count * sizeof *taps);
    free(taps);
    return status;
}

static thaw_status get_kernel(const thaw_node *node, const thaw_conv_geometry *geometry, const tile *t,
                              thaw_kernel **kernel)
{
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 128];
    snprintf(options, sizeof options, "%s -DBLOCK=%d -DITEMS_M=%d -DITEMS_N=%d -DTILE_M=%d -DTILE_N=%d%s%s",
             thaw_epilogue_options(node, false, epilogue), QUAD, t->items_m, t->items_n, t->per_item_m, t->per_item_n,
             reads_quads(geometry) ? " -DVECTOR" : "", thaw_conv_nhwc_aligned(node, geometry) ? " -DALIGNED" : "");
    return thaw_kernel_get(thaw_node_device(node), "conv_implicit", "conv_implicit", options, kernel);
}

/* The first tile from conv->tile on whose work-groups and local memory the device has, TILE_COUNT if there is none. */
static thaw_status choose_tile(const thaw_node *node, thaw_conv *conv)
{
    const thaw_device_info *info = thaw_device_describe(thaw_node_device(node));
    for (; conv->tile < TILE_COUNT; conv->tile++) {
        const tile *t = &tiles[conv->tile];
        const size_t items = (size_t)(t->items_m * t->items_n);
        if (items > info->max_work_group || local_bytes(t) > info->local_bytes)
            continue;
        THAW_TRY(get_kernel(node, &conv->geometry, t, &conv->kernel));
        if (items <= thaw_kernel_max_group(conv->kernel))
            break;
    }
    return THAW_OK;
}

/* `first` is the tile that the variant stands for. Where the device has room for none, the direct kernel does it. */
static thaw_status prepare_from(const thaw_node *node, thaw_conv *conv, int first)
{
    conv->tile = first;
    THAW_TRY(choose_tile(node, conv));
    if (conv->tile != first)
        thaw_log(thaw_node_context(node), THAW_LOG_DEBUG, "%s: %s is too large for the device: %s instead", node->name,
                 conv->variant->name, conv->tile == TILE_COUNT ? thaw_conv_nhwc_direct.name : "a smaller tile");
    if (conv->tile == TILE_COUNT)
        return thaw_conv_nhwc_direct.prepare(node, conv);
    THAW_TRY(make_taps(node, conv));
    return thaw_conv_nhwc_pack(node, conv, filled_depth(&conv->geometry), filled_columns(conv));
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    if (conv->tile == TILE_COUNT)
        return thaw_conv_nhwc_direct.run(node, conv);
    const thaw_conv_geometry *geometry = &conv->geometry;
    const tile *t = &tiles[conv->tile];
    const thaw_conv_strides x = thaw_conv_input_strides(geometry);
    const int64_t pixels = geometry->n * thaw_conv_pixels(geometry), columns = filled_columns(conv);
    const int64_t rows = t->items_m * t->per_item_m, items = t->items_m * t->items_n;
    int64_t offset, stride;
    thaw_value_place(node->outputs[0], &offset, &stride);
    thaw_range range = THAW_RANGE_2(round_up(pixels, rows) / rows * (columns / (t->items_n * t->per_item_n)) * items,
                                    geometry->groups);
    range.local[0] = (size_t)items;
    return thaw_kernel_launch(
        conv->kernel, range, THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias), THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_BUFFER(conv->taps), THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_LONG(offset),
        THAW_INT(thaw_value_pixel(node->outputs[0])), THAW_INT(pixels), THAW_INT(filled_depth(geometry)),
        THAW_INT(columns), THAW_INT(thaw_conv_group_out(geometry)), THAW_INT(geometry->out_channels),
        THAW_LONG(x.image), THAW_INT(geometry->in[2] * x.column), THAW_INT(x.column),
        THAW_LONG(geometry->in_channels / geometry->groups * x.channel), THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]), THAW_INT(geometry->out[1]), THAW_INT(geometry->out[2]),
        THAW_INT(geometry->stride[1]), THAW_INT(geometry->stride[2]), THAW_INT(geometry->pad[1]),
        THAW_INT(geometry->pad[2]));
}

/* A tile of more columns than this pays where its columns are used. */
static bool large_fits(const thaw_conv_geometry *geometry)
{
    return thaw_conv_group_out(geometry) > 64 && thaw_conv_nhwc_counts(geometry);
}

static thaw_status prepare_large(const thaw_node *node, thaw_conv *conv)
{
    return prepare_from(node, conv, 0);
}

static thaw_status prepare_usual(const thaw_node *node, thaw_conv *conv)
{
    return prepare_from(node, conv, 1);
}

static thaw_status prepare_middle(const thaw_node *node, thaw_conv *conv)
{
    return prepare_from(node, conv, 2);
}

static thaw_status prepare_small(const thaw_node *node, thaw_conv *conv)
{
    return prepare_from(node, conv, 3);
}

const thaw_conv_variant thaw_conv_implicit_large = {
    .name = "implicit_128x128", .fits = large_fits, .prepare = prepare_large, .run = run, .slices = true};
const thaw_conv_variant thaw_conv_implicit = {
    .name = "implicit", .fits = thaw_conv_nhwc_counts, .prepare = prepare_usual, .run = run, .slices = true};
const thaw_conv_variant thaw_conv_implicit_middle = {
    .name = "implicit_64x64", .fits = thaw_conv_nhwc_counts, .prepare = prepare_middle, .run = run, .slices = true};
const thaw_conv_variant thaw_conv_implicit_small = {
    .name = "implicit_32x32", .fits = thaw_conv_nhwc_counts, .prepare = prepare_small, .run = run, .slices = true};
