/* Convolutions in blocks of channels, summed up in registers: cl/conv_tiled.cl says how. */
#include "ops/shared/conv_variants.h"

#include <stdio.h>

#define MOST_COLUMNS   16 /* as in cl/conv_tiled.cl */
#define ELEMENT_LIMIT  ((int64_t)1 << 30)
#define ITEMS_PER_CORE 16

/* How a geometry is cut up. Counts are per group. */
typedef struct tiling {
    int64_t block; /* channels in a block */
    int64_t in_blocks, out_blocks;
    int64_t stack; /* output blocks computed together; the last stack may lack some */
    int64_t stacks;
    int64_t tile; /* output pixels computed together */
} tiling;

/* As many sums as leave room for the weights and one number of the input among a CPU's vector registers: 32 where
 * blocks of 4 or 16 suit it (NEON, AVX-512), else 16. */
int64_t thaw_conv_tile(int64_t block, int64_t stack)
{
    static const int64_t tiles[3][4] = {{12, 8, 6, 6}, {12, 6, 4, 3}, {14, 14, 9, 6}};
    return tiles[block == 4 ? 0 : block == 8 ? 1 : 2][stack - 1];
}

/* Is every window a pixel of the input? */
static bool reads_pixels(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != 1 || geometry->pad[axis] != 0 ||
            (geometry->out[axis] - 1) * geometry->stride[axis] >= geometry->in[axis])
            return false;
    return true;
}

/* Are these all pixels, in the same order? */
static bool is_pointwise(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->stride[axis] != 1 || geometry->in[axis] != geometry->out[axis])
            return false;
    return reads_pixels(geometry);
}

/* Pixels that tiles of `tile` compute in vain. */
static int64_t pixels_in_vain(const thaw_conv_geometry *geometry, int64_t tile)
{
    const int64_t pixels = geometry->n * thaw_conv_pixels(geometry);
    return thaw_divide_up(pixels, tile) * tile - pixels;
}

/* Whether a tile of one pixel more, which leaves no register for a number of the input and loads it with every use,
 * is the better one: there are few pixels, and fewer in vain. */
static bool takes_one_more(const thaw_conv_geometry *geometry, int64_t tile)
{
    const int64_t vain = pixels_in_vain(geometry, tile);
    return vain * 16 > geometry->n * thaw_conv_pixels(geometry) && pixels_in_vain(geometry, tile + 1) < vain;
}

/* Pixels of windows have a pointer each, and with as many sums as registers could hold some of them go through memory.
 * Tiles that end with the rows need not add up kernel rows that lie above or below the image for all of them. */
static int64_t tile_of_windows(const thaw_conv_geometry *geometry, int64_t tile, int64_t stack)
{
    enum { FEWEST = 7, MOST_SUMS = 24 };
    const int64_t most = tile * stack <= MOST_SUMS ? tile : MOST_SUMS / stack;
    for (int64_t even = most; even >= FEWEST; even--)
        if (geometry->out[2] % even == 0)
            return even;
    return most;
}

/* Four blocks, where 32 registers hold them, share each number of the input: fewer loads. Windows take them unless
 * images are so small that most tiles of few pixels would cross the end of a row or an image. */
static int64_t stack_of(const thaw_conv_geometry *geometry, int64_t block, int64_t out_blocks)
{
    enum { FEW_PIXELS = 64 };
    if (block == 8 || out_blocks % 4 != 0)
        return thaw_conv_stack(out_blocks);
    const bool crossing = !reads_pixels(geometry) && thaw_conv_pixels(geometry) < FEW_PIXELS;
    return crossing ? thaw_conv_stack(out_blocks) : 4;
}

int64_t thaw_conv_stack(int64_t blocks)
{
    return blocks % 2 == 0 ? 2 : blocks % 3 == 0 ? 3 : blocks == 1 ? 1 : 2;
}

static tiling cut(const thaw_conv_geometry *geometry)
{
    tiling t = {.block = geometry->out_block};
    t.in_blocks = thaw_divide_up(geometry->in_channels / geometry->groups, t.block);
    t.out_blocks = thaw_divide_up(geometry->out_channels / geometry->groups, t.block);
    t.stack = stack_of(geometry, t.block, t.out_blocks);
    t.stacks = thaw_divide_up(t.out_blocks, t.stack);
    t.tile = thaw_conv_tile(t.block, t.stack);
    if (!reads_pixels(geometry))
        t.tile = tile_of_windows(geometry, t.tile, t.stack);
    else if (t.block == 16 && t.stack == 4 && is_pointwise(geometry) && takes_one_more(geometry, t.tile))
        t.tile++;
    return t;
}

/* Groups begin at whole blocks, and what the kernels count fits their ints. */
static bool fits(const thaw_conv_geometry *geometry)
{
    const tiling t = cut(geometry);
    const int64_t in_pixels = geometry->in[1] * geometry->in[2], pixels = thaw_conv_pixels(geometry);
    const int64_t most = ELEMENT_LIMIT / t.block / geometry->n / geometry->groups;
    if (geometry->in_block != t.block || geometry->in[0] != 1 || geometry->out[0] != 1 || geometry->kernel[0] != 1)
        return false;
    if (in_pixels > most / t.in_blocks || pixels > most / t.out_blocks)
        return false;
    return geometry->kernel[2] <= MOST_COLUMNS &&
           (geometry->groups == 1 || (geometry->in_channels / geometry->groups % t.block == 0 &&
                                      geometry->out_channels / geometry->groups % t.block == 0));
}

bool thaw_conv_takes_factors(const thaw_conv_geometry *geometry)
{
    return geometry->groups == 1 && is_pointwise(geometry) && fits(geometry);
}

/* --- weights: behind them, one block of zeros, as floats --- */

static thaw_conv_packing packing(const thaw_conv_geometry *geometry)
{
    const tiling t = cut(geometry);
    return (thaw_conv_packing){
        .groups = geometry->groups,
        .group_in = geometry->in_channels / geometry->groups,
        .group_out = geometry->out_channels / geometry->groups,
        .stacks = t.stacks,
        .width = t.stack * t.block,
        .in_block = t.block,
        .kernel_h = geometry->kernel[1],
        .kernel_w = geometry->kernel[2],
        .spare = geometry->halves ? 2 * t.block : t.block,
        .halves = geometry->halves,
    };
}

static size_t packed_bytes(const thaw_conv_geometry *geometry)
{
    const thaw_conv_packing p = packing(geometry);
    return thaw_conv_packing_bytes(&p);
}

static thaw_status pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_packing p = packing(&conv->geometry);
    const thaw_conv_weight_order order = thaw_conv_order(conv);
    return thaw_conv_pack_weights(node, conv->packed, weights, &p, &order);
}

/* --- running --- */

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const tiling t = cut(geometry);
    char epilogue[THAW_EPILOGUE_OPTIONS], shape[64] = "", options[THAW_EPILOGUE_OPTIONS + 128];
    thaw_epilogue_few_options(node, epilogue);
    if (reads_pixels(geometry))
        snprintf(shape, sizeof shape, " -DPOINTWISE%s%s", is_pointwise(geometry) ? "" : " -DSTRIDED",
                 node->scaled ? " -DSCALED" : "");
    snprintf(options, sizeof options, "%s -DBLOCK=%d -DTILE=%d -DSTACK=%d%s%s", epilogue, (int)t.block, (int)t.tile,
             (int)t.stack, shape, geometry->halves ? " -DHALVES" : "");
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_tiled", "conv_tiled", options, &conv->kernel));
    /* zeros up to the end of the last stack */
    return thaw_conv_pack_bias(node, conv, (geometry->groups * t.out_blocks + t.stack) * t.block);
}

/* Floats of the input that a work-item takes at once: they stay in a core's second-level cache while all output
 * channels go by. The more weights come by for them from farther away, the more they are. */
static int64_t input_at_once(int64_t weights)
{
    enum { LEAST = 32 << 10, MOST = 128 << 10 };
    const int64_t wanted = weights / 4;
    return wanted < LEAST ? LEAST : wanted < MOST ? wanted : MOST;
}

/* What input_at_once() says, in even shares and so few that every core has work, be it of other stacks where weights
 * are more than the input. */
int64_t thaw_conv_pieces_at_once(const thaw_node *node, const thaw_conv_geometry *geometry, int64_t stacks,
                                 int64_t count, int64_t floats_per_piece)
{
    enum { FEWEST_STACKS_PER_CORE = 4 };
    const int64_t cores = (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    if (thaw_device_ends_loops(thaw_node_device(node)))
        return 1;
    const int64_t weights = geometry->out_channels * thaw_conv_depth(geometry);
    const bool heavy =
        weights > count * floats_per_piece * geometry->groups && stacks >= FEWEST_STACKS_PER_CORE * cores;
    const int64_t even = heavy ? count : count * stacks / (ITEMS_PER_CORE * cores);
    const int64_t most = input_at_once(weights) / floats_per_piece, pieces = even < most ? even : most;
    return pieces <= 1 ? 1 : thaw_divide_up(count, thaw_divide_up(count, pieces));
}

/* Of a window's step along `axis`, what it reads. */
static int64_t columns_read(const thaw_conv_geometry *geometry, int axis)
{
    return geometry->stride[axis] < geometry->kernel[axis] ? geometry->stride[axis] : geometry->kernel[axis];
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const tiling t = cut(geometry);
    const int64_t read = columns_read(geometry, 1) * columns_read(geometry, 2), stacks = geometry->groups * t.stacks;
    const int64_t pixels = thaw_conv_pixels(geometry), count = geometry->n * pixels;
    const int64_t at_once = t.tile * thaw_conv_pieces_at_once(node, geometry, stacks, thaw_divide_up(count, t.tile),
                                                              t.tile * read * t.in_blocks * t.block);
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const bool pointwise = is_pointwise(geometry);
    int64_t y_offset, y_image;
    thaw_argument arguments[26] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed),
        THAW_BUFFER(conv->packed_bias),
        THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(epilogue.alpha),
        THAW_FLOAT(epilogue.beta),
    };
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    const int64_t numbers[] = {
        count,
        at_once,
        t.in_blocks,
        t.out_blocks,
        pointwise ? 1 : geometry->in[1],
        pointwise ? pixels : geometry->in[2],
        pointwise ? 1 : geometry->out[1],
        pointwise ? pixels : geometry->out[2],
        geometry->kernel[1],
        geometry->kernel[2],
        geometry->stride[1],
        geometry->stride[2],
        geometry->dilation[1],
        geometry->dilation[2],
        geometry->pad[1],
        geometry->pad[2],
    };
    arguments[7] = THAW_LONG(y_offset);
    arguments[8] = THAW_LONG(y_image);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        arguments[9 + i] = THAW_INT(numbers[i]);
    if (node->scaled)
        arguments[25] = THAW_BUFFER(node->inputs[3]->buffer);
    return thaw_kernel_run_pieces(conv->kernel, THAW_PIECES(stacks, thaw_divide_up(count, at_once), 1), arguments,
                                  node->scaled ? 26 : 25);
}

const thaw_conv_variant thaw_conv_tiled = {.name = "tiled",
                                           .fits = fits,
                                           .prepare = prepare,
                                           .run = run,
                                           .slices = true,
                                           .adds_in_place = true,
                                           .packed_bytes = packed_bytes,
                                           .pack = pack};
