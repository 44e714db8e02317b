#include "ops/shared/reduce.h"

/* y [n, c, 1, ...] = the mean of each channel of x [n, c, ...]. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_reduce_create(node);
}

const thaw_op thaw_op_global_average_pool = {
    .name = "global_average_pool",
    .onnx_type = "GlobalAveragePool",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_reduce_infer_global,
    .layout = thaw_reduce_layout,
    .prepare = thaw_reduce_prepare,
    .forward = thaw_reduce_forward,
    .backward = thaw_reduce_backward,
    .release = thaw_reduce_release,
};
