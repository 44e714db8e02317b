/* ConvPool: a convolution of an image and the max pool behind it in one. Only the rewrite in model/pair.c makes it.
 */
#include "ops/shared/conv_pool.h"
#include "ops/shared/weights.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_conv_pool), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_conv_pool *pool = node->state;
    const thaw_conv_geometry *geometry = &pool->conv.geometry;
    const thaw_window *window = &pool->window;
    const thaw_shape y = {4, {geometry->n, geometry->out_channels, window->out[1], window->out[2]}};
    node->flops = 2 * geometry->n * geometry->out_channels * thaw_conv_pixels(geometry) * thaw_conv_depth(geometry) +
                  thaw_shape_size(&y) * window->kernel[1] * window->kernel[2];
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y);
}

static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const thaw_conv_pool *pool = node->state;
    node->halves_weights = pool->conv.geometry.halves;
    thaw_weights_warn(node);
    node->packs_weights = true;
    node->slices = true;
    wanted[0] = 1;
    return block;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_conv_pool *pool = node->state;
    return thaw_conv_prepare(node, &pool->conv, NULL);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_conv_pool *pool = node->state;
    return thaw_conv_run(node, &pool->conv);
}

static void release(thaw_node *node)
{
    thaw_conv_pool *pool = node->state;
    thaw_conv_release(&pool->conv);
}

const thaw_op thaw_op_conv_pool = {
    .name = "conv_pool",
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
