/* ChannelNormalization: a LayerNormalization over axis 1 of [n, c, h, w]. Only channels_last makes it. */
#include "ops/shared/channel_normalization.h"
#include "ops/shared/normalization.h"
#include "ops/shared/weights.h"

#include <limits.h>
#include <stdio.h>

enum { X, SCALE, SHIFT };

typedef struct channel_normalization {
    thaw_normalization rows; /* first: with all channels side by side a pixel is a row like any other */
    int32_t block;
    thaw_kernel *kernel;
    thaw_buffer *scale, *shift; /* [channels up to a whole block]; in blocks only */
} channel_normalization;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(channel_normalization), &node->state));
    channel_normalization *state = node->state;
    state->rows.epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    state->block = 1;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_normalization *rows = &((channel_normalization *)node->state)->rows;
    const thaw_shape *x = &node->inputs[X]->shape;
    rows->rows = x->dims[0] * thaw_shape_span(x, 2, 4);
    rows->length = x->dims[1];
    rows->inner = rows->groups = 1;
    return thaw_normalization_infer(node);
}

/* As what comes in: to reorder that first would be another pass over memory. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    channel_normalization *state = node->state;
    if (node->inputs[X]->block > 1)
        state->block = wanted[X] = block;
    node->packs_weights = state->block > 1 && block != THAW_BLOCK_ALL;
    return state->block;
}

static bool in_blocks(const channel_normalization *state)
{
    return state->block != 1 && state->block != THAW_BLOCK_ALL;
}

static thaw_status prepare(thaw_node *node)
{
    channel_normalization *state = node->state;
    char options[32] = "";
    if (state->block == THAW_BLOCK_ALL)
        return thaw_normalization_prepare(node);
    if (in_blocks(state)) {
        const int64_t count = thaw_divide_up(state->rows.length, state->block) * state->block;
        THAW_TRY(thaw_weights_upload_padded(node, node->inputs[SCALE], count, &state->scale));
        THAW_TRY(thaw_weights_upload_padded(node, thaw_node_input(node, SHIFT), count, &state->shift));
        snprintf(options, sizeof options, "-DBLOCK=%d", (int)state->block);
    } else if (thaw_node_input(node, SHIFT)) {
        snprintf(options, sizeof options, "-DSHIFT");
    }
    return thaw_kernel_get(thaw_node_device(node), "channel_normalization", "channel_normalization", options,
                           &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    enum { RUN = 32 }; /* pixels: what a piece reads again is still in a core's own cache */
    const channel_normalization *state = node->state;
    const thaw_shape *shape = &node->outputs[0]->shape;
    const thaw_value *shift = thaw_node_input(node, SHIFT);
    const int64_t pixels = thaw_shape_span(shape, 2, 4);
    if (state->block == THAW_BLOCK_ALL)
        return thaw_normalization_forward(node);
    const thaw_argument arguments[] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[X]->buffer),
        THAW_BUFFER(in_blocks(state) ? state->scale : node->inputs[SCALE]->buffer),
        THAW_BUFFER(in_blocks(state) ? state->shift
                    : shift          ? shift->buffer
                                     : NULL),
        THAW_INT(shape->dims[1]),
        THAW_INT(pixels),
        THAW_FLOAT(state->rows.epsilon),
        THAW_INT(RUN),
    };
    const size_t count = sizeof arguments / sizeof *arguments;
    if (!in_blocks(state))
        return thaw_kernel_run(state->kernel, THAW_RANGE_2(pixels, shape->dims[0]), arguments, count - 1);
    return thaw_kernel_run_pieces(state->kernel, THAW_PIECES(thaw_divide_up(pixels, RUN), 1, shape->dims[0]), arguments,
                                  count);
}

static void release(thaw_node *node)
{
    channel_normalization *state = node->state;
    thaw_buffer_destroy(&state->scale);
    thaw_buffer_destroy(&state->shift);
}

const thaw_op thaw_op_channel_normalization = {
    .name = "channel_normalization",
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
