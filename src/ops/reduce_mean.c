/* ReduceMean: the mean over `axes` (an attribute before opset 18, an input since; none: all of them). */
#include "ops/shared/mean.h"

#include <string.h>

static thaw_status attributes(thaw_node *node)
{
    const bool axes_are_input = thaw_node_opset(node) >= 18;
    THAW_TRY(thaw_node_known_attributes(node, axes_are_input ? "keepdims,noop_with_empty_axes" : "axes,keepdims"));
    THAW_TRY(thaw_node_arity(node, 1, axes_are_input ? 2 : 1, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_mean), &node->state);
}

/* The axes asked for; *count -1 or 0 where there are none. */
static thaw_status read_axes(const thaw_node *node, int64_t axes[THAW_MAX_RANK], int32_t *count)
{
    if (thaw_node_opset(node) >= 18)
        return thaw_node_constant_ints(node, 1, axes, count);
    size_t listed;
    const int64_t *list = thaw_node_ints(node, "axes", &listed);
    if (listed > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu axes are too many", listed);
    if (listed)
        memcpy(axes, list, listed * sizeof *axes);
    *count = (int32_t)listed;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    const bool keep = thaw_node_int(node, "keepdims", 1) != 0;
    const bool all = !thaw_node_int(node, "noop_with_empty_axes", 0);
    int64_t axes[THAW_MAX_RANK];
    int32_t count, axis;
    bool over[THAW_MAX_RANK] = {false};
    if (!thaw_dtype_is_float(x->dtype))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the mean of %s: only floating types run on the device",
                              thaw_dtype_text(x->dtype));
    THAW_TRY(read_axes(node, axes, &count));
    for (int32_t i = 0; i < count; i++) {
        THAW_TRY(thaw_node_axis(node, axes[i], x->shape.rank, &axis));
        over[axis] = true;
    }
    for (int32_t i = 0; i < x->shape.rank && count < 1; i++)
        over[i] = all;
    thaw_shape y = {0};
    for (int32_t i = 0; i < x->shape.rank; i++) {
        if (over[i] && x->shape.dims[i] == 0)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "the mean of no elements along axis %d", i);
        if (!over[i] || keep)
            y.dims[y.rank++] = over[i] ? 1 : x->shape.dims[i];
    }
    thaw_mean_plan(&x->shape, over, node->state);
    node->flops = thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &y);
}

static thaw_status prepare(thaw_node *node)
{
    return thaw_mean_prepare(thaw_node_device(node), node->state);
}

static thaw_status forward(thaw_node *node)
{
    return thaw_mean_run(node->state, node->inputs[0]->buffer, node->outputs[0]->buffer);
}

static void release(thaw_node *node)
{
    thaw_mean_release(node->state);
}

const thaw_op thaw_op_reduce_mean = {
    .name = "reduce_mean",
    .onnx_type = "ReduceMean",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
