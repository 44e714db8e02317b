#include "ops/shared/normalization.h"

#include <limits.h>

/* y = (x - mean) / sqrt(variance + epsilon) * scale + shift over all dimensions from `axis` on. Outputs 1 and 2: mean
 * and 1 / sqrt(variance + epsilon) of each. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "axis,epsilon,stash_type"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 3));
    THAW_TRY(thaw_normalization_create(node));
    ((thaw_normalization *)node->state)->epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_normalization *state = node->state;
    const thaw_shape *x = &node->inputs[0]->shape;
    thaw_shape statistics = *x;
    int32_t axis;
    THAW_TRY(thaw_node_axis(node, thaw_node_int(node, "axis", -1), x->rank, &axis));
    state->rows = thaw_shape_span(x, 0, axis);
    state->length = thaw_shape_span(x, axis, x->rank);
    state->inner = state->groups = 1;
    if (state->length > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "rows of %lld elements", (long long)state->length);
    THAW_TRY(thaw_normalization_infer(node));
    for (int32_t d = axis; d < x->rank; d++)
        statistics.dims[d] = 1;
    THAW_TRY(thaw_node_set_output(node, 1, THAW_FLOAT32, &statistics));
    return thaw_node_set_output(node, 2, THAW_FLOAT32, &statistics);
}

const thaw_op thaw_op_layer_normalization = {
    .name = "layer_normalization",
    .onnx_type = "LayerNormalization",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .prepare = thaw_normalization_prepare,
    .forward = thaw_normalization_forward,
    .backward = thaw_normalization_backward,
};
