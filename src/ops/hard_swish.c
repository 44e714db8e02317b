#include "ops/shared/activation.h"

/* y = x * min(max(x / 6 + 1 / 2, 0), 1) */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_activation_create(node, THAW_HARD_SWISH, 0, 0);
}

const thaw_op thaw_op_hard_swish = {
    .name = "hard_swish",
    .onnx_type = "HardSwish",
    .flags = THAW_OP_ACTIVATION | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_activation_infer,
    .layout = thaw_activation_layout,
    .prepare = thaw_activation_prepare,
    .forward = thaw_activation_forward,
    .backward = thaw_activation_backward,
};
