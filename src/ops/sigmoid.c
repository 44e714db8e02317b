#include "ops/shared/activation.h"

/* y = 1 / (1 + exp(-x)) */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_activation_create(node, THAW_SIGMOID, 0, 0);
}

const thaw_op thaw_op_sigmoid = {
    .name = "sigmoid",
    .onnx_type = "Sigmoid",
    .flags = THAW_OP_ACTIVATION | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_activation_infer,
    .layout = thaw_activation_layout,
    .prepare = thaw_activation_prepare,
    .forward = thaw_activation_forward,
    .backward = thaw_activation_backward,
};
