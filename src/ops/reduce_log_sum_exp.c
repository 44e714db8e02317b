#include "ops/shared/reduce.h"

/* y = the logarithm of the sum of e^x over `axes`: an attribute before opset 18, input 1 since. */
enum { AXES_ARE_INPUT_SINCE = 18 };

static thaw_status attributes(thaw_node *node)
{
    return thaw_reduce_attributes(node, THAW_REDUCE_LOG_SUM_EXP, AXES_ARE_INPUT_SINCE);
}

static thaw_status infer(thaw_node *node)
{
    return thaw_reduce_infer_axes(node, AXES_ARE_INPUT_SINCE);
}

const thaw_op thaw_op_reduce_log_sum_exp = {
    .name = "reduce_log_sum_exp",
    .onnx_type = "ReduceLogSumExp",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_reduce_fold,
    .prepare = thaw_reduce_prepare,
    .forward = thaw_reduce_forward,
    .backward = thaw_reduce_backward,
    .release = thaw_reduce_release,
};
