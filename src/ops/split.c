/* Split: pieces one behind the other along an axis: the reverse of Concat. */
#include "ops/shared/movement.h"

#include <stdlib.h>
#include <string.h>

typedef struct split_state {
    thaw_move_state *parts; /* [output_count] */
    int64_t *sizes;         /* [output_count], along the axis */
} split_state;

/* Sizes are an attribute before opset 13, input 1 since; num_outputs came with opset 18. */
static thaw_status attributes(thaw_node *node)
{
    const int64_t opset = thaw_node_opset(node);
    THAW_TRY(thaw_node_arity(node, 1, opset < 13 ? 1 : 2, SIZE_MAX));
    THAW_TRY(thaw_node_known_attributes(node, opset < 13 ? "axis,split" : opset < 18 ? "axis" : "axis,num_outputs"));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(split_state), &node->state));
    split_state *state = node->state;
    THAW_TRY(thaw_allocate(thaw_node_context(node), node->output_count, sizeof *state->parts, &state->parts));
    return thaw_allocate(thaw_node_context(node), node->output_count, sizeof *state->sizes, &state->sizes);
}

/* The sizes that the file lists, [*count]; NULL where it lists none. */
static thaw_status find_list(const thaw_node *node, const int64_t **list, size_t *count)
{
    const thaw_value *value = thaw_node_input(node, 1);
    *list = thaw_node_ints(node, "split", count);
    if (!value)
        return THAW_OK;
    if (!value->constant || value->constant->dtype != THAW_INT64 || value->shape.rank != 1)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "sizes that are not a constant list of int64");
    *list = value->constant->data;
    *count = (size_t)value->constant->count;
    return THAW_OK;
}

/* Equal pieces, save that the last one may be smaller. */
static thaw_status divide(const thaw_node *node, int64_t size, int64_t *sizes)
{
    const int64_t count = (int64_t)node->output_count, each = (size + count - 1) / count;
    if (size - each * (count - 1) < 0 || (thaw_node_opset(node) < 18 && size % count != 0))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%lld elements don't make %lld equal pieces", (long long)size,
                              (long long)count);
    for (int64_t i = 0; i < count; i++)
        sizes[i] = i + 1 < count ? each : size - each * (count - 1);
    return THAW_OK;
}

static thaw_status read_sizes(const thaw_node *node, int64_t size, int64_t *sizes)
{
    const int64_t *list;
    size_t count;
    int64_t left = size;
    THAW_TRY(find_list(node, &list, &count));
    if (!list)
        return divide(node, size, sizes);
    if (count != node->output_count)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu sizes for %zu outputs", count, node->output_count);
    for (size_t i = 0; i < count; i++) {
        if (list[i] < 0 || list[i] > left)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "piece %zu is to have %lld of %lld elements", i,
                                  (long long)list[i], (long long)size);
        left -= sizes[i] = list[i];
    }
    if (left != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%lld of %lld elements are in no piece", (long long)left,
                              (long long)size);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const split_state *state = node->state;
    const thaw_value *x = node->inputs[0];
    thaw_shape shape = x->shape;
    int64_t strides[THAW_MAX_RANK], offset = 0;
    int32_t axis;
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_node_axis(node, thaw_node_int(node, "axis", 0), shape.rank, &axis));
    THAW_TRY(read_sizes(node, shape.dims[axis], state->sizes));
    thaw_shape_strides(&x->shape, strides);
    for (size_t i = 0; i < node->output_count; i++) {
        thaw_move *move = &state->parts[i].move;
        shape.dims[axis] = state->sizes[i];
        THAW_TRY(thaw_node_set_output(node, i, x->dtype, &shape));
        *move = thaw_move_into(&shape);
        memcpy(move->from_stride, strides, sizeof strides);
        move->from_offset = offset;
        offset += state->sizes[i] * strides[axis];
    }
    return THAW_OK;
}

static thaw_status fold(thaw_node *node)
{
    const split_state *state = node->state;
    for (size_t i = 0; i < node->output_count; i++) {
        thaw_tensor *y;
        if (!node->outputs[i])
            continue;
        THAW_TRY(thaw_node_fold_output(node, i, &y));
        thaw_move_on_host(&state->parts[i].move, node->inputs[0]->constant, y);
    }
    return THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    const split_state *state = node->state;
    for (size_t i = 0; i < node->output_count; i++) {
        thaw_move_state *part = &state->parts[i];
        const thaw_move reversed = thaw_move_reversed(&part->move);
        if (!node->outputs[i])
            continue;
        THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &part->move, false, &part->forward));
        if (node->inputs[0]->gradient)
            THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &reversed, true, &part->backward));
    }
    return THAW_OK;
}

static thaw_status forward(thaw_node *node)
{
    const split_state *state = node->state;
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i])
            THAW_TRY(thaw_mover_run(&state->parts[i].forward, node->inputs[0]->buffer, node->outputs[i]->buffer));
    return THAW_OK;
}

static thaw_status backward(thaw_node *node)
{
    const split_state *state = node->state;
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i] && node->outputs[i]->gradient)
            THAW_TRY(thaw_mover_run(&state->parts[i].backward, node->outputs[i]->gradient, node->inputs[0]->gradient));
    return THAW_OK;
}

static void release(thaw_node *node)
{
    split_state *state = node->state;
    free(state->parts);
    free(state->sizes);
}

const thaw_op thaw_op_split = {
    .name = "split",
    .onnx_type = "Split",
    .flags = THAW_OP_BACKWARD_OUTPUTS,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
