#include "ops/shared/elementwise.h"

/* y = -x */
static thaw_status attributes(thaw_node *node)
{
    return thaw_elementwise_attributes(node, "", THAW_NEGATIVE, 0, 0);
}

const thaw_op thaw_op_neg = {
    .name = "neg",
    .onnx_type = "Neg",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .layout = thaw_elementwise_layout,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
