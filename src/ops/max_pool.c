#include "ops/shared/pool.h"

/* y = the largest element of each window; optionally where it was, as an index into the flattened input. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_pooling_attributes(node, "auto_pad,ceil_mode,dilations,kernel_shape,pads,storage_order,strides", 2));
    const int64_t storage_order = thaw_node_int(node, "storage_order", 0);
    if (storage_order != 0 && storage_order != 1)
        return thaw_node_fail(node, THAW_ERR_MODEL, "storage_order %lld is not 0 or 1", (long long)storage_order);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    THAW_TRY(thaw_pooling_infer(node));
    return thaw_node_set_output(node, 1, THAW_INT64, &node->outputs[0]->shape);
}

static thaw_status prepare(thaw_node *node)
{
    thaw_pooling *pooling = node->state;
    const char *options = thaw_node_output(node, 1) ? "-DINDICES" : "";
    return thaw_kernel_get(thaw_node_device(node), "pool", "max_pool", options, &pooling->kernel);
}

/* How far apart neighbours along each axis are in an index: storage_order 1 counts the first axis fastest. */
static void index_strides(const thaw_node *node, const thaw_window *window, int64_t strides[THAW_WINDOW_AXES])
{
    const bool column_major = thaw_node_int(node, "storage_order", 0) == 1;
    strides[0] = column_major ? 1 : window->in[1] * window->in[2];
    strides[1] = column_major ? window->in[0] : window->in[2];
    strides[2] = column_major ? window->in[0] * window->in[1] : 1;
}

static thaw_status forward(thaw_node *node)
{
    const thaw_pooling *pooling = node->state;
    const thaw_value *indices = thaw_node_output(node, 1);
    int64_t strides[THAW_WINDOW_AXES];
    index_strides(node, &pooling->window, strides);
    thaw_argument arguments[6 + THAW_WINDOW_ARGUMENTS] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(indices ? indices->buffer : NULL),
        THAW_INT(strides[0]),
        THAW_INT(strides[1]),
        THAW_INT(strides[2]),
    };
    thaw_window_arguments(&pooling->window, arguments + 6);
    return thaw_kernel_run(pooling->kernel, thaw_pooling_range(pooling), arguments,
                           sizeof arguments / sizeof *arguments);
}

const thaw_op thaw_op_max_pool = {
    .name = "max_pool",
    .onnx_type = "MaxPool",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
};
