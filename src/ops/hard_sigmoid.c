#include "ops/shared/activation.h"

/* y = min(max(alpha * x + beta, 0), 1) */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "alpha,beta"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_activation_create(node, THAW_HARD_SIGMOID, thaw_node_float(node, "alpha", 0.2f),
                                  thaw_node_float(node, "beta", 0.5f));
}

const thaw_op thaw_op_hard_sigmoid = {
    .name = "hard_sigmoid",
    .onnx_type = "HardSigmoid",
    .flags = THAW_OP_ACTIVATION | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_activation_infer,
    .layout = thaw_activation_layout,
    .prepare = thaw_activation_prepare,
    .forward = thaw_activation_forward,
    .backward = thaw_activation_backward,
};
