#include "ops/shared/elementwise.h"

/* y = tanh(x) */
static thaw_status attributes(thaw_node *node)
{
    return thaw_elementwise_attributes(node, "", THAW_TANH, 0, 0);
}

const thaw_op thaw_op_tanh = {
    .name = "tanh",
    .onnx_type = "Tanh",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .layout = thaw_elementwise_layout,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
