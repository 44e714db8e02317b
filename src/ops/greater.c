#include "ops/shared/comparison.h"

/* y = a > b, element by element, broadcasting. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_comparison_attributes(node, THAW_GREATER);
}

const thaw_op thaw_op_greater = {
    .name = "greater",
    .onnx_type = "Greater",
    .attributes = attributes,
    .infer = thaw_comparison_infer,
    .fold = thaw_comparison_fold,
    .prepare = thaw_comparison_prepare,
    .forward = thaw_comparison_forward,
    .backward = thaw_comparison_backward,
};
