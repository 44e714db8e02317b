#include "ops/shared/pool.h"

/* y = the mean of each window, over the elements inside the input, or with count_include_pad over those inside the
 * padded input (what sticks out of that, by ceil_mode, never counts). */
static thaw_status attributes(thaw_node *node)
{
    return thaw_pooling_attributes(node, "auto_pad,ceil_mode,count_include_pad,dilations,kernel_shape,pads,strides", 1);
}

static thaw_status prepare(thaw_node *node)
{
    THAW_TRY(thaw_pooling_prepare_backward(node, "average_pool_backward", false));
    return thaw_pooling_prepare(node, "average_pool", "");
}

/* Along each axis, up to where elements count; -1: only those inside. */
static void find_counted(const thaw_node *node, thaw_argument counted[THAW_WINDOW_AXES])
{
    const thaw_pooling *pooling = node->state;
    const thaw_window *window = &pooling->window;
    const bool count_pads = thaw_node_int(node, "count_include_pad", 0) != 0;
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        counted[axis] = THAW_INT(count_pads ? window->in[axis] + window->pad_end[axis] : -1);
}

static thaw_status forward(thaw_node *node)
{
    thaw_argument counted[THAW_WINDOW_AXES];
    find_counted(node, counted);
    return thaw_pooling_run(node, counted, THAW_WINDOW_AXES);
}

static thaw_status backward(thaw_node *node)
{
    thaw_argument counted[THAW_WINDOW_AXES];
    find_counted(node, counted);
    return thaw_average_pooling_backward(node, counted);
}

const thaw_op thaw_op_average_pool = {
    .name = "average_pool",
    .onnx_type = "AveragePool",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_pooling_infer,
    .layout = thaw_pooling_layout,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
