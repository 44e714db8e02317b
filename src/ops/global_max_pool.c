#include "ops/shared/reduce.h"

/* y [n, c, 1, ...] = the largest of each channel of x [n, c, ...]. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_reduce_create(node));
    ((thaw_reduce *)node->state)->reduction = THAW_REDUCE_MAX;
    return THAW_OK;
}

const thaw_op thaw_op_global_max_pool = {
    .name = "global_max_pool",
    .onnx_type = "GlobalMaxPool",
    .flags = THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = thaw_reduce_infer_global,
    .prepare = thaw_reduce_prepare,
    .forward = thaw_reduce_forward,
    .backward = thaw_reduce_backward,
    .release = thaw_reduce_release,
};
