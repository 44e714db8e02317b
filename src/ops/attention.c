/* Attention: only model/attention.c makes it, in frozen parts. */
#include "ops/shared/attention.h"

#include <stdio.h>

/* Rows of q that a work-item does, as in cl/attention.cl; keys whose scores it can hold. */
enum { ROWS = 4, MOST_KEYS = 1024 };

bool thaw_attention_fits(const thaw_attention *attention, int32_t block)
{
    return attention->keys >= block && attention->keys <= MOST_KEYS && attention->width >= block &&
           attention->width <= INT32_MAX / MOST_KEYS && attention->depth >= 1 &&
           attention->depth <= INT32_MAX / MOST_KEYS && attention->rows >= 1 &&
           attention->rows <= INT32_MAX / MOST_KEYS;
}

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_attention), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_attention *state = node->state;
    thaw_shape y = node->inputs[0]->shape;
    y.dims[y.rank - 1] = state->width;
    node->flops = 2 * state->stack * state->rows * state->keys * (state->depth + state->width);
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y);
}

static thaw_status prepare(thaw_node *node)
{
    thaw_attention *state = node->state;
    const int32_t width = thaw_device_width(thaw_node_device(node));
    const bool two = state->keys >= 2 * (int64_t)width && state->width >= 2 * (int64_t)width;
    char options[64];
    snprintf(options, sizeof options, "-DBLOCK=%d -DKEY_BLOCKS=%d -DVECTORS=%d%s", (int)width,
             (int)((state->keys + width - 1) / width), two ? 2 : 1, state->period ? " -DBIAS" : "");
    return thaw_kernel_get(thaw_node_device(node), "attention", "attention", options, &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_attention *state = node->state;
    thaw_range range = THAW_RANGE_2((state->rows + ROWS - 1) / ROWS, state->stack);
    range.local[0] = 1;
    if (state->stack == 0)
        return THAW_OK;
    return thaw_kernel_launch(
        state->kernel, range, THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(node->inputs[1]->buffer), THAW_BUFFER(node->inputs[2]->buffer),
        THAW_BUFFER(state->period ? node->inputs[3]->buffer : NULL), THAW_FLOAT(state->scale), THAW_INT(state->rows),
        THAW_INT(state->depth), THAW_INT(state->keys), THAW_INT(state->width), THAW_INT(state->period));
}

const thaw_op thaw_op_attention = {
    .name = "attention",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
};
