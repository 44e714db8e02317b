#include "ops/shared/softmax.h"

/* y = x - log(sum of exp(x)) along `axis`. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_softmax_attributes(node, true);
}

const thaw_op thaw_op_log_softmax = {
    .name = "log_softmax",
    .onnx_type = "LogSoftmax",
    .flags = THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_softmax_infer,
    .prepare = thaw_softmax_prepare,
    .forward = thaw_softmax_forward,
    .backward = thaw_softmax_backward,
};
