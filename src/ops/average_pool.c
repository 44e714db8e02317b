/* AveragePool: the mean of each window. */
#include "ops/shared/pool.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_pool_attributes(node, "auto_pad,ceil_mode,count_include_pad,dilations,kernel_shape,pads,strides", 1);
}

static thaw_status prepare(thaw_node *node)
{
    return thaw_pool_prepare(node, "average_pool",
                             thaw_node_int(node, "count_include_pad", 0) ? "-DCOUNT_PADDING" : "");
}

static thaw_status forward(thaw_node *node)
{
    const thaw_pool *pool = node->state;
    const thaw_window *w = &pool->window;
    return thaw_kernel_launch(pool->kernel, thaw_pool_range(node), THAW_BUFFER(node->inputs[0]->buffer),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_INT(w->in[0]), THAW_INT(w->in[1]),
                              THAW_INT(w->in[2]), THAW_INT(w->out[0]), THAW_INT(w->out[1]), THAW_INT(w->out[2]),
                              THAW_INT(w->pad_end[0]), THAW_INT(w->pad_end[1]), THAW_INT(w->pad_end[2]));
}

const thaw_op thaw_op_average_pool = {
    .name = "average_pool",
    .onnx_type = "AveragePool",
    .attributes = attributes,
    .infer = thaw_pool_infer,
    .prepare = prepare,
    .forward = forward,
};
