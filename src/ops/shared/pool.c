#include "ops/shared/pool.h"

#include <stdio.h>

thaw_status thaw_pool_attributes(thaw_node *node, const char *known, size_t most_outputs)
{
    THAW_TRY(thaw_node_known_attributes(node, known));
    THAW_TRY(thaw_node_arity(node, 1, 1, most_outputs));
    THAW_TRY(thaw_window_check_auto_pad(node));
    size_t count;
    if (!thaw_node_ints(node, "kernel_shape", &count))
        return thaw_node_fail(node, THAW_ERR_MODEL, "has no kernel_shape");
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_pool), &node->state);
}

thaw_status thaw_pool_infer(thaw_node *node)
{
    thaw_pool *pool = node->state;
    const thaw_value *x = node->inputs[0];
    int64_t kernel[THAW_WINDOW_AXES], taps = 1;
    THAW_TRY(thaw_node_float_inputs(node));
    THAW_TRY(thaw_window_axes(node, "kernel_shape", x->shape.rank - 2, 1, kernel));
    THAW_TRY(thaw_window_infer(node, kernel, &pool->window));
    thaw_shape y = x->shape;
    for (int32_t i = 0; i < pool->window.spatial; i++)
        y.dims[2 + i] = pool->window.out[i + THAW_WINDOW_AXES - pool->window.spatial];
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    THAW_TRY(thaw_node_set_output(node, 1, THAW_INT64, &y));
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        if (!thaw_multiply(taps, kernel[axis], &taps))
            return thaw_node_fail(node, THAW_ERR_SIZE, "the kernel is too large");
    if (!thaw_multiply(taps, thaw_shape_size(&y), &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "the output is too large");
    return THAW_OK;
}

thaw_status thaw_pool_prepare(thaw_node *node, const char *kernel, const char *options)
{
    thaw_pool *pool = node->state;
    const thaw_window *w = &pool->window;
    char text[512];
    snprintf(text, sizeof text,
             "-DKERNEL_D=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_D=%d -DSTRIDE_H=%d -DSTRIDE_W=%d -DDILATION_D=%d "
             "-DDILATION_H=%d -DDILATION_W=%d -DPAD_D=%d -DPAD_H=%d -DPAD_W=%d %s",
             (int)w->kernel[0], (int)w->kernel[1], (int)w->kernel[2], (int)w->stride[0], (int)w->stride[1],
             (int)w->stride[2], (int)w->dilation[0], (int)w->dilation[1], (int)w->dilation[2], (int)w->pad[0],
             (int)w->pad[1], (int)w->pad[2], options);
    return thaw_kernel_get(thaw_node_device(node), "pool", kernel, text, &pool->kernel);
}

thaw_range thaw_pool_range(const thaw_node *node)
{
    const thaw_pool *pool = node->state;
    const thaw_shape *x = &node->inputs[0]->shape;
    return THAW_RANGE_3(pool->window.out[2], pool->window.out[0] * pool->window.out[1], x->dims[0] * x->dims[1]);
}
