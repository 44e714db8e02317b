#include "ops/shared/pool.h"

/* y = the mean of each window, over the elements inside the input, or with count_include_pad over those inside the
 * padded input (what sticks out of that, by ceil_mode, never counts). */
static thaw_status attributes(thaw_node *node)
{
    return thaw_pooling_attributes(node, "auto_pad,ceil_mode,count_include_pad,dilations,kernel_shape,pads,strides", 1);
}

static thaw_status prepare(thaw_node *node)
{
    thaw_pooling *pooling = node->state;
    return thaw_kernel_get(thaw_node_device(node), "pool", "average_pool", "", &pooling->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_pooling *pooling = node->state;
    const thaw_window *window = &pooling->window;
    const bool count_pads = thaw_node_int(node, "count_include_pad", 0) != 0;
    thaw_argument arguments[5 + THAW_WINDOW_ARGUMENTS] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
    };
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        arguments[2 + axis] = THAW_INT(count_pads ? window->in[axis] + window->pad_end[axis] : -1);
    thaw_window_arguments(window, arguments + 5);
    return thaw_kernel_run(pooling->kernel, thaw_pooling_range(pooling), arguments,
                           sizeof arguments / sizeof *arguments);
}

const thaw_op thaw_op_average_pool = {
    .name = "average_pool",
    .onnx_type = "AveragePool",
    .attributes = attributes,
    .infer = thaw_pooling_infer,
    .prepare = prepare,
    .forward = forward,
};
