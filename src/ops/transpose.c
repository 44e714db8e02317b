/* Transpose: output dimension i is input dimension perm[i]; without perm the order is turned round. */
#include "ops/shared/movement.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_node_known_attributes(node, "perm"));
    return thaw_move_allocate(node);
}

static thaw_status read_order(const thaw_node *node, int32_t rank, int32_t order[THAW_MAX_RANK])
{
    size_t count;
    const int64_t *perm = thaw_node_ints(node, "perm", &count);
    for (int32_t i = 0; i < rank; i++)
        order[i] = rank - 1 - i;
    if (!perm)
        return THAW_OK;
    if (count != (size_t)rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "perm has %zu entries for a tensor of rank %d", count, rank);
    bool used[THAW_MAX_RANK] = {false};
    for (int32_t i = 0; i < rank; i++) {
        THAW_TRY(thaw_node_axis(node, perm[i], rank, &order[i]));
        if (used[order[i]])
            return thaw_node_fail(node, THAW_ERR_SHAPE, "perm has axis %d twice", order[i]);
        used[order[i]] = true;
    }
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *input = node->inputs[0];
    thaw_move *move = &((thaw_move_state *)node->state)->move;
    int32_t order[THAW_MAX_RANK];
    int64_t strides[THAW_MAX_RANK];
    thaw_shape shape = {.rank = input->shape.rank};
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(read_order(node, shape.rank, order));
    for (int32_t i = 0; i < shape.rank; i++)
        shape.dims[i] = input->shape.dims[order[i]];
    THAW_TRY(thaw_node_set_output(node, 0, input->dtype, &shape));

    thaw_shape_strides(&input->shape, strides);
    *move = thaw_move_into(&shape);
    for (int32_t i = 0; i < shape.rank; i++)
        move->from_stride[i] = strides[order[i]];
    return THAW_OK;
}

const thaw_op thaw_op_transpose = {
    .name = "transpose",
    .onnx_type = "Transpose",
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_move_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_move_backward,
};
