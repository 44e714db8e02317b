/* GlobalAveragePool: the mean of each channel, spatial dimensions kept as 1. */
#include "ops/shared/mean.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_mean), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    thaw_shape y = x->shape;
    bool over[THAW_MAX_RANK] = {false};
    char text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    if (y.rank < 2 || thaw_shape_size(&x->shape) == 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has no channels", thaw_shape_text(&x->shape, text));
    for (int32_t i = 2; i < y.rank; i++) {
        y.dims[i] = 1;
        over[i] = true;
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

const thaw_op thaw_op_global_average_pool = {
    .name = "global_average_pool",
    .onnx_type = "GlobalAveragePool",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
