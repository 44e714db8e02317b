#include "model/graph.h"

#include <assert.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

thaw_status thaw_graph_create(thaw_context *context, thaw_graph **graph)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **graph, graph));
    (*graph)->context = context;
    return THAW_OK;
}

static void attribute_free(thaw_attribute *attribute)
{
    free(attribute->name);
    free(attribute->s);
    free(attribute->ints);
    free(attribute->floats);
    thaw_tensor_release(&attribute->tensor);
}

static void node_free(thaw_node *node)
{
    if (!node)
        return;
    if (node->state && node->op->release)
        node->op->release(node);
    free(node->state);
    for (size_t i = 0; i < node->attribute_count; i++)
        attribute_free(&node->attributes[i]);
    free(node->attributes);
    free(node->inputs);
    free(node->outputs);
    free(node->name);
    free(node);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const thaw_value *)a)->name, ((const thaw_value *)b)->name);
}

static void value_free(thaw_graph *graph, thaw_value *value)
{
    if (value->name)
        tdelete(value, &graph->names, compare_names);
    thaw_tensor_release(&value->constant);
    free(value->name);
    free(value);
}

void thaw_graph_destroy(thaw_graph **graph)
{
    if (!*graph)
        return;
    for (size_t i = 0; i < (*graph)->node_count; i++)
        node_free((*graph)->nodes[i]);
    for (size_t i = 0; i < (*graph)->value_count; i++)
        value_free(*graph, (*graph)->values[i]);
    free((*graph)->nodes);
    free((*graph)->values);
    free((*graph)->inputs);
    free((*graph)->outputs);
    free(*graph);
    *graph = NULL;
}

thaw_value *thaw_graph_find_value(const thaw_graph *graph, const char *name)
{
    char *text = (char *)(uintptr_t)name; /* only compared */
    const thaw_value wanted = {.name = text};
    thaw_value *const *found = tfind(&wanted, &graph->names, compare_names);
    return found ? *found : NULL;
}

thaw_node *thaw_graph_find_node(const thaw_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return graph->nodes[i];
    return NULL;
}

thaw_status thaw_graph_add_value(thaw_graph *graph, const char *name, thaw_value **out)
{
    char made[32];
    if (!*name) {
        size_t number = graph->value_count;
        do
            snprintf(made, sizeof made, "value_%zu", number++);
        while (thaw_graph_find_value(graph, made));
        name = made;
    }
    if (thaw_graph_find_value(graph, name))
        return thaw_fail(graph->context, THAW_ERR_MODEL, "the name '%s' is used twice", name);
    THAW_TRY(thaw_reserve(graph->context, &graph->values, &graph->value_capacity, graph->value_count + 1,
                          sizeof *graph->values));
    thaw_value *value;
    THAW_TRY(thaw_allocate(graph->context, 1, sizeof *value, &value));
    value->block = 1;
    value->index = graph->value_count;
    graph->values[graph->value_count++] = value;
    THAW_TRY(thaw_copy_text(graph->context, name, &value->name));
    if (!tsearch(value, &graph->names, compare_names))
        return thaw_fail(graph->context, THAW_ERR_MEMORY, "out of memory");
    *out = value;
    return THAW_OK;
}

thaw_status thaw_graph_add_node(thaw_graph *graph, const thaw_op *op, const char *name, size_t input_count,
                                size_t output_count, thaw_node **out)
{
    thaw_context *context = graph->context;
    THAW_TRY(thaw_reserve(context, &graph->nodes, &graph->node_capacity, graph->node_count + 1, sizeof *graph->nodes));
    thaw_node *node;
    THAW_TRY(thaw_allocate(context, 1, sizeof *node, &node));
    graph->nodes[graph->node_count++] = node;
    node->op = op;
    node->graph = graph;
    char made[96];
    if (!*name) {
        snprintf(made, sizeof made, "%s_%zu", op->onnx_type ? op->onnx_type : op->name, graph->node_count - 1);
        name = made;
    }
    THAW_TRY(thaw_copy_text(context, name, &node->name));
    THAW_TRY(thaw_allocate(context, input_count, sizeof *node->inputs, &node->inputs));
    THAW_TRY(thaw_allocate(context, output_count, sizeof *node->outputs, &node->outputs));
    node->input_count = input_count;
    node->output_count = output_count;
    *out = node;
    return THAW_OK;
}

void thaw_node_set_input(thaw_node *node, size_t index, thaw_value *value)
{
    assert(index < node->input_count);
    node->inputs[index] = value;
}

void thaw_node_set_output_value(thaw_node *node, size_t index, thaw_value *value)
{
    assert(index < node->output_count);
    node->outputs[index] = value;
    if (value)
        value->producer = node;
}

thaw_status thaw_node_add_attribute(thaw_node *node, const char *name, thaw_attribute **out)
{
    thaw_context *context = node->graph->context;
    thaw_attribute *grown;
    THAW_TRY(thaw_allocate(context, node->attribute_count + 1, sizeof *grown, &grown));
    if (node->attribute_count)
        memcpy(grown, node->attributes, node->attribute_count * sizeof *grown);
    free(node->attributes);
    node->attributes = grown;
    *out = &grown[node->attribute_count++];
    return thaw_copy_text(context, name, &(*out)->name);
}

thaw_status thaw_node_add_int(thaw_node *node, const char *name, int64_t i)
{
    thaw_attribute *attribute;
    THAW_TRY(thaw_node_add_attribute(node, name, &attribute));
    attribute->kind = THAW_ATTRIBUTE_INT;
    attribute->i = i;
    return THAW_OK;
}

thaw_status thaw_node_add_ints(thaw_node *node, const char *name, const int64_t *ints, size_t count)
{
    thaw_attribute *attribute;
    THAW_TRY(thaw_node_add_attribute(node, name, &attribute));
    attribute->kind = THAW_ATTRIBUTE_INTS;
    THAW_TRY(thaw_allocate(node->graph->context, count, sizeof *ints, &attribute->ints));
    memcpy(attribute->ints, ints, count * sizeof *ints);
    attribute->count = count;
    return THAW_OK;
}

static thaw_status add_end(thaw_graph *graph, thaw_value ***list, size_t *count, size_t *capacity, thaw_value *value)
{
    THAW_TRY(thaw_reserve(graph->context, list, capacity, *count + 1, sizeof **list));
    (*list)[(*count)++] = value;
    return THAW_OK;
}

thaw_status thaw_graph_add_input(thaw_graph *graph, thaw_value *value)
{
    value->is_input = true;
    return add_end(graph, &graph->inputs, &graph->input_count, &graph->input_capacity, value);
}

thaw_status thaw_graph_add_output(thaw_graph *graph, thaw_value *value)
{
    return add_end(graph, &graph->outputs, &graph->output_count, &graph->output_capacity, value);
}

/* Is the value there before the node at `position` runs? `made` tells which values the nodes further up make. */
static bool available(const thaw_value *value, const bool *made)
{
    return value->constant || value->is_input || made[value->index];
}

static thaw_status finish_node(thaw_node *node, bool *made)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && !available(node->inputs[i], made))
            return thaw_node_fail(node, THAW_ERR_MODEL, "reads '%s', which nothing before it makes",
                                  node->inputs[i]->name);
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i])
            made[node->outputs[i]->index] = true;
    /* A graph that was changed is finished again: nodes that have their state keep it. */
    return node->op->attributes && !node->state ? node->op->attributes(node) : THAW_OK;
}

thaw_status thaw_graph_finish(thaw_graph *graph)
{
    bool *made;
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *made, &made));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < graph->node_count && status == THAW_OK; i++)
        status = finish_node(graph->nodes[i], made);
    for (size_t i = 0; i < graph->output_count && status == THAW_OK; i++)
        if (!available(graph->outputs[i], made))
            status =
                thaw_fail(graph->context, THAW_ERR_MODEL, "nothing makes the output '%s'", graph->outputs[i]->name);
    free(made);
    return status;
}

void thaw_graph_count_uses(thaw_graph *graph)
{
    for (size_t i = 0; i < graph->value_count; i++)
        graph->values[i]->uses = 0;
    for (size_t i = 0; i < graph->output_count; i++)
        graph->outputs[i]->uses++;
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count && !graph->nodes[i]->removed; j++)
            if (graph->nodes[i]->inputs[j])
                graph->nodes[i]->inputs[j]->uses++;
}

bool thaw_node_is(const thaw_node *node, const char *onnx_type)
{
    return node && !node->removed && node->op->onnx_type && strcmp(node->op->onnx_type, onnx_type) == 0;
}

bool thaw_value_is_fixed(const thaw_value *value)
{
    return value && value->constant && !value->trainable && !value->updated &&
           thaw_dtype_is_float(value->constant->dtype);
}

bool thaw_value_is_image(const thaw_value *value)
{
    return !value->constant && thaw_dtype_is_float(value->dtype) && value->shape.rank == 4 &&
           thaw_shape_size(&value->shape) > 0 && thaw_shape_span(&value->shape, 1, 4) <= INT_MAX;
}

bool thaw_transpose_is(const thaw_node *node, const int64_t *perm, size_t rank)
{
    size_t count;
    if (!thaw_node_is(node, "Transpose"))
        return false;
    const int64_t *given = thaw_node_ints(node, "perm", &count);
    return count == rank && memcmp(given, perm, rank * sizeof *perm) == 0;
}

size_t thaw_graph_position(const thaw_graph *graph, const thaw_node *node)
{
    size_t i = 0;
    while (graph->nodes[i] != node)
        i++;
    return i;
}

void thaw_graph_replace(thaw_graph *graph, thaw_node *old)
{
    const size_t last = graph->node_count - 1;
    graph->nodes[thaw_graph_position(graph, old)] = graph->nodes[last];
    graph->nodes[last] = old;
    old->removed = true;
}

thaw_node *thaw_graph_sole_reader(const thaw_graph *graph, const thaw_value *value)
{
    for (size_t i = 0; i < graph->node_count && value->uses == 1; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count && !graph->nodes[i]->removed; j++)
            if (graph->nodes[i]->inputs[j] == value)
                return graph->nodes[i];
    return NULL;
}

void thaw_graph_redirect(thaw_graph *graph, const thaw_value *from, thaw_value *to)
{
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count; j++)
            if (graph->nodes[i]->inputs[j] == from)
                graph->nodes[i]->inputs[j] = to;
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
}

static bool is_read(const thaw_node *node)
{
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i] && node->outputs[i]->uses && node->outputs[i]->producer == node)
            return true;
    return false;
}

/* Back to front, so that what only fed unread nodes goes too. */
static void mark_unread(thaw_graph *graph)
{
    for (size_t i = graph->node_count; i-- > 0;) {
        thaw_node *node = graph->nodes[i];
        if (node->removed || is_read(node))
            continue;
        node->removed = true;
        for (size_t j = 0; j < node->input_count; j++)
            if (node->inputs[j])
                node->inputs[j]->uses--;
    }
}

/* Nodes forget outputs that nobody reads, but for the first, which every operator may count on; outputs of a removed
 * node have no producer any more. */
static void detach_outputs(thaw_node *node)
{
    for (size_t i = 0; i < node->output_count; i++) {
        thaw_value *value = node->outputs[i];
        if (!value)
            continue;
        if (node->removed && value->producer == node)
            value->producer = NULL;
        if (!value->uses && i > 0)
            node->outputs[i] = NULL;
    }
}

static void free_removed_nodes(thaw_graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        detach_outputs(graph->nodes[i]);
        if (graph->nodes[i]->removed)
            node_free(graph->nodes[i]);
        else
            graph->nodes[kept++] = graph->nodes[i];
    }
    graph->node_count = kept;
}

static bool is_first_output(const thaw_value *value)
{
    return value->producer && value->producer->outputs[0] == value;
}

static void free_unread_values(thaw_graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->value_count; i++) {
        thaw_value *value = graph->values[i];
        if (!value->uses && !value->is_input && !is_first_output(value)) {
            value_free(graph, value);
        } else {
            value->index = kept;
            graph->values[kept++] = value;
        }
    }
    graph->value_count = kept;
}

void thaw_graph_sweep(thaw_graph *graph)
{
    thaw_graph_count_uses(graph);
    mark_unread(graph);
    free_removed_nodes(graph);
    free_unread_values(graph);
}
