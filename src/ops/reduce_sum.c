#include "ops/shared/reduce.h"

/* y = the sum of x over `axes`: an attribute before opset 13, input 1 since. */
enum { AXES_ARE_INPUT_SINCE = 13 };

static thaw_status attributes(thaw_node *node)
{
    return thaw_reduce_attributes(node, THAW_REDUCE_SUM, AXES_ARE_INPUT_SINCE);
}

static thaw_status infer(thaw_node *node)
{
    return thaw_reduce_infer_axes(node, AXES_ARE_INPUT_SINCE);
}

const thaw_op thaw_op_reduce_sum = {
    .name = "reduce_sum",
    .onnx_type = "ReduceSum",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_reduce_fold,
    .prepare = thaw_reduce_prepare,
    .forward = thaw_reduce_forward,
    .backward = thaw_reduce_backward,
    .release = thaw_reduce_release,
};
