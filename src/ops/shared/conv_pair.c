#include "ops/shared/conv_pair.h"

#include <stdio.h>
#include <stdlib.h>

#define RING           1024 /* as in cl/conv_expand.cl */
#define OUT_TILE       7
#define ITEMS_PER_CORE 8
#define FEWEST_ROWS    4 /* of the output, for one work-item: those that two of them need are computed twice */

/* How a pair is cut up. */
typedef struct cutting {
    int64_t block, in_blocks, blocks;
    int64_t tile, stack; /* pixels of a row and blocks of channels that are expanded together */
    int64_t stacks;
    int64_t pitch; /* columns in a row of the ring */
} cutting;

/* Of the two shapes of tiles that fit a CPU's vector registers, the one that makes fewer pixels of a row twice. */
static void choose_tile(int64_t block, int64_t width, int64_t *tile, int64_t *stack)
{
    static const int64_t shapes[3][2][2] = {{{12, 2}, {7, 3}}, {{6, 2}, {4, 3}}, {{14, 2}, {7, 4}}};
    const int64_t(*shape)[2] = shapes[block == 4 ? 0 : block == 8 ? 1 : 2];
    const int64_t wide = thaw_divide_up(width, shape[0][0]) * shape[0][0];
    const int64_t narrow = thaw_divide_up(width, shape[1][0]) * shape[1][0];
    const int which = width >= shape[0][0] && wide <= narrow ? 0 : 1;
    *tile = shape[which][0];
    *stack = shape[which][1];
}

static cutting cut(const thaw_conv_pair *pair)
{
    const thaw_conv_geometry *depthwise = &pair->depthwise;
    cutting c = {.block = depthwise->in_block};
    c.in_blocks = thaw_divide_up(pair->pointwise.in_channels, c.block);
    c.blocks = thaw_divide_up(depthwise->in_channels, c.block);
    choose_tile(c.block, depthwise->in[2], &c.tile, &c.stack);
    const int64_t row = depthwise->pad[2] + depthwise->in[2];
    const int64_t read =
        (thaw_divide_up(depthwise->out[2], OUT_TILE) * OUT_TILE - 1) * depthwise->stride[2] + depthwise->kernel[2];
    c.pitch = row > read ? row : read;
    c.stack = c.stack < c.blocks ? c.stack : c.blocks;
    c.stack = depthwise->kernel[1] * c.pitch * c.stack > RING ? 1 : c.stack;
    c.stacks = thaw_divide_up(c.blocks, c.stack);
    return c;
}

bool thaw_conv_pair_fits(const thaw_conv_pair *pair)
{
    enum { FEW_CHANNELS = 4, WIDEST = 7, FARTHEST = 4 };
    const thaw_conv_geometry *depthwise = &pair->depthwise;
    const thaw_activation inner = pair->inner.activation;
    if (!thaw_conv_takes_factors(&pair->pointwise) || thaw_conv_sum_parts(depthwise) == 0 ||
        pair->pointwise.in_channels <= FEW_CHANNELS || pair->pointwise.out_channels != depthwise->in_channels ||
        pair->pointwise.halves != depthwise->halves)
        return false;
    const cutting c = cut(pair);
    return (inner == THAW_CLAMP || inner == THAW_HARD_SWISH || inner == THAW_SILU) && depthwise->dilation[1] == 1 &&
           depthwise->dilation[2] == 1 && depthwise->kernel[2] <= WIDEST && depthwise->stride[2] <= FARTHEST &&
           depthwise->in[2] >= c.tile && depthwise->kernel[1] * c.pitch * c.stack <= RING;
}

/* --- weights --- */

static thaw_status upload(const thaw_node *node, const void *packed, size_t bytes, thaw_buffer **buffer)
{
    const thaw_status status = thaw_buffer_create(thaw_node_device(node), bytes, buffer);
    return status == THAW_OK ? thaw_buffer_write(*buffer, 0, packed, bytes) : status;
}

static thaw_status upload_halves(const thaw_node *node, const float *packed, size_t count, thaw_buffer **buffer)
{
    uint16_t *halves;
    THAW_TRY(thaw_allocate(thaw_node_context(node), count, sizeof *halves, &halves));
    thaw_halves_from_floats(packed, count, halves);
    const thaw_status status = upload(node, halves, count * sizeof *halves, buffer);
    free(halves);
    return status;
}

/* Element `i` of output channel k's weights, among `count` of them, lies at (k / width * count + i) * width + k %
 * width. NULL: zeros. */
static thaw_status pack(const thaw_node *node, const thaw_value *value, int64_t channels, int64_t each, int64_t count,
                        int64_t width, int64_t packed_channels, bool halves, thaw_buffer **buffer)
{
    const size_t all = (size_t)(packed_channels * count);
    float *packed;
    THAW_TRY(thaw_allocate(thaw_node_context(node), all, sizeof *packed, &packed));
    for (int64_t k = 0; value && k < channels; k++)
        for (int64_t i = 0; i < each; i++)
            packed[(k / width * count + i) * width + k % width] = (float)thaw_tensor_get(value->constant, k * each + i);
    const thaw_status status =
        halves ? upload_halves(node, packed, all, buffer) : upload(node, packed, all * sizeof *packed, buffer);
    free(packed);
    return status;
}

thaw_status thaw_conv_pair_prepare(const thaw_node *node, thaw_conv_pair *pair)
{
    const cutting c = cut(pair);
    const thaw_conv_geometry *depthwise = &pair->depthwise;
    const int64_t in_channels = pair->pointwise.in_channels, channels = depthwise->in_channels;
    const int64_t packed = c.stacks * c.stack * c.block, window = depthwise->kernel[1] * depthwise->kernel[2];
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 128];
    snprintf(options, sizeof options, "%s -DINNER=%d -DBLOCK=%d -DTILE=%d -DSTACK=%d -DKERNEL_W=%d -DSTRIDE_W=%d%s%s",
             thaw_epilogue_few_options(node, epilogue), (int)pair->inner.activation, (int)c.block, (int)c.tile,
             (int)c.stack, (int)depthwise->kernel[2], (int)depthwise->stride[2], node->sums ? " -DSUMS" : "",
             depthwise->halves ? " -DHALVES" : "");
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_expand", "conv_expand", options, &pair->kernel));
    THAW_TRY(pack(node, node->inputs[1], channels, in_channels, c.in_blocks * c.block, c.stack * c.block, packed,
                  pair->pointwise.halves, &pair->weights[0]));
    THAW_TRY(pack(node, node->inputs[2], channels, 1, 1, c.block, packed, false, &pair->biases[0]));
    THAW_TRY(
        pack(node, node->inputs[3], channels, window, window, c.block, packed, depthwise->halves, &pair->weights[1]));
    return pack(node, node->inputs[4], channels, 1, 1, c.block, packed, false, &pair->biases[1]);
}

void thaw_conv_pair_release(thaw_conv_pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        thaw_buffer_destroy(&pair->weights[i]);
        thaw_buffer_destroy(&pair->biases[i]);
    }
}

/* --- running --- */

static int64_t rows_at_once(const thaw_node *node, const thaw_conv_pair *pair)
{
    return thaw_conv_rows_for_item(node, pair->depthwise.out[1], cut(pair).stacks * pair->depthwise.n, ITEMS_PER_CORE,
                                   FEWEST_ROWS);
}

int64_t thaw_conv_pair_sum_parts(const thaw_node *node, const thaw_conv_pair *pair)
{
    return thaw_divide_up(pair->depthwise.out[1], rows_at_once(node, pair));
}

thaw_status thaw_conv_pair_run(const thaw_node *node, const thaw_conv_pair *pair)
{
    const cutting c = cut(pair);
    const thaw_conv_geometry *depthwise = &pair->depthwise;
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const int64_t rows = rows_at_once(node, pair);
    const thaw_argument arguments[] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(pair->weights[0]),
        THAW_BUFFER(pair->biases[0]),
        THAW_BUFFER(pair->weights[1]),
        THAW_BUFFER(pair->biases[1]),
        THAW_FLOAT(pair->inner.alpha),
        THAW_FLOAT(pair->inner.beta),
        THAW_FLOAT(epilogue.alpha),
        THAW_FLOAT(epilogue.beta),
        THAW_INT(rows),
        THAW_INT(c.pitch),
        THAW_INT(c.in_blocks),
        THAW_INT(c.blocks),
        THAW_INT(depthwise->in[1]),
        THAW_INT(depthwise->in[2]),
        THAW_INT(depthwise->out[1]),
        THAW_INT(depthwise->out[2]),
        THAW_INT(depthwise->kernel[1]),
        THAW_INT(depthwise->stride[1]),
        THAW_INT(depthwise->pad[1]),
        THAW_INT(depthwise->pad[2]),
        THAW_BUFFER(node->sums ? node->outputs[1]->buffer : NULL),
    };
    const size_t count = sizeof arguments / sizeof *arguments;
    return thaw_kernel_run_pieces(pair->kernel,
                                  THAW_PIECES(thaw_divide_up(depthwise->out[1], rows), c.stacks, depthwise->n),
                                  arguments, node->sums ? count : count - 1);
}
