#include "ops/shared/variadic.h"

/* y = the largest of the inputs, element by element; broadcasting. */
static thaw_status attributes(thaw_node *node)
{
    return thaw_variadic_attributes(node, THAW_MAXIMUM, false);
}

const thaw_op thaw_op_max = {
    .name = "max",
    .onnx_type = "Max",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_variadic_infer,
    .layout = thaw_variadic_layout,
    .fold = thaw_variadic_fold,
    .prepare = thaw_variadic_prepare,
    .forward = thaw_variadic_forward,
    .backward = thaw_variadic_backward,
    .release = thaw_variadic_release,
};
