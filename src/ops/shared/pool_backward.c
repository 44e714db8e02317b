/* Gradients of the pooling operators with a window. */
#include "ops/shared/pool.h"

#include <assert.h>
#include <stdio.h>

/* Kernel `name` of cl/pool_backward.cl, or its counterpart for blocks. */
static thaw_status get_kernel(const thaw_node *node, const char *name, thaw_kernel **kernel)
{
    const thaw_pooling *pooling = node->state;
    const thaw_window *window = &pooling->window;
    const int w = THAW_WINDOW_AXES - 1;
    char blocked_name[48], options[96];
    if (pooling->block <= 1)
        return thaw_kernel_get(thaw_node_device(node), "pool_backward", name, "", kernel);
    snprintf(blocked_name, sizeof blocked_name, "%s_blocked", name);
    snprintf(options, sizeof options, "-DBLOCK=%d -DKERNEL_W=%d -DSTRIDE_W=%d -DDILATION_W=%d", (int)pooling->block,
             (int)window->kernel[w], (int)window->stride[w], (int)window->dilation[w]);
    return thaw_kernel_get(thaw_node_device(node), "pool_backward", blocked_name, options, kernel);
}

thaw_status thaw_pooling_prepare_backward(thaw_node *node, const char *name, bool finds_largest)
{
    thaw_pooling *pooling = node->state;
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    if (finds_largest && pooling->block <= 1)
        THAW_TRY(get_kernel(node, "find_largest", &pooling->largest));
    return get_kernel(node, name, &pooling->backward);
}

/* A work-item per element of `value`, (place in the channel, plane), or per row of a block, (row, block). */
static thaw_range range_over(const thaw_node *node, const thaw_value *value)
{
    const thaw_pooling *pooling = node->state;
    const thaw_shape stored = thaw_value_stored(value);
    if (pooling->block <= 1)
        return THAW_RANGE_2(pooling->planes ? thaw_shape_size(&value->shape) / pooling->planes : 0, pooling->planes);
    thaw_range range = THAW_RANGE_2(pooling->planes ? stored.dims[2] : 0, stored.dims[0] * stored.dims[1]);
    range.local[0] = 1;
    return range;
}

/* The kernel gets these arguments, then the window. */
static thaw_status run_over(const thaw_pooling *pooling, thaw_kernel *kernel, thaw_range range,
                            const thaw_argument *own, size_t count)
{
    thaw_argument arguments[2 + THAW_POOLING_OWN + THAW_WINDOW_ARGUMENTS];
    assert(count <= 2 + THAW_POOLING_OWN);
    for (size_t i = 0; i < count; i++)
        arguments[i] = own[i];
    thaw_window_arguments(&pooling->window, arguments + count);
    return thaw_kernel_run(kernel, range, arguments, count + THAW_WINDOW_ARGUMENTS);
}

static thaw_status run(const thaw_node *node, thaw_kernel *kernel, const thaw_value *over, const thaw_argument *own,
                       size_t count)
{
    return run_over(node->state, kernel, range_over(node, over), own, count);
}

static thaw_status find_and_give(thaw_node *node, const thaw_buffer *kept)
{
    const thaw_pooling *pooling = node->state;
    const thaw_value *x = node->inputs[0], *y = node->outputs[0];
    const thaw_argument find[] = {THAW_BUFFER(kept), THAW_BUFFER(x->buffer)};
    const thaw_argument give[] = {THAW_BUFFER(x->gradient), THAW_INT(!thaw_node_overwrites(node, 0)),
                                  THAW_BUFFER(y->gradient), THAW_BUFFER(kept)};
    THAW_TRY(run(node, pooling->largest, y, find, 2));
    return run(node, pooling->backward, x, give, sizeof give / sizeof *give);
}

static thaw_status give_blocked(const thaw_node *node)
{
    const thaw_value *x = node->inputs[0], *y = node->outputs[0];
    const thaw_argument give[] = {THAW_BUFFER(x->gradient), THAW_INT(!thaw_node_overwrites(node, 0)),
                                  THAW_BUFFER(y->gradient), THAW_BUFFER(x->buffer)};
    const thaw_pooling *pooling = node->state;
    const thaw_shape stored = thaw_value_stored(x);
    thaw_range range = THAW_RANGE_1(stored.dims[0] * stored.dims[1]);
    range.local[0] = 1;
    return run_over(pooling, pooling->backward, range, give, sizeof give / sizeof *give);
}

/* Where the largest elements are is found again: to keep it from forward on would take as much memory as the output,
 * here it is handed back at once, to whoever is queued behind. */
thaw_status thaw_max_pooling_backward(thaw_node *node)
{
    const thaw_pooling *pooling = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    thaw_buffer *kept;
    if (thaw_shape_size(&stored) == 0)
        return thaw_node_clear_gradient(node, 0);
    if (pooling->block > 1)
        return give_blocked(node);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), (size_t)thaw_shape_size(&stored) * sizeof(int32_t), &kept));
    const thaw_status status = find_and_give(node, kept);
    thaw_buffer_destroy(&kept);
    return status;
}

thaw_status thaw_average_pooling_backward(thaw_node *node, const thaw_argument counted[THAW_WINDOW_AXES])
{
    const thaw_pooling *pooling = node->state;
    const thaw_argument own[] = {THAW_BUFFER(node->inputs[0]->gradient),
                                 THAW_INT(!thaw_node_overwrites(node, 0)),
                                 THAW_BUFFER(node->outputs[0]->gradient),
                                 counted[0],
                                 counted[1],
                                 counted[2]};
    return run(node, pooling->backward, node->inputs[0], own, sizeof own / sizeof *own);
}
