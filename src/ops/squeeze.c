/* Squeeze: drops dimensions of one element, those listed or all. */
#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    const bool axes_are_input = thaw_node_opset(node) >= 13;
    THAW_TRY(thaw_node_arity(node, 1, axes_are_input ? 2 : 1, 1));
    return thaw_node_known_attributes(node, axes_are_input ? "" : "axes");
}

static thaw_status infer(thaw_node *node)
{
    const thaw_shape *shape = &node->inputs[0]->shape;
    int64_t axes[THAW_MAX_RANK];
    int32_t count;
    bool dropped[THAW_MAX_RANK];
    THAW_TRY(thaw_view_axes(node, axes, &count));
    THAW_TRY(thaw_view_mark(node, axes, count, shape->rank, dropped));
    thaw_shape squeezed = {0};
    for (int32_t i = 0; i < shape->rank; i++) {
        if (dropped[i] && shape->dims[i] != 1)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "dimension %d has %lld elements, not one", i,
                                  (long long)shape->dims[i]);
        if (!dropped[i] && (count >= 0 || shape->dims[i] != 1))
            squeezed.dims[squeezed.rank++] = shape->dims[i];
    }
    return thaw_view_infer(node, &squeezed);
}

const thaw_op thaw_op_squeeze = {
    .name = "squeeze",
    .onnx_type = "Squeeze",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
