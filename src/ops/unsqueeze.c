/* Unsqueeze: puts in dimensions of one element; the axes are those of the output. */
#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    const size_t inputs = thaw_node_opset(node) >= 13 ? 2 : 1;
    THAW_TRY(thaw_node_arity(node, inputs, inputs, 1));
    return thaw_node_known_attributes(node, inputs == 2 ? "" : "axes");
}

static thaw_status infer(thaw_node *node)
{
    const thaw_shape *shape = &node->inputs[0]->shape;
    int64_t axes[THAW_MAX_RANK];
    int32_t count;
    bool added[THAW_MAX_RANK];
    THAW_TRY(thaw_view_axes(node, axes, &count));
    if (count < 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "has no axes");
    thaw_shape unsqueezed = {.rank = shape->rank + count};
    if (unsqueezed.rank > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "%d dimensions, at most %d are supported", unsqueezed.rank,
                              THAW_MAX_RANK);
    THAW_TRY(thaw_view_mark(node, axes, count, unsqueezed.rank, added));
    for (int32_t i = 0, from = 0; i < unsqueezed.rank; i++)
        unsqueezed.dims[i] = added[i] ? 1 : shape->dims[from++];
    return thaw_view_infer(node, &unsqueezed);
}

const thaw_op thaw_op_unsqueeze = {
    .name = "unsqueeze",
    .onnx_type = "Unsqueeze",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
