#include "ops/shared/binary.h"

/* y = x, or slope * x where x is negative; the slope is broadcast to x. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_binary_attributes(node, THAW_BEND);
}

const thaw_op thaw_op_prelu = {
    .name = "prelu",
    .onnx_type = "PRelu",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_binary_infer,
    .layout = thaw_binary_layout,
    .fold = thaw_binary_fold,
    .prepare = thaw_binary_prepare,
    .forward = thaw_binary_forward,
    .backward = thaw_binary_backward,
    .release = thaw_binary_release,
};
