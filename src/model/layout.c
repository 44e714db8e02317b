/* Which activation is stored how. */
#include "model/bind.h"

#include <stdlib.h>
#include <string.h>

extern const thaw_op thaw_op_reorder; /* no ONNX operator: not to be found by name */

typedef struct layouter {
    thaw_graph *graph;
    int32_t block;
    thaw_node **order; /* [order_count]: the nodes with Reorders between them */
    size_t order_count, order_capacity;
    thaw_value **copy; /* [copy_count]: by a value's index, the same in the other storage; NULL: none yet */
    size_t copy_count;
} layouter;

static bool is_activation(const thaw_value *value)
{
    return value && !value->constant && value->shape.rank == 4;
}

static thaw_status put(layouter *l, thaw_node *node)
{
    THAW_TRY(thaw_reserve(l->graph->context, &l->order, &l->order_capacity, l->order_count + 1, sizeof *l->order));
    l->order[l->order_count++] = node;
    return THAW_OK;
}

/* The same numbers stored in the other way, made where they are first needed. */
static thaw_status reordered(layouter *l, thaw_value *value, int32_t block, thaw_value **copy)
{
    thaw_node *node;
    if (value->index < l->copy_count && l->copy[value->index]) {
        *copy = l->copy[value->index];
        return THAW_OK;
    }
    THAW_TRY(thaw_graph_add_value(l->graph, "", copy));
    THAW_TRY(thaw_graph_add_node(l->graph, &thaw_op_reorder, "", 1, 1, &node));
    thaw_node_set_input(node, 0, value);
    thaw_node_set_output_value(node, 0, *copy);
    THAW_TRY(node->op->attributes(node));
    THAW_TRY(node->op->infer(node));
    (*copy)->block = block;
    (*copy)->needs_gradient = value->needs_gradient;
    if (value->index < l->copy_count)
        l->copy[value->index] = *copy;
    return put(l, node);
}

static thaw_status connect(layouter *l, thaw_node *node, size_t index, int32_t wanted)
{
    thaw_value *value = node->inputs[index], *copy;
    if (!is_activation(value) || value->block == wanted)
        return THAW_OK;
    THAW_TRY(reordered(l, value, wanted, &copy));
    node->inputs[index] = copy;
    if (node->epilogue.residual == value)
        node->epilogue.residual = copy;
    return THAW_OK;
}

static thaw_status lay_out_node(layouter *l, thaw_node *node)
{
    int32_t *wanted;
    THAW_TRY(thaw_allocate(l->graph->context, node->input_count, sizeof *wanted, &wanted));
    for (size_t i = 0; i < node->input_count; i++)
        wanted[i] = 1;
    const int32_t block = node->op->layout ? node->op->layout(node, l->block, wanted) : 1;
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < node->input_count && status == THAW_OK; i++)
        status = connect(l, node, i, wanted[i]);
    free(wanted);
    if (is_activation(node->outputs[0]))
        node->outputs[0]->block = block;
    return status == THAW_OK ? put(l, node) : status;
}

static thaw_status lay_out(layouter *l)
{
    thaw_graph *graph = l->graph;
    const size_t count = graph->node_count;
    l->copy_count = graph->value_count;
    THAW_TRY(thaw_allocate(graph->context, l->copy_count, sizeof *l->copy, &l->copy));
    for (size_t i = 0; i < count; i++) {
        THAW_TRY(lay_out_node(l, graph->nodes[i]));
        thaw_prepare_step(graph->context);
    }
    for (size_t i = 0; i < graph->output_count; i++)
        if (is_activation(graph->outputs[i]) && graph->outputs[i]->block != 1)
            THAW_TRY(reordered(l, graph->outputs[i], 1, &graph->outputs[i]));
    for (size_t i = 0; i < l->order_count; i++)
        graph->nodes[i] = l->order[i];
    return THAW_OK;
}

/* What only a Concat reads is written straight into its output where its producer can do that; not where it has a
 * gradient, which would have to lie in that of the output. */
static void slice_inputs(const thaw_node *concat)
{
    thaw_value *whole = concat->outputs[0];
    int64_t channel = 0;
    for (size_t i = 0; i < concat->input_count; i++) {
        thaw_value *value = concat->inputs[i];
        if (value->uses == 1 && value->producer && value->producer->slices && !value->needs_gradient) {
            value->whole = whole;
            value->first_channel = channel;
        }
        channel += value->shape.dims[1];
    }
}

static void slice(thaw_graph *graph)
{
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (node->op->onnx_type && strcmp(node->op->onnx_type, "Concat") == 0 && node->outputs[0]->block > 1)
            slice_inputs(node);
    }
}

thaw_status thaw_graph_layout(thaw_graph *graph, int32_t block)
{
    layouter l = {.graph = graph, .block = block};
    const thaw_status status = lay_out(&l);
    if (status == THAW_OK)
        slice(graph);
    free(l.order);
    free(l.copy);
    return status;
}
