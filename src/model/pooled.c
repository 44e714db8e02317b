/* The beginning of many networks: a convolution of the image that only a max pool reads becomes one node with that. */
#include "model/bind.h"

#include "ops/shared/conv_pool.h"
#include "ops/shared/pool.h"
#include "ops/shared/weights.h"

static bool read_convolution(const thaw_node *node, int32_t block, thaw_conv_geometry *geometry)
{
    enum { FEW_CHANNELS = 4 };
    if (!node || !thaw_node_is(node, "Conv") || node->inputs[0]->shape.rank != 4 || node->inputs[0]->constant ||
        node->scaled || node->sums || node->epilogue.residual || !thaw_conv_is_fixed(node->inputs[1]) ||
        !thaw_conv_is_fixed(thaw_node_input(node, 2)))
        return false;
    *geometry = ((const thaw_conv *)node->state)->geometry;
    geometry->in_block = 1;
    geometry->out_block = block;
    geometry->halves = thaw_weights_halve(node, 1);
    return geometry->in_channels <= FEW_CHANNELS;
}

static bool read_both(const thaw_node *node, int32_t block, thaw_conv_pool *pool)
{
    if (!thaw_node_is(node, "MaxPool") || thaw_node_output(node, 1) || node->inputs[0]->uses != 1 ||
        !read_convolution(node->inputs[0]->producer, block, &pool->conv.geometry))
        return false;
    pool->conv.variant = &thaw_conv_image_pooled;
    pool->window = ((const thaw_pooling *)node->state)->window;
    return thaw_conv_pool_fits(pool);
}

/* Appends the node and gives it the pool's place. */
static thaw_status join(const thaw_conv_pool *pool, thaw_node *max_pool, size_t place)
{
    thaw_graph *graph = max_pool->graph;
    thaw_node *const convolution = max_pool->inputs[0]->producer, *node;
    THAW_TRY(thaw_graph_add_node(graph, &thaw_op_conv_pool, "", 3, 1, &node));
    THAW_TRY(node->op->attributes(node));
    *(thaw_conv_pool *)node->state = *pool;
    node->epilogue = convolution->epilogue;
    for (size_t i = 0; i < 3; i++)
        node->inputs[i] = thaw_node_input(convolution, i);
    thaw_node_set_output_value(node, 0, max_pool->outputs[0]);
    graph->nodes[place] = node;
    graph->nodes[graph->node_count - 1] = max_pool;
    convolution->removed = true;
    max_pool->removed = true;
    return node->op->infer(node);
}

thaw_status thaw_graph_join_pools(thaw_graph *graph, int32_t block)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++) {
        thaw_conv_pool pool = {0};
        if (read_both(graph->nodes[i], block, &pool))
            THAW_TRY(join(&pool, graph->nodes[i], i));
    }
    thaw_graph_sweep(graph);
    return THAW_OK;
}
