/* Gather: the slices of the data along an axis that constant indices name. */
#include "ops/shared/movement.h"
#include "ops/shared/takers.h"

#include <stdlib.h>
#include <string.h>

typedef struct gather_state {
    int64_t outer, size, inner; /* the data as [outer, size, inner]: `size` along the axis */
    thaw_buffer *index;         /* int32 [count], counted from the front */
    thaw_kernel *kernel;
    thaw_takers backward;
} gather_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_node_known_attributes(node, "axis"));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(gather_state), &node->state);
}

/* Entry `i` of the indices, counted from the front; -1 if it is out of range. */
static int64_t index_at(const thaw_node *node, int64_t i)
{
    const gather_state *state = node->state;
    const int64_t index = thaw_tensor_get_int(node->inputs[1]->constant, i);
    if (index < -state->size || index >= state->size)
        return -1;
    return index < 0 ? index + state->size : index;
}

static thaw_status check_indices(const thaw_node *node)
{
    const gather_state *state = node->state;
    const thaw_value *indices = node->inputs[1];
    if (!indices->constant)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the indices ('%s') are not constant", indices->name);
    if (!thaw_dtype_is_integer(indices->dtype))
        return thaw_node_fail(node, THAW_ERR_MODEL, "the indices are %s", thaw_dtype_text(indices->dtype));
    for (int64_t i = 0; i < indices->constant->count; i++)
        if (index_at(node, i) < 0)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "index %lld is outside an axis of %lld elements",
                                  (long long)thaw_tensor_get_int(indices->constant, i), (long long)state->size);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    gather_state *state = node->state;
    const thaw_shape *data = &node->inputs[0]->shape, *indices = &node->inputs[1]->shape;
    int32_t axis;
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_node_axis(node, thaw_node_int(node, "axis", 0), data->rank, &axis));
    if (data->rank - 1 + indices->rank > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "%d dimensions, at most %d are supported",
                              data->rank - 1 + indices->rank, THAW_MAX_RANK);
    state->outer = thaw_shape_span(data, 0, axis);
    state->size = data->dims[axis];
    state->inner = thaw_shape_span(data, axis + 1, data->rank);
    THAW_TRY(check_indices(node));

    thaw_shape shape = {0};
    for (int32_t i = 0; i < axis; i++)
        shape.dims[shape.rank++] = data->dims[i];
    for (int32_t i = 0; i < indices->rank; i++)
        shape.dims[shape.rank++] = indices->dims[i];
    for (int32_t i = axis + 1; i < data->rank; i++)
        shape.dims[shape.rank++] = data->dims[i];
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &shape);
}

static thaw_status fold(thaw_node *node)
{
    const gather_state *state = node->state;
    const thaw_tensor *data = node->inputs[0]->constant;
    const int64_t count = node->inputs[1]->constant->count;
    const size_t run = (size_t)state->inner * thaw_dtype_bytes(data->dtype);
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    if (output->bytes == 0)
        return THAW_OK;
    char *to = output->data;
    for (int64_t outer = 0; outer < state->outer; outer++)
        for (int64_t i = 0; i < count; i++, to += run)
            memcpy(to, (const char *)data->data + (size_t)(outer * state->size + index_at(node, i)) * run, run);
    return THAW_OK;
}

/* The kernels' list, and for backward who is on it. */
static thaw_status upload_indices(thaw_node *node, int32_t *list)
{
    gather_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    const int64_t count = node->inputs[1]->constant->count;
    for (int64_t i = 0; i < count; i++)
        list[i] = (int32_t)index_at(node, i);
    thaw_buffer_destroy(&state->index);
    THAW_TRY(thaw_buffer_create(device, (size_t)count * sizeof *list, &state->index));
    THAW_TRY(thaw_buffer_write(state->index, 0, list, (size_t)count * sizeof *list));
    return node->inputs[0]->gradient ? thaw_takers_prepare(device, list, count, state->size, &state->backward)
                                     : THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    gather_state *state = node->state;
    const int64_t count = node->inputs[1]->constant->count;
    if (state->size > INT32_MAX || count > INT32_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "an axis of %lld elements, of which %lld are taken",
                              (long long)state->size, (long long)count);
    if (thaw_shape_size(&node->outputs[0]->shape) == 0)
        return THAW_OK;
    int32_t *list;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *list, &list));
    const thaw_status status = upload_indices(node, list);
    free(list);
    THAW_TRY(status);
    return thaw_kernel_get(thaw_node_device(node), "gather", "gather", "", &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const gather_state *state = node->state;
    if (!state->kernel)
        return THAW_OK;
    return thaw_kernel_launch(state->kernel, THAW_RANGE_3(state->inner, node->inputs[1]->constant->count, state->outer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(state->index),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_LONG(state->size));
}

static thaw_status backward(thaw_node *node)
{
    const gather_state *state = node->state;
    return thaw_takers_run(&state->backward, state->outer, state->inner, node->outputs[0]->gradient,
                           node->inputs[0]->gradient);
}

static void release(thaw_node *node)
{
    gather_state *state = node->state;
    thaw_buffer_destroy(&state->index);
    thaw_takers_release(&state->backward);
}

const thaw_op thaw_op_gather = {
    .name = "gather",
    .onnx_type = "Gather",
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
