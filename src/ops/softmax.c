#include "ops/shared/softmax.h"

/* y = exp(x) / sum of exp(x) along `axis`. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_softmax_attributes(node, false);
}

const thaw_op thaw_op_softmax = {
    .name = "softmax",
    .onnx_type = "Softmax",
    .flags = THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_softmax_infer,
    .prepare = thaw_softmax_prepare,
    .forward = thaw_softmax_forward,
    .backward = thaw_softmax_backward,
};
