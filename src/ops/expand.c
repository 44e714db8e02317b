/* Expand: broadcasts to a constant shape, both ways (a 1 in that shape keeps the input's dimension). */
#include "ops/shared/repeat.h"

static thaw_status infer(thaw_node *node)
{
    const thaw_value *input = node->inputs[0];
    thaw_move *move = &((thaw_repeat *)node->state)->move.move;
    thaw_shape target = {0}, shape;
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_node_constant_ints(node, 1, target.dims, &target.rank));
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &input->shape, &target, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "Expand '%s'", node->name);
    THAW_TRY(thaw_node_set_output(node, 0, input->dtype, &shape));
    *move = thaw_move_into(&shape);
    thaw_broadcast_strides(&input->shape, &shape, move->from_stride);
    return THAW_OK;
}

const thaw_op thaw_op_expand = {
    .name = "expand",
    .onnx_type = "Expand",
    .attributes = thaw_repeat_attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_repeat_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_repeat_backward,
    .release = thaw_repeat_release,
};
