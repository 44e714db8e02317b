/* ChannelSelect: channels of one or two inputs, in any order. Only shuffle makes it. */
#include "ops/shared/channel_select.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct channel_select {
    const int64_t *channels; /* [count], the attribute's */
    size_t count;
    int32_t block;
    thaw_buffer *sources; /* int32 [count up to a whole block], -1 where there is no channel */
    thaw_kernel *kernel;
} channel_select;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(channel_select), &node->state));
    channel_select *state = node->state;
    state->channels = thaw_node_ints(node, "channels", &state->count);
    state->block = 1;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const channel_select *state = node->state;
    thaw_shape shape = node->inputs[0]->shape;
    int64_t channels = 0;
    for (size_t i = 0; i < node->input_count; i++)
        channels += node->inputs[i]->shape.dims[1];
    for (size_t i = 0; i < state->count; i++)
        if (state->channels[i] < 0 || state->channels[i] >= channels)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "channel %lld, of %lld", (long long)state->channels[i],
                                  (long long)channels);
    shape.dims[1] = (int64_t)state->count;
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &shape);
}

/* As what comes in: to reorder that first would be another pass over memory. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    channel_select *state = node->state;
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i]->block > 1)
            state->block = block;
    for (size_t i = 0; i < node->input_count; i++)
        wanted[i] = state->block;
    return state->block;
}

static thaw_status make_sources(const thaw_node *node, channel_select *state)
{
    const int64_t lanes = thaw_block_lanes(state->block, (int64_t)state->count);
    const size_t padded = (size_t)(((int64_t)state->count + lanes - 1) / lanes * lanes);
    int32_t *sources;
    THAW_TRY(thaw_allocate(thaw_node_context(node), padded, sizeof *sources, &sources));
    for (size_t i = 0; i < padded; i++)
        sources[i] = i < state->count ? (int32_t)state->channels[i] : -1;
    thaw_status status = thaw_buffer_create(thaw_node_device(node), padded * sizeof *sources, &state->sources);
    if (status == THAW_OK)
        status = thaw_buffer_write(state->sources, 0, sources, padded * sizeof *sources);
    free(sources);
    return status;
}

static bool in_blocks(const channel_select *state)
{
    return state->block != 1 && state->block != THAW_BLOCK_ALL;
}

/* Are the even lanes of each block a run of channels, and the odd ones? PAIRS in cl/channel_select.cl. */
static bool in_pairs(const thaw_node *node, const channel_select *state)
{
    const int64_t block = state->block, first = node->inputs[0]->shape.dims[1];
    for (int64_t k = 0; k < (int64_t)state->count; k++) {
        const int64_t start = state->channels[k / block * block + k % 2], source = state->channels[k];
        const bool second = start >= first;
        const int64_t c = second ? start - first : start, count = node->inputs[second]->shape.dims[1];
        if (source != start + k % block / 2 || second != (source >= first) ||
            c + block / 2 > (count + block - 1) / block * block)
            return false;
    }
    return true;
}

static thaw_status prepare(thaw_node *node)
{
    channel_select *state = node->state;
    char options[32];
    THAW_TRY(make_sources(node, state));
    if (in_blocks(state))
        snprintf(options, sizeof options, "-DBLOCK=%d%s", (int)state->block, in_pairs(node, state) ? " -DPAIRS" : "");
    else
        snprintf(options, sizeof options, "%s", state->block == 1 ? "" : "-DNHWC");
    return thaw_kernel_get(thaw_node_device(node), "channel_select", "channel_select", options, &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    enum { RUN = 256 }; /* pixels: what a piece reads and writes fits into a core's own cache */
    const channel_select *state = node->state;
    const thaw_value *x0 = node->inputs[0], *x1 = node->inputs[node->input_count - 1];
    const thaw_shape *shape = &node->outputs[0]->shape;
    const int64_t pixels = thaw_shape_span(shape, 2, 4);
    const thaw_argument arguments[] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(x0->buffer),
        THAW_BUFFER(x1->buffer),
        THAW_BUFFER(state->sources),
        THAW_INT(x0->shape.dims[1]),
        THAW_INT(x1->shape.dims[1]),
        THAW_INT(pixels),
        THAW_INT(RUN),
    };
    const size_t count = sizeof arguments / sizeof *arguments;
    if (!in_blocks(state))
        return thaw_kernel_run(state->kernel, THAW_RANGE_2(shape->dims[1] * pixels, shape->dims[0]), arguments,
                               count - 1);
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    return thaw_kernel_run_pieces(
        state->kernel, THAW_PIECES(thaw_divide_up(pixels, RUN), stored.dims[1], stored.dims[0]), arguments, count);
}

static void release(thaw_node *node)
{
    channel_select *state = node->state;
    thaw_buffer_destroy(&state->sources);
}

const thaw_op thaw_op_channel_select = {
    .name = "channel_select",
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
