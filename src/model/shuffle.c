/* Channel shuffles, Concat, Reshape to [n, g, c / g, h, w], Transpose of the two in the middle, Reshape back, Split, as
 * one operator for each piece of the Split: it takes activations in blocks of channels as they are. */
#include "model/bind.h"
#include "ops/shared/channel_select.h"

#include <stdlib.h>
#include <string.h>

typedef struct shuffle {
    thaw_value *inputs[THAW_CHANNEL_SELECT_INPUTS]; /* [n, .., h, w], one behind the other */
    size_t input_count;
    int64_t groups, width; /* of channels, and how many in each */
    thaw_node *last;       /* the Split, or the second Reshape where there is none */
} shuffle;

/* A Concat or Split of channels, and no output is left out; both are of rank 4. */
static bool is_along_channels(const thaw_node *node, const char *onnx_type)
{
    if (!thaw_node_is(node, onnx_type))
        return false;
    for (size_t i = 0; i < node->output_count; i++)
        if (!node->outputs[i])
            return false;
    const int64_t axis = thaw_node_int(node, "axis", 0);
    return axis == 1 || axis == 1 - 4;
}

static bool swaps_groups(const thaw_node *node)
{
    static const int64_t perm[] = {0, 2, 1, 3, 4};
    return thaw_transpose_is(node, perm, sizeof perm / sizeof *perm);
}

/* Is it [n, g, c / g, h, w] of x? */
static bool is_grouped(const thaw_shape *grouped, const thaw_shape *x)
{
    return grouped->rank == 5 && grouped->dims[0] == x->dims[0] && grouped->dims[1] > 1 &&
           grouped->dims[1] * grouped->dims[2] == x->dims[1] && grouped->dims[3] == x->dims[2] &&
           grouped->dims[4] == x->dims[3];
}

/* x, or what the Concat puts together that makes it for nobody else. */
static void find_inputs(thaw_value *x, shuffle *s)
{
    const thaw_node *concat = x->producer;
    s->inputs[0] = x;
    s->input_count = 1;
    if (x->uses != 1 || !is_along_channels(concat, "Concat") || concat->input_count > THAW_CHANNEL_SELECT_INPUTS)
        return;
    for (size_t i = 0; i < concat->input_count; i++)
        if (!thaw_value_is_image(concat->inputs[i]))
            return;
    s->input_count = concat->input_count;
    memcpy(s->inputs, concat->inputs, concat->input_count * sizeof *concat->inputs);
}

static bool find_shuffle(const thaw_node *transpose, shuffle *s)
{
    const thaw_value *grouped = transpose->inputs[0];
    thaw_node *after = thaw_graph_sole_reader(transpose->graph, transpose->outputs[0]);
    if (grouped->uses != 1 || !thaw_node_is(grouped->producer, "Reshape") || !thaw_node_is(after, "Reshape"))
        return false;
    thaw_value *x = grouped->producer->inputs[0], *y = after->outputs[0];
    if (!thaw_value_is_image(x) || !is_grouped(&grouped->shape, &x->shape) || !thaw_shape_equal(&y->shape, &x->shape))
        return false;
    thaw_node *split = thaw_graph_sole_reader(y->producer->graph, y);
    s->groups = grouped->shape.dims[1];
    s->width = grouped->shape.dims[2];
    s->last = is_along_channels(split, "Split") ? split : after;
    find_inputs(x, s);
    return true;
}

/* Before its last node. */
static void place_node(thaw_graph *graph, thaw_node *node, const thaw_node *last)
{
    const size_t place = thaw_graph_position(graph, last);
    memmove(&graph->nodes[place + 1], &graph->nodes[place], (graph->node_count - 1 - place) * sizeof *graph->nodes);
    graph->nodes[place] = node;
}

/* Channel k of what was shuffled is the (k / g)th of group k % g. */
static thaw_status add_channels(thaw_node *node, const shuffle *s, int64_t first, int64_t count)
{
    int64_t *channels;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *channels, &channels));
    for (int64_t k = first; k < first + count; k++)
        channels[k - first] = k % s->groups * s->width + k / s->groups;
    const thaw_status status = thaw_node_add_ints(node, "channels", channels, (size_t)count);
    free(channels);
    return status;
}

/* Lets one node make `piece`, the shuffled channels from `first` on. */
static thaw_status add_select(thaw_graph *graph, const shuffle *s, thaw_value *piece, int64_t first)
{
    thaw_node *node;
    THAW_TRY(thaw_graph_add_node(graph, &thaw_op_channel_select, piece->name, s->input_count, 1, &node));
    for (size_t i = 0; i < s->input_count; i++)
        thaw_node_set_input(node, i, s->inputs[i]);
    THAW_TRY(add_channels(node, s, first, piece->shape.dims[1]));
    thaw_node_set_output_value(node, 0, piece);
    THAW_TRY(node->op->attributes(node));
    place_node(graph, node, s->last);
    return node->op->infer(node);
}

static thaw_status join(thaw_graph *graph, const shuffle *s)
{
    int64_t first = 0;
    for (size_t i = 0; i < s->last->output_count; i++) {
        thaw_value *piece = s->last->outputs[i];
        if (piece->uses > 0)
            THAW_TRY(add_select(graph, s, piece, first));
        first += piece->shape.dims[1];
    }
    s->last->removed = true;
    return THAW_OK;
}

thaw_status thaw_graph_join_shuffles(thaw_graph *graph)
{
    shuffle s;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < graph->node_count; i++)
        if (swaps_groups(graph->nodes[i]) && find_shuffle(graph->nodes[i], &s))
            THAW_TRY(join(graph, &s));
    thaw_graph_sweep(graph);
    return THAW_OK;
}
