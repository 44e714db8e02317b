/* Gelu as exporters write it for opsets that lack it, x / 2 * (1 + erf(x / sqrt(2))) in five nodes, as one. */
#include "model/bind.h"

#include <math.h>
#include <string.h>

static bool is_number(const thaw_value *value, double wanted)
{
    return thaw_value_is_fixed(value) && value->constant->count == 1 &&
           fabs(thaw_tensor_get(value->constant, 0) - wanted) < 1e-6 * fabs(wanted);
}

/* The node that reads `value`, if it is one alone and of that type. */
static thaw_node *sole_reader(const thaw_value *value, const char *onnx_type)
{
    thaw_node *reader = thaw_graph_sole_reader(value->producer->graph, value);
    return thaw_node_is(reader, onnx_type) ? reader : NULL;
}

/* What a node of two inputs reads besides `one`. */
static thaw_value *other_input(const thaw_node *node, const thaw_value *one)
{
    return node->inputs[node->inputs[0] == one];
}

/* x of x / sqrt(2); NULL where that is not how `value` is made. */
static thaw_value *find_x(const thaw_value *value)
{
    const thaw_node *node = value->producer;
    if (thaw_node_is(node, "Div") && is_number(node->inputs[1], sqrt(2)))
        return node->inputs[0];
    for (size_t side = 0; thaw_node_is(node, "Mul") && side < 2; side++)
        if (is_number(node->inputs[side], sqrt(0.5)))
            return node->inputs[1 - side];
    return NULL;
}

/* Is it x / 2? */
static bool is_half(const thaw_value *value, const thaw_value *x)
{
    const thaw_node *node = value->producer;
    return thaw_node_is(node, "Mul") && (node->inputs[0] == x || node->inputs[1] == x) &&
           is_number(other_input(node, x), 0.5);
}

/* The node that makes Gelu(x), from the one that makes 1 + erf(..): both x and 1 / 2 are multiplied in, one after the
 * other, or at once. */
static thaw_node *find_last(const thaw_value *sum, const thaw_value *x)
{
    thaw_node *first = sole_reader(sum, "Mul");
    if (!first)
        return NULL;
    const thaw_value *factor = other_input(first, sum);
    if (is_half(factor, x))
        return first;
    thaw_node *second = factor == x || is_number(factor, 0.5) ? sole_reader(first->outputs[0], "Mul") : NULL;
    if (!second)
        return NULL;
    const thaw_value *left = other_input(second, first->outputs[0]);
    return factor == x ? (is_number(left, 0.5) ? second : NULL) : (left == x ? second : NULL);
}

static thaw_status join(thaw_graph *graph, const thaw_node *erf)
{
    thaw_value *x = find_x(erf->inputs[0]);
    const thaw_node *add = x ? sole_reader(erf->outputs[0], "Add") : NULL;
    thaw_node *last = add && is_number(other_input(add, erf->outputs[0]), 1) ? find_last(add->outputs[0], x) : NULL;
    thaw_node *gelu;
    if (!last || x->constant || !thaw_shape_equal(&x->shape, &last->outputs[0]->shape))
        return THAW_OK;
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find("Gelu"), last->name, 1, 1, &gelu));
    thaw_node_set_input(gelu, 0, x);
    thaw_node_set_output_value(gelu, 0, last->outputs[0]);
    THAW_TRY(gelu->op->attributes(gelu));
    thaw_graph_replace(graph, last);
    return gelu->op->infer(gelu);
}

thaw_status thaw_graph_join_gelu(thaw_graph *graph)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++)
        if (thaw_node_is(graph->nodes[i], "Erf"))
            THAW_TRY(join(graph, graph->nodes[i]));
    thaw_graph_sweep(graph);
    return THAW_OK;
}
