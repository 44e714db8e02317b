/* Reorder: the same numbers in another storage, from row-major to blocks of channels (or all of them side by side) or
 * back. Only layout makes it. */
#include "ops/shared/movement.h"

/* Whole blocks and the rest of the channels are two boxes. */
typedef struct reorder {
    thaw_mover whole, rest;
    thaw_mover whole_backward, rest_backward;
    bool pads; /* the output has channels that no input channel goes to: they become 0 */
} reorder;

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(reorder), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &node->inputs[0]->shape);
}

/* From row-major [n, c, h, w] to blocks: `blocks` of them with `lanes` channels each, the first being `first`. */
static thaw_move into_blocks(const thaw_shape *shape, int64_t block, int64_t first, int64_t blocks, int64_t lanes)
{
    const int64_t plane = shape->dims[2] * shape->dims[3], stored = (shape->dims[1] + block - 1) / block;
    return (thaw_move){.rank = 4,
                       .extent = {shape->dims[0], blocks, plane, lanes},
                       .from_stride = {shape->dims[1] * plane, block * plane, 1, plane},
                       .to_stride = {stored * block * plane, block * plane, block, 1},
                       .from_offset = first * block * plane,
                       .to_offset = first * block * plane};
}

static thaw_status prepare(thaw_node *node)
{
    reorder *state = node->state;
    const thaw_value *x = node->inputs[0], *y = node->outputs[0];
    const bool blocks = y->block > 1;
    const int64_t channels = x->shape.dims[1], block = thaw_block_lanes(blocks ? y->block : x->block, channels);
    const int64_t whole = channels / block, rest = channels % block;
    thaw_move first = into_blocks(&x->shape, block, 0, whole, block);
    thaw_move second = into_blocks(&x->shape, block, whole, rest ? 1 : 0, rest);
    first = blocks ? first : thaw_move_reversed(&first);
    second = blocks ? second : thaw_move_reversed(&second);
    state->pads = blocks && rest;
    THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &first, false, &state->whole));
    THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &second, false, &state->rest));
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    first = thaw_move_reversed(&first);
    second = thaw_move_reversed(&second);
    THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &first, true, &state->whole_backward));
    return thaw_mover_prepare(thaw_node_device(node), &second, true, &state->rest_backward);
}

static thaw_status forward(thaw_node *node)
{
    const reorder *state = node->state;
    thaw_buffer *from = node->inputs[0]->buffer, *to = node->outputs[0]->buffer;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    if (state->pads)
        THAW_TRY(thaw_buffer_fill(to, 0, 0, (size_t)thaw_shape_size(&stored) * sizeof(float)));
    THAW_TRY(thaw_mover_run(&state->whole, from, to));
    return thaw_mover_run(&state->rest, from, to);
}

static thaw_status backward(thaw_node *node)
{
    const reorder *state = node->state;
    thaw_buffer *from = node->outputs[0]->gradient, *to = node->inputs[0]->gradient;
    THAW_TRY(thaw_mover_run(&state->whole_backward, from, to));
    return thaw_mover_run(&state->rest_backward, from, to);
}

const thaw_op thaw_op_reorder = {
    .name = "reorder",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
