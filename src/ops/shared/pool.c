#include "ops/shared/pool.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

thaw_status thaw_pooling_attributes(thaw_node *node, const char *known, size_t most_outputs)
{
    THAW_TRY(thaw_node_known_attributes(node, known));
    THAW_TRY(thaw_node_arity(node, 1, 1, most_outputs));
    THAW_TRY(thaw_window_check_auto_pad(node));
    size_t count;
    if (!thaw_node_ints(node, "kernel_shape", &count))
        return thaw_node_fail(node, THAW_ERR_MODEL, "attribute 'kernel_shape' is missing");
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_pooling), &node->state);
}

/* Fails where a window could lie in the padding altogether. */
static thaw_status check_pads(const thaw_node *node, const thaw_window *window)
{
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++) {
        const int64_t reach = (window->kernel[axis] - 1) * window->dilation[axis] + 1;
        const int64_t begin = window->pad[axis], end = window->pad_end[axis], pad = begin > end ? begin : end;
        if (pad >= reach)
            return thaw_node_fail(node, THAW_ERR_MODEL, "a padding of %lld is as wide as the window, %lld",
                                  (long long)pad, (long long)reach);
    }
    return THAW_OK;
}

thaw_status thaw_pooling_infer(thaw_node *node)
{
    thaw_pooling *pooling = node->state;
    const thaw_value *x = node->inputs[0];
    const thaw_window *window = &pooling->window;
    int64_t kernel[THAW_WINDOW_AXES];
    THAW_TRY(thaw_node_float_inputs(node));
    THAW_TRY(thaw_window_axes(node, "kernel_shape", x->shape.rank - 2, 1, kernel));
    THAW_TRY(thaw_window_infer(node, kernel, &pooling->window));
    THAW_TRY(check_pads(node, window));
    thaw_shape y = x->shape;
    for (int32_t i = 0; i < window->spatial; i++)
        y.dims[2 + i] = window->out[THAW_WINDOW_AXES - window->spatial + i];
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    pooling->planes = y.dims[0] * y.dims[1];
    pooling->places = window->out[0] * window->out[1] * window->out[2];
    if (!thaw_multiply(thaw_shape_size(&y), kernel[0] * kernel[1] * kernel[2], &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "the windows have too many elements");
    return THAW_OK;
}

int32_t thaw_pooling_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    thaw_pooling *pooling = node->state;
    const thaw_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    const bool too_large = block == THAW_BLOCK_ALL &&
                           (thaw_shape_span(x, 1, x->rank) > INT_MAX || thaw_shape_span(y, 1, y->rank) > INT_MAX);
    pooling->block = x->rank == 4 && !thaw_node_output(node, 1) && !too_large ? block : 1;
    return wanted[0] = pooling->block;
}

thaw_status thaw_pooling_prepare(thaw_node *node, const char *name, const char *options)
{
    thaw_pooling *pooling = node->state;
    char blocked_name[32], blocked_options[48];
    if (pooling->block <= 1)
        return thaw_kernel_get(thaw_node_device(node), "pool", name, options, &pooling->kernel);
    if (pooling->block == THAW_BLOCK_ALL)
        return thaw_kernel_get(thaw_node_device(node), "pool", name, "-DNHWC", &pooling->kernel);
    snprintf(blocked_name, sizeof blocked_name, "%s_blocked", name);
    snprintf(blocked_options, sizeof blocked_options, "-DBLOCK=%d -DKERNEL_W=%d", (int)pooling->block,
             (int)pooling->window.kernel[THAW_WINDOW_AXES - 1]);
    return thaw_kernel_get(thaw_node_device(node), "pool", blocked_name, blocked_options, &pooling->kernel);
}

/* One work-item per element of the output, (place in the channel, plane) or (element of the image, image). */
static thaw_range find_range(const thaw_node *node)
{
    const thaw_pooling *pooling = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    if (pooling->block <= 1)
        return THAW_RANGE_2(pooling->planes ? pooling->places : 0, pooling->planes);
    return THAW_RANGE_2(pooling->planes ? thaw_shape_span(&stored, 1, stored.rank) : 0, stored.dims[0]);
}

/* One piece per row of a block. */
static thaw_status run_blocked(const thaw_node *node, const thaw_argument *arguments, size_t count)
{
    const thaw_pooling *pooling = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    const size_t *const pieces = THAW_PIECES(pooling->planes ? stored.dims[2] : 0, stored.dims[0] * stored.dims[1], 1);
    return thaw_kernel_run_pieces(pooling->kernel, pieces, arguments, count);
}

thaw_status thaw_pooling_run(const thaw_node *node, const thaw_argument *own, size_t count)
{
    const thaw_pooling *pooling = node->state;
    thaw_argument arguments[2 + THAW_POOLING_OWN + THAW_WINDOW_ARGUMENTS] = {THAW_BUFFER(node->outputs[0]->buffer),
                                                                             THAW_BUFFER(node->inputs[0]->buffer)};
    assert(count <= THAW_POOLING_OWN);
    for (size_t i = 0; i < count; i++)
        arguments[2 + i] = own[i];
    thaw_window_arguments(&pooling->window, arguments + 2 + count);
    count += 2 + THAW_WINDOW_ARGUMENTS;
    if (pooling->block > 1 && pooling->block != THAW_BLOCK_ALL)
        return run_blocked(node, arguments, count);
    return thaw_kernel_run(pooling->kernel, find_range(node), arguments, count);
}
