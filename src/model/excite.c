/* Squeeze-and-excite blocks, x * gate(mean(x)), for activations in blocks of channels: the means, the two layers behind
 * them and the multiplication become parts of what is computed anyway, so that nothing passes over x once more. */
#include "model/bind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/shared/channel_gate.h"
#include "ops/shared/conv_variants.h"
#include "ops/shared/reduce.h"

static bool is_fixed(const thaw_value *value)
{
    return value && value->constant && !value->trainable;
}

/* A convolution of known weights over [n, c, h, w]; its geometry with everything in blocks. */
static bool is_fixed_convolution(const thaw_node *node, int32_t block, thaw_conv_geometry *geometry)
{
    if (!thaw_node_is(node, "Conv") || node->inputs[0]->shape.rank != 4 || node->scaled || node->sums ||
        !is_fixed(node->inputs[1]))
        return false;
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    *geometry = ((const thaw_conv *)node->state)->geometry;
    geometry->in_block = geometry->out_block = block;
    return !bias || is_fixed(bias);
}

/* --- the multiplication: by the convolution behind it --- */

/* Makes `factors` input 3; a residual stays the last. */
static thaw_status insert_factors(thaw_node *conv, thaw_value *factors)
{
    thaw_value **inputs;
    const size_t count = conv->epilogue.residual ? 5 : 4;
    THAW_TRY(thaw_allocate(thaw_node_context(conv), count, sizeof *inputs, &inputs));
    inputs[0] = conv->inputs[0];
    inputs[1] = conv->inputs[1];
    inputs[2] = thaw_epilogue_own_input(conv, 2);
    inputs[3] = factors;
    if (conv->epilogue.residual)
        inputs[4] = conv->epilogue.residual;
    free(conv->inputs);
    conv->inputs = inputs;
    conv->input_count = count;
    conv->scaled = true;
    return THAW_OK;
}

static thaw_status scale_reader(thaw_node *multiply, thaw_value *x, thaw_value *gate, int32_t block)
{
    thaw_conv_geometry geometry;
    thaw_value *y = multiply->outputs[0];
    thaw_node *conv = thaw_graph_sole_reader(multiply->graph, y);
    if (multiply->epilogue.activation != THAW_LINEAR || !is_fixed_convolution(conv, block, &geometry) ||
        conv->inputs[0] != y || conv->epilogue.residual == y || !thaw_conv_takes_factors(&geometry))
        return THAW_OK;
    THAW_TRY(insert_factors(conv, gate));
    conv->inputs[0] = x;
    multiply->removed = true;
    return THAW_OK;
}

/* --- the gate: one operator --- */

/* What the gate is made of, from the mean on. */
typedef struct excitation {
    thaw_node *pool, *first, *second;
    thaw_channel_gate gate;
} excitation;

/* The node behind `value` that is more than another shape for the same numbers, if nobody else reads what it makes. */
static thaw_node *maker(const thaw_value *value)
{
    while (value->uses == 1 && value->producer && !value->producer->removed &&
           (value->producer->op->flags & THAW_OP_VIEW))
        value = value->producer->inputs[0];
    return value->uses == 1 ? value->producer : NULL;
}

static bool is_bias(const thaw_value *value, int64_t width)
{
    return !value || (is_fixed(value) && thaw_shape_size(&value->shape) == width);
}

/* A 1x1 convolution of one pixel, or a Gemm. */
static bool read_layer(const thaw_node *node, thaw_gate_layer *layer)
{
    thaw_conv_geometry geometry;
    if (!node || node->epilogue.residual)
        return false;
    *layer = (thaw_gate_layer){.transposed = true, .epilogue = thaw_epilogue_few(node)};
    if (is_fixed_convolution(node, 1, &geometry)) {
        layer->depth = geometry.in_channels;
        layer->width = geometry.out_channels;
        return geometry.groups == 1 && thaw_shape_span(&node->inputs[0]->shape, 2, 4) == 1 &&
               thaw_conv_pixels(&geometry) == 1 && thaw_conv_depth(&geometry) == geometry.in_channels;
    }
    if (!thaw_node_is(node, "Gemm") || !is_fixed(node->inputs[1]) || thaw_node_int(node, "transA", 0) ||
        thaw_node_float(node, "alpha", 1) != 1 || thaw_node_float(node, "beta", 1) != 1)
        return false;
    layer->transposed = thaw_node_int(node, "transB", 0) != 0;
    layer->depth = node->inputs[1]->shape.dims[layer->transposed];
    layer->width = node->inputs[1]->shape.dims[!layer->transposed];
    return is_bias(thaw_node_input(node, 2), layer->width);
}

static bool is_mean(const thaw_node *node)
{
    return (thaw_node_is(node, "GlobalAveragePool") || thaw_node_is(node, "ReduceMean")) &&
           ((const thaw_reduce *)node->state)->spatial;
}

static bool read_gate(const thaw_value *factors, excitation *e)
{
    thaw_gate_layer *layers = e->gate.layers;
    e->second = maker(factors);
    if (!read_layer(e->second, &layers[1]))
        return false;
    e->first = maker(e->second->inputs[0]);
    if (!read_layer(e->first, &layers[0]))
        return false;
    e->pool = maker(e->first->inputs[0]);
    const thaw_activation between = layers[0].epilogue.activation;
    return is_mean(e->pool) && (between == THAW_CLAMP || between == THAW_SILU) &&
           e->pool->inputs[0]->shape.dims[1] == layers[0].depth && layers[1].depth == layers[0].width &&
           e->pool->inputs[0]->shape.dims[0] == factors->shape.dims[0];
}

/* Lets a depthwise convolution add up what `pool` takes the mean of. *sums NULL: it can't. */
static thaw_status sum_at_source(const thaw_node *pool, int32_t block, thaw_value **sums)
{
    thaw_conv_geometry geometry;
    thaw_node *conv = pool->inputs[0]->producer;
    thaw_value **outputs;
    *sums = NULL;
    if (!is_fixed_convolution(conv, block, &geometry) || thaw_conv_sum_parts(&geometry) == 0)
        return THAW_OK;
    THAW_TRY(thaw_graph_add_value(pool->graph, "", sums));
    (*sums)->dtype = THAW_FLOAT32;
    (*sums)->shape = (thaw_shape){
        3, {geometry.n, thaw_conv_sum_parts(&geometry), (geometry.out_channels + block - 1) / block * block}};
    (*sums)->shape_known = true;
    THAW_TRY(thaw_allocate(thaw_node_context(conv), 2, sizeof *outputs, &outputs));
    outputs[0] = conv->outputs[0];
    free(conv->outputs);
    conv->outputs = outputs;
    conv->output_count = 2;
    conv->sums = true;
    thaw_node_set_output_value(conv, 1, *sums);
    return THAW_OK;
}

/* The new node gets the place of the gate's last one. */
static thaw_status add_gate(excitation *e, thaw_value *means, thaw_value *factors)
{
    thaw_graph *graph = e->pool->graph;
    thaw_node *node;
    THAW_TRY(thaw_graph_add_node(graph, &thaw_op_channel_gate, "", 5, 1, &node));
    THAW_TRY(node->op->attributes(node));
    *(thaw_channel_gate *)node->state = e->gate;
    thaw_node_set_input(node, 0, means);
    for (size_t i = 0; i < 2; i++) {
        const thaw_node *layer = i == 0 ? e->first : e->second;
        thaw_node_set_input(node, 1 + 2 * i, layer->inputs[1]);
        thaw_node_set_input(node, 2 + 2 * i, thaw_epilogue_own_input(layer, 2));
    }
    thaw_node_set_output_value(node, 0, factors);
    thaw_graph_replace(graph, e->second);
    e->first->removed = true;
    return node->op->infer(node);
}

static thaw_status join_gate(thaw_value *factors, int32_t block)
{
    excitation e = {.gate.scale = 1};
    thaw_value *sums;
    if (!read_gate(factors, &e))
        return THAW_OK;
    THAW_TRY(sum_at_source(e.pool, block, &sums));
    if (sums) {
        e.gate.scale = 1.0f / (float)thaw_shape_span(&e.pool->inputs[0]->shape, 2, 4);
        e.pool->removed = true;
    } else if (e.pool->outputs[0]->shape.rank != 4) {
        return THAW_OK;
    }
    return add_gate(&e, sums ? sums : e.pool->outputs[0], factors);
}

/* --- both --- */

static bool is_factors(const thaw_value *value, const thaw_value *x, const thaw_value *y)
{
    return !value->constant && value->shape.rank == 4 && x->shape.rank == 4 && thaw_shape_equal(&x->shape, &y->shape) &&
           value->shape.dims[0] == x->shape.dims[0] && value->shape.dims[1] == x->shape.dims[1] &&
           thaw_shape_span(&value->shape, 2, 4) == 1;
}

static thaw_status excite_node(thaw_node *multiply, int32_t block)
{
    for (size_t side = 0; side < 2; side++) {
        thaw_value *x = multiply->inputs[1 - side], *factors = multiply->inputs[side];
        if (!is_factors(factors, x, multiply->outputs[0]))
            continue;
        THAW_TRY(join_gate(factors, block));
        return scale_reader(multiply, x, factors, block);
    }
    return THAW_OK;
}

thaw_status thaw_graph_excite(thaw_graph *graph, int32_t block)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++)
        if (thaw_node_is(graph->nodes[i], "Mul"))
            THAW_TRY(excite_node(graph->nodes[i], block));
    thaw_graph_sweep(graph);
    return THAW_OK;
}
