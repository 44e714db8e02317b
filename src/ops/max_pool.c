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
    THAW_TRY(thaw_pooling_prepare_backward(node, "max_pool_backward", true));
    return thaw_pooling_prepare(node, "max_pool", thaw_node_output(node, 1) ? "-DINDICES" : "");
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
    const thaw_argument own[] = {THAW_BUFFER(indices ? indices->buffer : NULL), THAW_INT(strides[0]),
                                 THAW_INT(strides[1]), THAW_INT(strides[2])};
    return thaw_pooling_run(node, own, sizeof own / sizeof *own);
}

const thaw_op thaw_op_max_pool = {
    .name = "max_pool",
    .onnx_type = "MaxPool",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_pooling_layout,
    .prepare = prepare,
    .forward = forward,
    .backward = thaw_max_pooling_backward,
};
