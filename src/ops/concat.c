/* Concat: inputs one behind the other along an axis. */
#include "ops/shared/movement.h"

#include <stdlib.h>

typedef struct concat_state {
    thaw_move_state *parts; /* [input_count] */
    thaw_mover *first;      /* [input_count]: backward where no gradient is there yet */
} concat_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, SIZE_MAX, 1));
    THAW_TRY(thaw_node_known_attributes(node, "axis"));
    if (!thaw_node_has(node, "axis"))
        return thaw_node_fail(node, THAW_ERR_MODEL, "has no axis");
    for (size_t i = 0; i < node->input_count; i++)
        if (!node->inputs[i])
            return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu is missing", i);
    thaw_context *context = thaw_node_context(node);
    THAW_TRY(thaw_allocate(context, 1, sizeof(concat_state), &node->state));
    concat_state *state = node->state;
    THAW_TRY(thaw_allocate(context, node->input_count, sizeof *state->first, &state->first));
    return thaw_allocate(context, node->input_count, sizeof *state->parts, &state->parts);
}

/* Adds input `index` to the output's shape; all dimensions but the axis must agree. */
static thaw_status add_shape(const thaw_node *node, size_t index, int32_t axis, thaw_shape *shape)
{
    const thaw_shape *part = &node->inputs[index]->shape;
    char first[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
    bool fits = part->rank == shape->rank;
    for (int32_t i = 0; i < shape->rank && fits; i++)
        fits = i == axis || part->dims[i] == shape->dims[i];
    if (!fits)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %zu is %s, input 0 is %s, to be joined along axis %d", index,
                              thaw_shape_text(part, other), thaw_shape_text(&node->inputs[0]->shape, first), axis);
    if (part->dims[axis] > INT64_MAX - shape->dims[axis])
        return thaw_node_fail(node, THAW_ERR_SIZE, "the inputs together are too long");
    shape->dims[axis] += part->dims[axis];
    return THAW_OK;
}

/* Float types may be mixed where the device computes (in float32); constants must be of one type. */
static thaw_status check_types(const thaw_node *node)
{
    bool constant = true;
    for (size_t i = 0; i < node->input_count; i++)
        constant = constant && node->inputs[i]->constant;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_dtype first = node->inputs[0]->dtype, dtype = node->inputs[i]->dtype;
        THAW_TRY(thaw_move_check_input(node, i));
        if (dtype != first && (constant || !thaw_dtype_is_float(dtype) || !thaw_dtype_is_float(first)))
            return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu is %s, input 0 is %s", i, thaw_dtype_text(dtype),
                                  thaw_dtype_text(first));
    }
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    concat_state *state = node->state;
    thaw_shape shape = node->inputs[0]->shape;
    int64_t strides[THAW_MAX_RANK];
    int32_t axis;
    THAW_TRY(check_types(node));
    THAW_TRY(thaw_node_axis(node, thaw_node_int(node, "axis", 0), shape.rank, &axis));
    for (size_t i = 1; i < node->input_count; i++)
        THAW_TRY(add_shape(node, i, axis, &shape));
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &shape));

    thaw_shape_strides(&shape, strides);
    int64_t offset = 0;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_move part = thaw_move_into(&node->inputs[i]->shape);
        thaw_move *move = &state->parts[i].move;
        *move = part;
        for (int32_t d = 0; d < part.rank; d++) {
            move->from_stride[d] = part.to_stride[d];
            move->to_stride[d] = strides[d];
        }
        move->to_offset = offset;
        offset += node->inputs[i]->shape.dims[axis] * strides[axis];
    }
    return THAW_OK;
}

/* All channels side by side: each pixel's part is a piece of memory. */
static void move_pixels(thaw_node *node)
{
    concat_state *state = node->state;
    const thaw_shape *y = &node->outputs[0]->shape;
    const int64_t pixels = y->dims[0] * y->dims[2] * y->dims[3];
    int64_t channel = 0;
    for (size_t i = 0; i < node->input_count; i++) {
        const int64_t channels = node->inputs[i]->shape.dims[1];
        state->parts[i].move = (thaw_move){.rank = 2,
                                           .extent = {pixels, channels},
                                           .from_stride = {channels, 1},
                                           .to_stride = {y->dims[1], 1},
                                           .to_offset = channel};
        channel += channels;
    }
}

/* Channels in whole blocks: each image's part is a piece of memory, whatever the order in it. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    bool blocked = false, whole = true;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_value *x = node->inputs[i];
        whole = whole && !x->constant && x->shape.rank == 4 &&
                x->shape.dims[1] % thaw_block_lanes(block, x->shape.dims[1]) == 0;
        blocked = blocked || x->block > 1;
    }
    const int64_t axis = thaw_node_int(node, "axis", 0);
    if (!blocked || !whole || (axis != 1 && axis != 1 - 4))
        return 1;
    if (block == THAW_BLOCK_ALL)
        move_pixels(node);
    for (size_t i = 0; i < node->input_count; i++)
        wanted[i] = block;
    return block;
}

static thaw_status fold(thaw_node *node)
{
    const concat_state *state = node->state;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    for (size_t i = 0; i < node->input_count; i++)
        thaw_move_on_host(&state->parts[i].move, node->inputs[i]->constant, output);
    return THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    concat_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    for (size_t i = 0; i < node->input_count; i++) {
        thaw_move_state *part = &state->parts[i];
        const thaw_move reversed = thaw_move_reversed(&part->move);
        THAW_TRY(thaw_mover_prepare(device, &part->move, false, &part->forward));
        if (node->inputs[i]->gradient) {
            THAW_TRY(thaw_mover_prepare(device, &reversed, true, &part->backward));
            THAW_TRY(thaw_mover_prepare(device, &reversed, false, &state->first[i]));
        }
    }
    return THAW_OK;
}

static thaw_status forward(thaw_node *node)
{
    const concat_state *state = node->state;
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i]->whole != node->outputs[0]) /* else it was written in its place */
            THAW_TRY(thaw_mover_run(&state->parts[i].forward, node->inputs[i]->buffer, node->outputs[0]->buffer));
    return THAW_OK;
}

static thaw_status backward(thaw_node *node)
{
    const concat_state *state = node->state;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_mover *mover = thaw_node_overwrites(node, i) ? &state->first[i] : &state->parts[i].backward;
        if (node->inputs[i]->gradient)
            THAW_TRY(thaw_mover_run(mover, node->outputs[0]->gradient, node->inputs[i]->gradient));
    }
    return THAW_OK;
}

static void release(thaw_node *node)
{
    concat_state *state = node->state;
    free(state->parts);
    free(state->first);
}

const thaw_op thaw_op_concat = {
    .name = "concat",
    .onnx_type = "Concat",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
