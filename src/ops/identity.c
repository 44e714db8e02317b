#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    return thaw_node_arity(node, 1, 1, 1);
}

static thaw_status infer(thaw_node *node)
{
    return thaw_view_infer(node, &node->inputs[0]->shape);
}

const thaw_op thaw_op_identity = {
    .name = "identity",
    .onnx_type = "Identity",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
