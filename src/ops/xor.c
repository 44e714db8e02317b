#include "ops/shared/comparison.h"

/* y = either a or b, element by element, broadcasting. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_comparison_attributes(node, THAW_XOR);
}

const thaw_op thaw_op_xor = {
    .name = "xor",
    .onnx_type = "Xor",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = thaw_comparison_infer,
    .fold = thaw_comparison_fold,
};
