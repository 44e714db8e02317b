/* MaxPool: the largest element of each window, and where it was. */
#include "ops/shared/pool.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_pool_attributes(node, "auto_pad,ceil_mode,dilations,kernel_shape,pads,storage_order,strides", 2);
}

static thaw_status prepare(thaw_node *node)
{
    const bool column_major = thaw_node_int(node, "storage_order", 0) != 0;
    if (!thaw_node_output(node, 1))
        return thaw_pool_prepare(node, "max_pool", "");
    return thaw_pool_prepare(node, "max_pool", column_major ? "-DINDICES -DCOLUMN_MAJOR" : "-DINDICES");
}

static thaw_status forward(thaw_node *node)
{
    const thaw_pool *pool = node->state;
    const thaw_window *w = &pool->window;
    const thaw_value *indices = thaw_node_output(node, 1);
    return thaw_kernel_launch(pool->kernel, thaw_pool_range(node), THAW_BUFFER(node->inputs[0]->buffer),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(indices ? indices->buffer : NULL),
                              THAW_INT(w->in[0]), THAW_INT(w->in[1]), THAW_INT(w->in[2]), THAW_INT(w->out[0]),
                              THAW_INT(w->out[1]), THAW_INT(w->out[2]));
}

const thaw_op thaw_op_max_pool = {
    .name = "max_pool",
    .onnx_type = "MaxPool",
    .attributes = attributes,
    .infer = thaw_pool_infer,
    .prepare = prepare,
    .forward = forward,
};
