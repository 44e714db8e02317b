/* Inverted residuals: a pointwise convolution that only a depthwise one reads becomes a part of that. */
#include "model/bind.h"

#include <string.h>

#include "ops/shared/conv_pair.h"
#include "ops/shared/weights.h"

static bool is_fixed(const thaw_value *value)
{
    return value->constant && !value->trainable;
}

/* A convolution of known weights over [n, c, h, w] without a residual; its geometry with everything in blocks. */
static bool is_plain_convolution(const thaw_node *node, int32_t block, thaw_conv_geometry *geometry)
{
    if (!thaw_node_is(node, "Conv") || node->inputs[0]->shape.rank != 4 || node->scaled || node->epilogue.residual ||
        !is_fixed(node->inputs[1]))
        return false;
    const thaw_value *bias = thaw_node_input(node, 2);
    *geometry = ((const thaw_conv *)node->state)->geometry;
    geometry->in_block = geometry->out_block = block;
    geometry->halves = thaw_weights_halve(node, 1);
    return !bias || is_fixed(bias);
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

/* The pair's node, the last one, gets the depthwise convolution's place. */
static thaw_status replace(thaw_node *node, thaw_node *depthwise, size_t place)
{
    thaw_graph *graph = node->graph;
    for (size_t i = 0; i < node->output_count; i++)
        thaw_node_set_output_value(node, i, node->outputs[i]);
    if (node->sums)
        node->outputs[1]->shape.dims[1] = thaw_conv_pair_sum_parts(node, node->state);
    graph->nodes[place] = node;
    graph->nodes[graph->node_count - 1] = depthwise;
    depthwise->inputs[0]->producer->removed = true;
    depthwise->removed = true;
    return node->op->infer(node);
}

thaw_status thaw_graph_pair(thaw_graph *graph, int32_t block)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++) {
        thaw_node *depthwise = graph->nodes[i], *node;
        thaw_conv_pair pair = {0};
        if (!read_pair(depthwise, block, &pair))
            continue;
        THAW_TRY(add_pair(&pair, depthwise, &node));
        if (thaw_conv_pair_wins(node, depthwise->inputs[0]->producer, depthwise))
            THAW_TRY(replace(node, depthwise, i));
        else
            node->removed = true;
    }
    thaw_graph_sweep(graph);
    return THAW_OK;
}
