/* Convolutions in blocks of channels, summed up in registers: cl/conv_tiled.cl says how. */
#include "ops/shared/conv_variants.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Channels of one group in blocks; a pair is two neighbouring output blocks, the last may lack its second. */
typedef struct blocks {
    int64_t block, in, out, pairs;
} blocks;

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static blocks count_blocks(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block;
    const int64_t out = divide_up(geometry->out_channels / geometry->groups, block);
    return (blocks){block, divide_up(geometry->in_channels / geometry->groups, block), out, divide_up(out, 2)};
}

/* Groups begin at whole blocks, and what the kernel counts fits its ints. */
static bool fits(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block, most = INT_MAX / (2 * block);
    if (geometry->in[0] != 1 || geometry->out[0] != 1 || geometry->kernel[0] != 1 || geometry->in_block != block)
        return false;
    if (geometry->groups > 1 && (geometry->in_channels / geometry->groups % block != 0 ||
                                 geometry->out_channels / geometry->groups % block != 0))
        return false;
    return geometry->in[1] * geometry->in[2] < most && thaw_conv_pixels(geometry) < most / geometry->n;
}

/* Pixels in a tile: as many as leave two registers for weights and one for a number where there are 16 vector
 * registers (x86 before AVX-512) or 32. */
static int64_t tile_pixels(int64_t block)
{
    return block == 16 ? 14 : block == 8 ? 6 : 8;
}

/* --- weights --- */

/* Where kernel position 0 of output channel `k` and input channel `c` (of its group) lies in the packed weights; the
 * positions are 2 * block * block apart. */
static int64_t packed_place(const thaw_conv_geometry *geometry, const blocks *b, int64_t k, int64_t c)
{
    const int64_t group_out = geometry->out_channels / geometry->groups,
                  positions = geometry->kernel[1] * geometry->kernel[2];
    const int64_t pair = k / group_out * b->pairs + k % group_out / (2 * b->block);
    const int64_t in_block = pair * b->in + c / b->block;
    return (in_block * positions * b->block + c % b->block) * 2 * b->block + k % group_out % (2 * b->block);
}

static void pack(const thaw_conv_geometry *geometry, const blocks *b, const float *weight, float *packed)
{
    const int64_t positions = geometry->kernel[1] * geometry->kernel[2];
    const int64_t group_in = geometry->in_channels / geometry->groups;
    for (int64_t k = 0; k < geometry->out_channels; k++)
        for (int64_t c = 0; c < group_in; c++) {
            float *to = packed + packed_place(geometry, b, k, c);
            for (int64_t i = 0; i < positions; i++, to += 2 * b->block * b->block)
                *to = *weight++;
        }
}

static thaw_status make_buffer(const thaw_node *node, const float *numbers, int64_t count, thaw_buffer **buffer)
{
    const size_t bytes = (size_t)count * sizeof *numbers;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes, buffer));
    return thaw_buffer_write(*buffer, 0, numbers, bytes);
}

static thaw_status pack_weights(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    thaw_context *context = thaw_node_context(node);
    const blocks b = count_blocks(geometry);
    const int64_t positions = geometry->kernel[1] * geometry->kernel[2];
    const int64_t count = geometry->groups * b.pairs * b.in * positions * 2 * b.block * b.block + b.block;
    thaw_tensor *weight;
    float *packed;
    THAW_TRY(thaw_tensor_to_float32(context, node->inputs[1]->constant, &weight));
    thaw_status status = thaw_allocate(context, (size_t)count, sizeof *packed, &packed);
    if (status == THAW_OK) {
        pack(geometry, &b, weight->data, packed);
        status = make_buffer(node, packed, count, &conv->packed);
    }
    free(packed);
    thaw_tensor_release(&weight);
    return status;
}

static thaw_status pack_bias(const thaw_node *node, thaw_conv *conv)
{
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    const int64_t count = divide_up(conv->geometry.out_channels, conv->geometry.out_block) * conv->geometry.out_block;
    float *packed;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *packed, &packed));
    for (int64_t i = 0; bias && i < conv->geometry.out_channels; i++)
        packed[i] = (float)thaw_tensor_get(bias->constant, i);
    const thaw_status status = make_buffer(node, packed, count, &conv->packed_bias);
    free(packed);
    return status;
}

/* --- running --- */

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    const int64_t block = conv->geometry.out_block;
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 48];
    thaw_epilogue_options(node, false, epilogue);
    snprintf(options, sizeof options, "%s -DBLOCK=%d -DTILE=%d", epilogue, (int)block, (int)tile_pixels(block));
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_tiled", "conv_tiled", options, &conv->kernel));
    THAW_TRY(pack_weights(node, conv));
    return pack_bias(node, conv);
}

/* Pixels for one work-item: so many that weights are worth fetching, but whose input stays in a core's second-level
 * cache while all output channels go by, and that leave work for every core. */
static int64_t pixels_at_once(const thaw_conv_geometry *geometry, const blocks *b)
{
    enum { INPUT_BYTES = 128 << 10, LEAST_ITEMS = 32 };
    const int64_t tile = tile_pixels(b->block);
    const int64_t tile_bytes =
        tile * geometry->stride[1] * geometry->stride[2] * b->in * b->block * (int64_t)sizeof(float);
    const int64_t tiles = divide_up(geometry->n * thaw_conv_pixels(geometry), tile);
    int64_t count = INPUT_BYTES / tile_bytes;
    if (count > tiles * b->pairs * geometry->groups / LEAST_ITEMS)
        count = tiles * b->pairs * geometry->groups / LEAST_ITEMS;
    return (count < 1 ? 1 : count) * tile;
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const blocks b = count_blocks(geometry);
    const int64_t pixels = geometry->n * thaw_conv_pixels(geometry), at_once = pixels_at_once(geometry, &b);
    int64_t y_offset, y_image;
    thaw_range range = THAW_RANGE_2(geometry->groups * b.pairs, divide_up(pixels, at_once));
    range.local[0] = 1;
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    return thaw_kernel_launch(
        conv->kernel, range, THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias), THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_LONG(y_offset), THAW_LONG(y_image),
        THAW_INT(pixels), THAW_INT(at_once), THAW_INT(b.in), THAW_INT(b.out), THAW_INT(b.pairs),
        THAW_INT(geometry->in[1]), THAW_INT(geometry->in[2]), THAW_INT(geometry->out[1]), THAW_INT(geometry->out[2]),
        THAW_INT(geometry->kernel[1]), THAW_INT(geometry->kernel[2]), THAW_INT(geometry->stride[1]),
        THAW_INT(geometry->stride[2]), THAW_INT(geometry->dilation[1]), THAW_INT(geometry->dilation[2]),
        THAW_INT(geometry->pad[1]), THAW_INT(geometry->pad[2]));
}

const thaw_conv_variant thaw_conv_tiled = {"tiled", fits, NULL, prepare, run};
