/* ConvExpand: a pointwise and a depthwise convolution in one. Only the rewrite in model/pair.c makes it. */
#include "ops/shared/conv_pair.h"
#include "ops/shared/weights.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_conv_pair), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_conv_pair *pair = node->state;
    const thaw_conv_geometry *a = &pair->pointwise, *b = &pair->depthwise;
    const thaw_shape y = {4, {b->n, b->out_channels, b->out[1], b->out[2]}};
    node->flops = 2 * b->n * b->in_channels *
                  (thaw_conv_pixels(a) * thaw_conv_depth(a) + thaw_conv_pixels(b) * thaw_conv_depth(b));
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y);
}

static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const thaw_conv_pair *pair = node->state;
    node->halves_weights = pair->pointwise.halves;
    thaw_weights_warn(node);
    node->packs_weights = true;
    return wanted[0] = block;
}

static thaw_status prepare(thaw_node *node)
{
    return thaw_conv_pair_prepare(node, node->state);
}

static thaw_status forward(thaw_node *node)
{
    return thaw_conv_pair_run(node, node->state);
}

static void release(thaw_node *node)
{
    thaw_conv_pair_release(node->state);
}

const thaw_op thaw_op_conv_expand = {
    .name = "conv_expand",
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
