#include "ops/shared/comparison.h"

/* y = a < b, element by element, broadcasting. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_comparison_attributes(node, THAW_LESS);
}

const thaw_op thaw_op_less = {
    .name = "less",
    .onnx_type = "Less",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = thaw_comparison_infer,
    .fold = thaw_comparison_fold,
};
