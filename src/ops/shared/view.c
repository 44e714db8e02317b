#include "ops/shared/view.h"

#include <string.h>

thaw_status thaw_view_infer(thaw_node *node, const thaw_shape *shape)
{
    const thaw_value *input = node->inputs[0];
    char from[THAW_SHAPE_TEXT], to[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_set_output(node, 0, input->dtype, shape));
    if (thaw_shape_size(shape) != thaw_shape_size(&input->shape))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%s can't become %s", thaw_shape_text(&input->shape, from),
                              thaw_shape_text(shape, to));
    return THAW_OK;
}

int32_t thaw_view_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const thaw_value *x = node->inputs[0];
    const thaw_shape *shape = &x->shape;
    (void)block;
    if (x->block <= 1 || shape->rank != 4)
        return 1;
    if (thaw_shape_equal(shape, &node->outputs[0]->shape))
        return wanted[0] = x->block;
    if (shape->dims[1] % thaw_block_lanes(x->block, shape->dims[1]) == 0 && shape->dims[2] == 1 && shape->dims[3] == 1)
        wanted[0] = x->block;
    return 1;
}

thaw_status thaw_view_fold(thaw_node *node)
{
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    memcpy(output->data, node->inputs[0]->constant->data, output->bytes);
    return THAW_OK;
}

thaw_status thaw_view_axes(const thaw_node *node, int64_t axes[THAW_MAX_RANK], int32_t *count)
{
    if (thaw_node_opset(node) >= 13)
        return thaw_node_constant_ints(node, 1, axes, count);
    size_t listed;
    const int64_t *list = thaw_node_ints(node, "axes", &listed);
    *count = -1;
    if (!list)
        return THAW_OK;
    if (listed > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu axes, at most %d are possible", listed, THAW_MAX_RANK);
    memcpy(axes, list, listed * sizeof *list);
    *count = (int32_t)listed;
    return THAW_OK;
}

thaw_status thaw_view_mark(const thaw_node *node, const int64_t *axes, int32_t count, int32_t rank,
                           bool marked[THAW_MAX_RANK])
{
    memset(marked, 0, THAW_MAX_RANK * sizeof *marked);
    for (int32_t i = 0; i < count; i++) {
        int32_t axis;
        THAW_TRY(thaw_node_axis(node, axes[i], rank, &axis));
        if (marked[axis])
            return thaw_node_fail(node, THAW_ERR_SHAPE, "axis %d is listed twice", axis);
        marked[axis] = true;
    }
    return THAW_OK;
}
