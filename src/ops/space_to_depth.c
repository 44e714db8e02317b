/* SpaceToDepth: squares of pixels become channels. */
#include "ops/shared/depth.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_depth_attributes(node, "blocksize");
}

static thaw_status infer(thaw_node *node)
{
    return thaw_depth_infer(node, false);
}

const thaw_op thaw_op_space_to_depth = {
    .name = "space_to_depth",
    .onnx_type = "SpaceToDepth",
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_move_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_move_backward,
};
