#include "ops/shared/elementwise.h"

/* y = gamma * (x > 0 ? x : alpha * (e^x - 1)) */
static thaw_status attributes(thaw_node *node)
{
    return thaw_elementwise_attributes(node, "alpha,gamma", THAW_SELU, thaw_node_float(node, "alpha", 1.67326319f),
                                       thaw_node_float(node, "gamma", 1.05070102f));
}

const thaw_op thaw_op_selu = {
    .name = "selu",
    .onnx_type = "Selu",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .layout = thaw_elementwise_layout,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
