#include "ops/shared/normalization.h"

#include <limits.h>

/* y = (x - mean) / sqrt(variance + epsilon) * scale[c] + shift[c] over each channel of each image of x [n, c, ...]. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "epsilon"));
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    THAW_TRY(thaw_normalization_create(node));
    ((thaw_normalization *)node->state)->epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_normalization *state = node->state;
    const thaw_shape *x = &node->inputs[0]->shape;
    char text[THAW_SHAPE_TEXT];
    if (x->rank < 2)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has no channels", thaw_shape_text(x, text));
    state->rows = thaw_shape_span(x, 0, 2);
    state->length = state->inner = thaw_shape_span(x, 2, x->rank);
    state->groups = x->dims[1];
    if (state->length > INT_MAX || state->groups > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s is too large", thaw_shape_text(x, text));
    return thaw_normalization_infer(node);
}

const thaw_op thaw_op_instance_normalization = {
    .name = "instance_normalization",
    .onnx_type = "InstanceNormalization",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .prepare = thaw_normalization_prepare,
    .forward = thaw_normalization_forward,
    .backward = thaw_normalization_backward,
};
