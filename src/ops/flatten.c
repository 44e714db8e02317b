/* Flatten: [d0, .., dn] as [d0 * .. * d(axis-1), d(axis) * .. * dn]. */
#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_node_known_attributes(node, "axis");
}

/* The axis may be the rank itself: everything goes into the first dimension then. */
static thaw_status infer(thaw_node *node)
{
    const thaw_shape *shape = &node->inputs[0]->shape;
    int64_t axis = thaw_node_int(node, "axis", 1);
    if (axis < -shape->rank || axis > shape->rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "axis %lld is outside a tensor of rank %d", (long long)axis,
                              shape->rank);
    axis += axis < 0 ? shape->rank : 0;
    const thaw_shape flat = {
        .rank = 2,
        .dims = {thaw_shape_span(shape, 0, (int32_t)axis), thaw_shape_span(shape, (int32_t)axis, shape->rank)}};
    return thaw_view_infer(node, &flat);
}

const thaw_op thaw_op_flatten = {
    .name = "flatten",
    .onnx_type = "Flatten",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
