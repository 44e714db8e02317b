/* What ConvNeXt does with its channels last: between a Transpose of [n, c, h, w] to [n, h, w, c] and others back, nodes
 * that know no neighbours of a pixel do the same with the channels first, without the Transposes. A product with a
 * matrix is a 1x1 convolution there, a LayerNormalization a ChannelNormalization, and all take activations in blocks of
 * channels as they are.
 *
 * A region is what such nodes connect. Where something else reads a value of it too, a Transpose has to make that; a
 * region that would not lose more of them than it gets is left alone. */
#include "model/bind.h"

#include <stdlib.h>
#include <string.h>

#include "ops/shared/activation.h"
#include "ops/shared/binary.h"
#include "ops/shared/channel_normalization.h"
#include "ops/shared/elementwise.h"
#include "ops/shared/movement.h"

enum { RANK = 4 };

static const int64_t to_last[RANK] = {0, 2, 3, 1}, to_first[RANK] = {0, 3, 1, 2};

/* What is known of a value, by its index. `region` leads to another value of its region, and so on to the one that
 * stands for it, which leads to itself. */
typedef struct place {
    size_t region;     /* NONE: of none */
    bool is_entry;     /* a Transpose makes it */
    bool leaks;        /* something outside reads it */
    int64_t gain;      /* Transposes that the region loses; of the value that stands for it */
    thaw_value *first; /* the same with its channels first; NULL: not yet */
} place;

#define NONE SIZE_MAX

typedef struct turner {
    thaw_graph *graph;
    place *places;     /* [place_count]: values that are added later are of no region */
    thaw_node **order; /* [order_count]: all nodes, new ones in between */
    size_t place_count, order_count, order_capacity;
} turner;

/* --- regions ------------------------------------------------------------------------------------------------------ */

static bool is_transpose(const thaw_node *node, const int64_t wanted[RANK])
{
    return thaw_transpose_is(node, wanted, RANK) && thaw_value_is_image(node->inputs[0]);
}

/* NULL: of no region. */
static place *place_of(const turner *t, const thaw_value *value)
{
    place *p = value && value->index < t->place_count ? &t->places[value->index] : NULL;
    return p && p->region != NONE ? p : NULL;
}

/* The one that stands for its region. */
static place *root_of(const turner *t, const place *p)
{
    while (p != &t->places[p->region])
        p = &t->places[p->region];
    return &t->places[p->region];
}

static bool is_turned(const turner *t, const thaw_value *value)
{
    const place *p = place_of(t, value);
    return p && root_of(t, p)->gain > 0;
}

static bool is_product(const thaw_node *node)
{
    return thaw_node_is(node, "MatMul") && thaw_value_is_fixed(node->inputs[1]) && node->inputs[1]->shape.rank == 2;
}

static bool is_normalization(const thaw_node *node)
{
    const thaw_value *shift = thaw_node_input(node, 2);
    const int64_t axis = thaw_node_int(node, "axis", -1);
    if (!thaw_node_is(node, "LayerNormalization") || (axis != -1 && axis != RANK - 1))
        return false;
    for (size_t i = 1; i < node->output_count; i++)
        if (node->outputs[i] && node->outputs[i]->uses)
            return false;
    return thaw_value_is_fixed(node->inputs[1]) && (!shift || thaw_value_is_fixed(shift));
}

static bool is_function(const thaw_node *node)
{
    thaw_epilogue epilogue;
    return node->op->infer == thaw_elementwise_infer || thaw_activation_of(node, &epilogue);
}

/* Of two numbers each; constants may be broadcast. */
static bool is_arithmetic(const turner *t, const thaw_node *node)
{
    if (node->op->infer != thaw_binary_infer || thaw_node_opset(node) < 7)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (!place_of(t, node->inputs[i]) &&
            (!thaw_value_is_fixed(node->inputs[i]) || node->inputs[i]->shape.rank > RANK))
            return false;
    return true;
}

/* Could it have the channels of its inputs first? */
static bool fits(const turner *t, const thaw_node *node)
{
    if (!thaw_value_is_image(node->outputs[0]))
        return false;
    if (place_of(t, thaw_node_input(node, 0)) && (is_product(node) || is_normalization(node) || is_function(node)))
        return true;
    return is_arithmetic(t, node) && (place_of(t, node->inputs[0]) || place_of(t, node->inputs[1]));
}

static void add_to_region(const turner *t, const thaw_node *node)
{
    const size_t index = node->outputs[0]->index;
    t->places[index].region = index;
    for (size_t i = 0; i < node->input_count; i++) {
        const place *p = place_of(t, node->inputs[i]);
        if (p)
            root_of(t, p)->region = index;
    }
}

static void find_regions(const turner *t)
{
    for (size_t i = 0; i < t->graph->node_count; i++) {
        const thaw_node *node = t->graph->nodes[i];
        if (is_transpose(node, to_last)) {
            const size_t index = node->outputs[0]->index;
            t->places[index].region = index;
            t->places[index].is_entry = true;
        } else if (fits(t, node)) {
            add_to_region(t, node);
        }
    }
}

/* Does it only take back what the nodes between have been given? */
static bool is_exit(const turner *t, const thaw_node *node)
{
    const place *p = place_of(t, thaw_node_input(node, 0));
    return p && !p->is_entry && is_transpose(node, to_first);
}

/* A node of the region, no Transpose at its ends? */
static bool is_inner(const turner *t, const thaw_node *node)
{
    const place *p = place_of(t, node->outputs[0]);
    return p && !p->is_entry;
}

static void weigh_node(const turner *t, const thaw_node *node)
{
    for (size_t i = 0; i < node->input_count && !is_inner(t, node); i++) {
        place *p = place_of(t, node->inputs[i]);
        if (p && is_exit(t, node))
            root_of(t, p)->gain++;
        else if (p)
            p->leaks = true;
    }
}

static void weigh_regions(const turner *t)
{
    for (size_t i = 0; i < t->graph->node_count; i++)
        weigh_node(t, t->graph->nodes[i]);
    for (size_t i = 0; i < t->graph->output_count; i++) {
        place *p = place_of(t, t->graph->outputs[i]);
        if (p)
            p->leaks = true;
    }
    for (size_t i = 0; i < t->place_count; i++) {
        const place *p = &t->places[i];
        if (p->region != NONE)
            root_of(t, p)->gain += p->is_entry ? !p->leaks : -p->leaks;
    }
}

/* --- the nodes' counterparts -------------------------------------------------------------------------------------- */

static thaw_status put(turner *t, thaw_node *node)
{
    THAW_TRY(thaw_reserve(t->graph->context, &t->order, &t->order_capacity, t->order_count + 1, sizeof *t->order));
    t->order[t->order_count++] = node;
    return THAW_OK;
}

static thaw_status start(thaw_node *node)
{
    THAW_TRY(node->op->attributes(node));
    return node->op->infer(node);
}

/* Dimension i of the copy of that rank is dimension order[i] of the constant, which has 1s before its first as far as
 * that takes, and behind its last. */
static thaw_status add_permuted(thaw_graph *graph, const thaw_value *value, int32_t rank, const int64_t order[RANK],
                                thaw_value **copy)
{
    thaw_shape from = value->shape, to = {.rank = RANK};
    int64_t strides[THAW_MAX_RANK];
    const int32_t missing = rank - from.rank;
    for (int32_t d = RANK; d-- > 0;)
        from.dims[d] = d < missing || d >= rank ? 1 : from.dims[d - missing];
    from.rank = RANK;
    thaw_shape_strides(&from, strides);
    for (int32_t d = 0; d < RANK; d++)
        to.dims[d] = from.dims[order[d]];
    thaw_move move = thaw_move_into(&to);
    for (int32_t d = 0; d < RANK; d++)
        move.from_stride[d] = strides[order[d]];
    THAW_TRY(thaw_graph_add_value(graph, "", copy));
    THAW_TRY(thaw_tensor_create(graph->context, value->constant->dtype, &to, &(*copy)->constant));
    thaw_move_on_host(&move, value->constant, (*copy)->constant);
    (*copy)->dtype = value->constant->dtype;
    (*copy)->shape = to;
    (*copy)->shape_known = true;
    return THAW_OK;
}

/* [c, k] as [k, c, 1, 1]. */
static thaw_status make_convolution(const thaw_node *old, thaw_node **node)
{
    static const int64_t order[RANK] = {1, 0, 2, 3};
    thaw_value *weight;
    THAW_TRY(thaw_graph_add_node(old->graph, thaw_op_find("Conv"), old->name, 2, 1, node));
    THAW_TRY(add_permuted(old->graph, old->inputs[1], 2, order, &weight));
    thaw_node_set_input(*node, 1, weight);
    return THAW_OK;
}

static thaw_status make_normalization(const thaw_node *old, thaw_node **node)
{
    thaw_attribute *epsilon;
    THAW_TRY(thaw_graph_add_node(old->graph, &thaw_op_channel_normalization, old->name, old->input_count, 1, node));
    for (size_t i = 1; i < old->input_count; i++)
        thaw_node_set_input(*node, i, old->inputs[i]);
    THAW_TRY(thaw_node_add_attribute(*node, "epsilon", &epsilon));
    epsilon->kind = THAW_ATTRIBUTE_FLOAT;
    epsilon->f = thaw_node_float(old, "epsilon", 1e-5f);
    return THAW_OK;
}

/* A node of the same operator does it there, this one. */
static thaw_status turn_inputs(const turner *t, thaw_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        const place *p = place_of(t, node->inputs[i]);
        if (p)
            node->inputs[i] = p->first;
        else if (node->op->infer == thaw_binary_infer)
            THAW_TRY(add_permuted(t->graph, node->inputs[i], RANK, to_first, &node->inputs[i]));
    }
    return THAW_OK;
}

/* For whoever is outside. */
static thaw_status add_transpose(turner *t, thaw_value *first, thaw_value *last)
{
    thaw_node *node;
    THAW_TRY(thaw_graph_add_node(t->graph, thaw_op_find("Transpose"), "", 1, 1, &node));
    thaw_node_set_input(node, 0, first);
    thaw_node_set_output_value(node, 0, last);
    THAW_TRY(thaw_node_add_ints(node, "perm", to_last, RANK));
    THAW_TRY(start(node));
    return put(t, node);
}

static thaw_status turn_node(turner *t, thaw_node *old)
{
    thaw_value *last = old->outputs[0];
    place *p = place_of(t, last);
    thaw_node *node = old;
    if (is_product(old))
        THAW_TRY(make_convolution(old, &node));
    else if (is_normalization(old))
        THAW_TRY(make_normalization(old, &node));
    else
        THAW_TRY(turn_inputs(t, old));
    THAW_TRY(thaw_graph_add_value(t->graph, "", &p->first));
    thaw_node_set_output_value(node, 0, p->first);
    if (node != old) {
        thaw_node_set_input(node, 0, place_of(t, old->inputs[0])->first);
        THAW_TRY(node->op->attributes(node));
        old->removed = true;
        THAW_TRY(put(t, old));
    }
    THAW_TRY(node->op->infer(node));
    THAW_TRY(put(t, node));
    return p->leaks ? add_transpose(t, p->first, last) : THAW_OK;
}

static thaw_status turn(turner *t)
{
    const size_t count = t->graph->node_count;
    for (size_t i = 0; i < count; i++) {
        thaw_node *node = t->graph->nodes[i];
        if (is_turned(t, node->outputs[0]) && is_inner(t, node)) {
            THAW_TRY(turn_node(t, node));
            continue;
        }
        if (is_turned(t, node->outputs[0])) { /* read by nobody but those outside, from now on */
            place_of(t, node->outputs[0])->first = node->inputs[0];
        } else if (is_exit(t, node) && is_turned(t, node->inputs[0])) {
            thaw_graph_redirect(t->graph, node->outputs[0], place_of(t, node->inputs[0])->first);
            node->removed = true;
        }
        THAW_TRY(put(t, node));
    }
    if (count > 0)
        memcpy(t->graph->nodes, t->order, t->order_count * sizeof *t->order);
    return THAW_OK;
}

thaw_status thaw_graph_turn_channels_last(thaw_graph *graph)
{
    turner t = {.graph = graph, .place_count = graph->value_count};
    THAW_TRY(thaw_allocate(graph->context, t.place_count, sizeof *t.places, &t.places));
    for (size_t i = 0; i < t.place_count; i++)
        t.places[i].region = NONE;
    thaw_graph_count_uses(graph);
    find_regions(&t);
    weigh_regions(&t);
    const thaw_status status = turn(&t);
    free(t.order);
    free(t.places);
    if (status == THAW_OK)
        thaw_graph_sweep(graph);
    return status;
}
