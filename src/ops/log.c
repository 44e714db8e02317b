#include "ops/shared/elementwise.h"

/* y = the natural logarithm of x */
static thaw_status attributes(thaw_node *node)
{
    return thaw_elementwise_attributes(node, "", THAW_LOG, 0, 0);
}

const thaw_op thaw_op_log = {
    .name = "log",
    .onnx_type = "Log",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
