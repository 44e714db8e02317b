#include "ops/shared/activation.h"

/* y = x < 0 ? alpha * x : x */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "alpha"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_activation_create(node, THAW_LEAKY_RELU, thaw_node_float(node, "alpha", 0.01f), 0);
}

const thaw_op thaw_op_leaky_relu = {
    .name = "leaky_relu",
    .onnx_type = "LeakyRelu",
    .flags = THAW_OP_ACTIVATION | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_activation_infer,
    .layout = thaw_activation_layout,
    .prepare = thaw_activation_prepare,
    .forward = thaw_activation_forward,
    .backward = thaw_activation_backward,
};
