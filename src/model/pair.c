/* Two nodes that become one. Inverted residuals: a pointwise convolution that only a depthwise one reads becomes a part
 * of that. The beginning of many networks: so does a convolution of the image that only a max pool reads. */
#include "model/bind.h"

#include <string.h>

#include "ops/shared/conv_pair.h"
#include "ops/shared/conv_pool.h"
#include "ops/shared/pool.h"
#include "ops/shared/weights.h"

/* A convolution of known weights over [n, c, h, w] without a residual; its geometry with everything in blocks. */
static bool is_plain_convolution(const thaw_node *node, int32_t block, thaw_conv_geometry *geometry)
{
    if (!thaw_node_is(node, "Conv") || node->inputs[0]->shape.rank != 4 || node->scaled || node->epilogue.residual ||
        !thaw_conv_is_fixed(node->inputs[1]) || !thaw_conv_is_fixed(thaw_node_input(node, 2)))
        return false;
    *geometry = ((const thaw_conv *)node->state)->geometry;
    geometry->in_block = geometry->out_block = block;
    geometry->halves = thaw_weights_halve(node, 1);
    return true;
}

static bool read_pair(const thaw_node *depthwise, int32_t block, thaw_conv_pair *pair)
{
    if (!is_plain_convolution(depthwise, block, &pair->depthwise))
        return false;
    const thaw_value *between = depthwise->inputs[0];
    if (between->uses != 1 || !is_plain_convolution(between->producer, block, &pair->pointwise))
        return false;
    pair->inner = thaw_epilogue_few(between->producer);
    return thaw_conv_pair_fits(pair);
}

/* Appends the node; the outputs have their old producer until it is known to be faster. */
static thaw_status add_pair(const thaw_conv_pair *pair, thaw_node *depthwise, thaw_node **out)
{
    thaw_node *const layers[] = {depthwise->inputs[0]->producer, depthwise}, *node;
    THAW_TRY(thaw_graph_add_node(depthwise->graph, &thaw_op_conv_expand, "", 5, depthwise->output_count, &node));
    THAW_TRY(node->op->attributes(node));
    *(thaw_conv_pair *)node->state = *pair;
    node->epilogue = depthwise->epilogue;
    node->sums = depthwise->sums;
    node->inputs[0] = layers[0]->inputs[0];
    for (size_t i = 0; i < 2; i++) {
        node->inputs[1 + 2 * i] = layers[i]->inputs[1];
        node->inputs[2 + 2 * i] = thaw_node_input(layers[i], 2);
    }
    for (size_t i = 0; i < depthwise->output_count; i++)
        node->outputs[i] = depthwise->outputs[i];
    *out = node;
    return THAW_OK;
}

/* The pair's node, the last one, gets the place of `second`, which reads the other one. */
static thaw_status replace(thaw_node *node, thaw_node *second, size_t place)
{
    thaw_graph *graph = node->graph;
    for (size_t i = 0; i < node->output_count; i++)
        thaw_node_set_output_value(node, i, node->outputs[i]);
    graph->nodes[place] = node;
    graph->nodes[graph->node_count - 1] = second;
    second->inputs[0]->producer->removed = true;
    second->removed = true;
    return node->op->infer(node);
}

static thaw_status pair_depthwise(const thaw_conv_pair *pair, thaw_node *depthwise, size_t place)
{
    thaw_node *node;
    THAW_TRY(add_pair(pair, depthwise, &node));
    if (!thaw_conv_pair_wins(node, depthwise->inputs[0]->producer, depthwise)) {
        node->removed = true;
        return THAW_OK;
    }
    if (node->sums)
        node->outputs[1]->shape.dims[1] = thaw_conv_pair_sum_parts(node, node->state);
    return replace(node, depthwise, place);
}

static bool read_pool(const thaw_node *node, int32_t block, thaw_conv_pool *pool)
{
    enum { FEW_CHANNELS = 4 };
    if (!thaw_node_is(node, "MaxPool") || thaw_node_output(node, 1) || node->inputs[0]->uses != 1)
        return false;
    const thaw_node *convolution = node->inputs[0]->producer;
    thaw_conv_geometry *geometry = &pool->conv.geometry;
    if (!is_plain_convolution(convolution, block, geometry) || convolution->sums || convolution->inputs[0]->constant ||
        geometry->in_channels > FEW_CHANNELS)
        return false;
    geometry->in_block = 1;
    pool->conv.variant = &thaw_conv_image_pooled;
    pool->window = ((const thaw_pooling *)node->state)->window;
    return thaw_conv_pool_fits(pool);
}

static thaw_status pair_pool(const thaw_conv_pool *pool, thaw_node *max_pool, size_t place)
{
    const thaw_node *convolution = max_pool->inputs[0]->producer;
    thaw_node *node;
    THAW_TRY(thaw_graph_add_node(max_pool->graph, &thaw_op_conv_pool, "", 3, 1, &node));
    THAW_TRY(node->op->attributes(node));
    *(thaw_conv_pool *)node->state = *pool;
    node->epilogue = convolution->epilogue;
    for (size_t i = 0; i < 3; i++)
        node->inputs[i] = thaw_node_input(convolution, i);
    node->outputs[0] = max_pool->outputs[0];
    return replace(node, max_pool, place);
}

thaw_status thaw_graph_pair(thaw_graph *graph, int32_t block)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++) {
        thaw_conv_pair pair = {0};
        thaw_conv_pool pool = {0};
        if (read_pair(graph->nodes[i], block, &pair))
            THAW_TRY(pair_depthwise(&pair, graph->nodes[i], i));
        else if (read_pool(graph->nodes[i], block, &pool))
            THAW_TRY(pair_pool(&pool, graph->nodes[i], i));
    }
    thaw_graph_sweep(graph);
    return THAW_OK;
}
