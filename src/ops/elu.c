#include "ops/shared/elementwise.h"

/* y = x > 0 ? x : alpha * (e^x - 1) */
static thaw_status attributes(thaw_node *node)
{
    return thaw_elementwise_attributes(node, "alpha", THAW_ELU, thaw_node_float(node, "alpha", 1.0f), 0);
}

const thaw_op thaw_op_elu = {
    .name = "elu",
    .onnx_type = "Elu",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .layout = thaw_elementwise_layout,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
