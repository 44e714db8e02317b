/* Tile: the input next to itself, `repeats` times along each dimension. */
#include "ops/shared/repeat.h"

/* Adds a dimension to the box. */
static void put(thaw_move *move, int64_t extent, int64_t from_stride, int64_t to_stride)
{
    move->extent[move->rank] = extent;
    move->from_stride[move->rank] = from_stride;
    move->to_stride[move->rank++] = to_stride;
}

/* Each dimension is two: which copy, and where in it. Those of one element are left out. */
static thaw_status fill(const thaw_node *node, const thaw_shape *y, const int64_t *repeats, thaw_move *move)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    int64_t from[THAW_MAX_RANK], to[THAW_MAX_RANK];
    thaw_shape_strides(x, from);
    thaw_shape_strides(y, to);
    *move = (thaw_move){0};
    for (int32_t d = 0; d < x->rank; d++) {
        const bool is_repeated = repeats[d] != 1, is_line = x->dims[d] != 1;
        if (move->rank + is_repeated + is_line > THAW_MAX_RANK)
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "repeats more dimensions than %d in all allow",
                                  THAW_MAX_RANK);
        if (is_repeated)
            put(move, repeats[d], 0, x->dims[d] * to[d]);
        if (is_line)
            put(move, x->dims[d], from[d], to[d]);
    }
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    int64_t repeats[THAW_MAX_RANK];
    int32_t count;
    thaw_shape y = x->shape;
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_node_constant_ints(node, 1, repeats, &count));
    if (count != y.rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%d repeats for a tensor of rank %d", count, y.rank);
    for (int32_t d = 0; d < y.rank; d++)
        if (repeats[d] < 0 || !thaw_multiply(y.dims[d], repeats[d], &y.dims[d]))
            return thaw_node_fail(node, THAW_ERR_SIZE, "repeats dimension %d %lld times", d, (long long)repeats[d]);
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    return fill(node, &y, repeats, &((thaw_repeat *)node->state)->move.move);
}

const thaw_op thaw_op_tile = {
    .name = "tile",
    .onnx_type = "Tile",
    .attributes = thaw_repeat_attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_repeat_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_repeat_backward,
    .release = thaw_repeat_release,
};
