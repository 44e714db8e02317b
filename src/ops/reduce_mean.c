#include "ops/shared/reduce.h"
#include "ops/shared/view.h"

#include <string.h>

/* y = the mean of x over `axes`: an attribute before opset 18, input 1 since. */
static thaw_status attributes(thaw_node *node)
{
    const bool in_attributes = thaw_node_opset(node) < 18;
    THAW_TRY(thaw_node_known_attributes(node, in_attributes ? "axes,keepdims" : "keepdims,noop_with_empty_axes"));
    THAW_TRY(thaw_node_arity(node, 1, in_attributes ? 1 : 2, 1));
    return thaw_reduce_create(node);
}

/* *count is 0 where there are none. */
static thaw_status read_axes(const thaw_node *node, int64_t axes[THAW_MAX_RANK], int32_t *count)
{
    if (thaw_node_opset(node) >= 18) {
        THAW_TRY(thaw_node_constant_ints(node, 1, axes, count));
        *count = *count < 0 ? 0 : *count;
        return THAW_OK;
    }
    size_t listed;
    const int64_t *list = thaw_node_ints(node, "axes", &listed);
    if (listed > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu axes, at most %d are possible", listed, THAW_MAX_RANK);
    if (list)
        memcpy(axes, list, listed * sizeof *list);
    *count = (int32_t)listed;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const int32_t rank = node->inputs[0]->shape.rank;
    int64_t axes[THAW_MAX_RANK];
    int32_t count;
    bool marked[THAW_MAX_RANK];
    THAW_TRY(read_axes(node, axes, &count));
    THAW_TRY(thaw_view_mark(node, axes, count, rank, marked));
    if (count == 0 && !thaw_node_int(node, "noop_with_empty_axes", 0))
        for (int32_t d = 0; d < rank; d++)
            marked[d] = true;
    return thaw_reduce_infer(node, marked, thaw_node_int(node, "keepdims", 1) != 0);
}

const thaw_op thaw_op_reduce_mean = {
    .name = "reduce_mean",
    .onnx_type = "ReduceMean",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_reduce_layout,
    .prepare = thaw_reduce_prepare,
    .forward = thaw_reduce_forward,
    .backward = thaw_reduce_backward,
    .release = thaw_reduce_release,
};
