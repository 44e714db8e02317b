#include "ops/op.h"

/* y = exp(x) / sum of exp(x) along `axis`; before opset 13 along all dimensions from `axis` on, as one. x is seen as
 * [outer, length, inner]. */
typedef struct softmax_state {
    int64_t outer, length, inner;
    thaw_kernel *kernel, *backward;
} softmax_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "axis"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(softmax_state), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    softmax_state *state = node->state;
    const thaw_value *x = node->inputs[0];
    const int32_t rank = x->shape.rank;
    const bool flattens = thaw_node_opset(node) < 13;
    const int64_t wanted = thaw_node_int(node, "axis", flattens ? 1 : -1);
    int32_t axis = rank;
    THAW_TRY(thaw_node_float_inputs(node));
    if (!flattens || wanted != rank) /* [outer, 1] is possible where it flattens */
        THAW_TRY(thaw_node_axis(node, wanted, rank, &axis));
    state->outer = thaw_shape_span(&x->shape, 0, axis);
    state->length = flattens ? thaw_shape_span(&x->shape, axis, rank) : x->shape.dims[axis];
    state->inner = flattens ? 1 : thaw_shape_span(&x->shape, axis + 1, rank);
    node->flops = thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static thaw_status prepare(thaw_node *node)
{
    softmax_state *state = node->state;
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_kernel_get(thaw_node_device(node), "softmax_backward", "softmax_backward", "", &state->backward));
    return thaw_kernel_get(thaw_node_device(node), "softmax", "softmax", "", &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const softmax_state *state = node->state;
    if (thaw_shape_size(&node->inputs[0]->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->kernel, THAW_RANGE_2(state->inner, state->outer),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
                              THAW_LONG(state->length));
}

static thaw_status backward(thaw_node *node)
{
    const softmax_state *state = node->state;
    if (thaw_shape_size(&node->inputs[0]->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->backward, THAW_RANGE_2(state->inner, state->outer),
                              THAW_BUFFER(node->inputs[0]->gradient), THAW_BUFFER(node->outputs[0]->gradient),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_LONG(state->length));
}

const thaw_op thaw_op_softmax = {
    .name = "softmax",
    .onnx_type = "Softmax",
    .flags = THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
