#include "ops/shared/normalization.h"

#include <limits.h>

/* y = (x - mean) / sqrt(variance + epsilon) * scale + shift over groups of channels of each image of x [n, c, ...].
 * Scale and shift are of each group before opset 21, of each channel since. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "epsilon,num_groups,stash_type"));
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    if (!thaw_node_has(node, "num_groups"))
        return thaw_node_fail(node, THAW_ERR_MODEL, "has no num_groups");
    THAW_TRY(thaw_normalization_create(node));
    ((thaw_normalization *)node->state)->epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_normalization *state = node->state;
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t groups = thaw_node_int(node, "num_groups", 0);
    char text[THAW_SHAPE_TEXT];
    if (x->rank < 2 || groups < 1 || x->dims[1] % groups != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s does not fall into %lld groups", thaw_shape_text(x, text),
                              (long long)groups);
    state->rows = x->dims[0] * groups;
    state->length = thaw_shape_span(x, 1, x->rank) / groups;
    state->inner = thaw_node_opset(node) < 21 ? state->length : thaw_shape_span(x, 2, x->rank);
    state->groups = groups;
    if (state->length > INT_MAX || groups > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s is too large", thaw_shape_text(x, text));
    return thaw_normalization_infer(node);
}

const thaw_op thaw_op_group_normalization = {
    .name = "group_normalization",
    .onnx_type = "GroupNormalization",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .prepare = thaw_normalization_prepare,
    .forward = thaw_normalization_forward,
    .backward = thaw_normalization_backward,
};
