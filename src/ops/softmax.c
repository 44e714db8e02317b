/* Softmax: exp(x - max) over its sum. Before opset 13 over all dimensions from `axis` on, since then over `axis` alone.
 */
#include "ops/op.h"

/* x as [outer, size, inner], normalised along the middle. */
typedef struct softmax {
    int64_t outer, size, inner;
    thaw_kernel *kernel;
} softmax;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "axis"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(softmax), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    softmax *state = node->state;
    const thaw_value *x = node->inputs[0];
    const int32_t rank = x->shape.rank;
    const bool flattens = thaw_node_opset(node) < 13;
    const int64_t attribute = thaw_node_int(node, "axis", flattens ? 1 : -1);
    int32_t axis;
    THAW_TRY(thaw_node_float_inputs(node));
    if (flattens && attribute == rank) /* nothing behind it: every element by itself */
        axis = rank;
    else
        THAW_TRY(thaw_node_axis(node, attribute, rank, &axis));
    const int32_t end = flattens || axis == rank ? rank : axis + 1;
    state->outer = thaw_shape_span(&x->shape, 0, axis);
    state->size = thaw_shape_span(&x->shape, axis, end);
    state->inner = thaw_shape_span(&x->shape, end, rank);
    node->flops = 3 * thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static thaw_status prepare(thaw_node *node)
{
    softmax *state = node->state;
    return thaw_kernel_get(thaw_node_device(node), "softmax", "softmax", "", &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const softmax *state = node->state;
    return thaw_kernel_launch(state->kernel, THAW_RANGE_2(state->inner, state->outer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_LONG(state->size));
}

const thaw_op thaw_op_softmax = {
    .name = "softmax",
    .onnx_type = "Softmax",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
};
