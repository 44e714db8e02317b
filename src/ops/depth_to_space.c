/* DepthToSpace: channels become squares of pixels. */
#include "ops/shared/depth.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_depth_attributes(node, "blocksize,mode");
}

static thaw_status infer(thaw_node *node)
{
    return thaw_depth_infer(node, true);
}

const thaw_op thaw_op_depth_to_space = {
    .name = "depth_to_space",
    .onnx_type = "DepthToSpace",
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_move_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_move_backward,
};
