/* Copies a part of a graph: from a set of values to another. */
#include "model/graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct extraction {
    const thaw_graph *source;
    thaw_graph *target;
    bool *needed;      /* [source value_count] */
    bool *begins;      /* [source value_count]: becomes an input */
    thaw_value **copy; /* [source value_count]: in the target, or NULL */
} extraction;

static thaw_status fail_unknown(const thaw_graph *graph, const char *name)
{
    thaw_text near = {0};
    const char **names = NULL;
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *names, &names));
    size_t count = 0;
    for (size_t i = 0; i < graph->value_count; i++)
        if (!graph->values[i]->constant)
            names[count++] = graph->values[i]->name;
    thaw_text_append_near(&near, name, names, count);
    const thaw_status status = thaw_fail(graph->context, THAW_ERR_USAGE, "the model has no value or node '%s'%s%s",
                                         name, near.length ? "; near: " : "", near.length ? near.data : "");
    thaw_text_free(&near);
    free(names);
    return status;
}

thaw_status thaw_graph_resolve(const thaw_graph *graph, const char *name, thaw_value **value)
{
    *value = thaw_graph_find_value(graph, name);
    if (*value)
        return THAW_OK;
    const thaw_node *node = thaw_graph_find_node(graph, name);
    *value = node ? thaw_node_output(node, 0) : NULL;
    return *value ? THAW_OK : fail_unknown(graph, name);
}

static thaw_status mark_ends(extraction *e, const char *const *inputs, size_t input_count, const char *const *outputs,
                             size_t output_count)
{
    thaw_value *value;
    for (size_t i = 0; i < (inputs ? input_count : e->source->input_count); i++) {
        value = inputs ? NULL : e->source->inputs[i];
        if (inputs)
            THAW_TRY(thaw_graph_resolve(e->source, inputs[i], &value));
        e->begins[value->index] = true;
        e->needed[value->index] = true;
    }
    for (size_t i = 0; i < (outputs ? output_count : e->source->output_count); i++) {
        value = outputs ? NULL : e->source->outputs[i];
        if (outputs)
            THAW_TRY(thaw_graph_resolve(e->source, outputs[i], &value));
        e->needed[value->index] = true;
    }
    return THAW_OK;
}

static bool makes_needed(const extraction *e, const thaw_node *node)
{
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i] && e->needed[node->outputs[i]->index] && !e->begins[node->outputs[i]->index])
            return true;
    return false;
}

static void mark_needed(extraction *e)
{
    for (size_t i = e->source->node_count; i-- > 0;) {
        const thaw_node *node = e->source->nodes[i];
        if (!makes_needed(e, node))
            continue;
        e->needed[node->outputs[0]->index] = true; /* which every operator may count on */
        for (size_t j = 0; j < node->input_count; j++)
            if (node->inputs[j])
                e->needed[node->inputs[j]->index] = true;
    }
}

static thaw_status copy_values(extraction *e)
{
    for (size_t i = 0; i < e->source->value_count; i++) {
        const thaw_value *value = e->source->values[i];
        if (!e->needed[i])
            continue;
        THAW_TRY(thaw_graph_add_value(e->target, value->name, &e->copy[i]));
        thaw_value *copy = e->copy[i];
        copy->dtype = value->dtype;
        copy->shape = value->shape;
        copy->shape_known = value->shape_known;
        copy->trainable = value->trainable;
        copy->updated = value->updated;
        if (value->constant && !e->begins[i])
            copy->constant = thaw_tensor_retain(value->constant);
    }
    return THAW_OK;
}

static thaw_status copy_attribute(thaw_node *node, const thaw_attribute *from)
{
    thaw_context *context = node->graph->context;
    thaw_attribute *to;
    THAW_TRY(thaw_node_add_attribute(node, from->name, &to));
    to->kind = from->kind;
    to->i = from->i;
    to->f = from->f;
    if (from->s)
        THAW_TRY(thaw_copy_text(context, from->s, &to->s));
    if (from->ints) {
        THAW_TRY(thaw_allocate(context, from->count, sizeof *to->ints, &to->ints));
        memcpy(to->ints, from->ints, from->count * sizeof *to->ints);
    }
    if (from->floats) {
        THAW_TRY(thaw_allocate(context, from->count, sizeof *to->floats, &to->floats));
        memcpy(to->floats, from->floats, from->count * sizeof *to->floats);
    }
    to->count = from->count;
    if (from->tensor)
        to->tensor = thaw_tensor_retain(from->tensor);
    return THAW_OK;
}

static thaw_status copy_node(extraction *e, const thaw_node *from)
{
    thaw_node *to;
    THAW_TRY(thaw_graph_add_node(e->target, from->op, from->name, from->input_count, from->output_count, &to));
    for (size_t i = 0; i < from->attribute_count; i++)
        THAW_TRY(copy_attribute(to, &from->attributes[i]));
    for (size_t i = 0; i < from->input_count; i++)
        if (from->inputs[i])
            thaw_node_set_input(to, i, e->copy[from->inputs[i]->index]);
    for (size_t i = 0; i < from->output_count; i++)
        if (from->outputs[i] && e->copy[from->outputs[i]->index] && !e->begins[from->outputs[i]->index])
            thaw_node_set_output_value(to, i, e->copy[from->outputs[i]->index]);
    return THAW_OK;
}

static thaw_status copy_ends(extraction *e, const char *const *inputs, size_t input_count, const char *const *outputs,
                             size_t output_count)
{
    thaw_value *value;
    for (size_t i = 0; i < (inputs ? input_count : e->source->input_count); i++) {
        value = inputs ? NULL : e->source->inputs[i];
        if (inputs)
            THAW_TRY(thaw_graph_resolve(e->source, inputs[i], &value));
        THAW_TRY(thaw_graph_add_input(e->target, e->copy[value->index]));
    }
    for (size_t i = 0; i < (outputs ? output_count : e->source->output_count); i++) {
        value = outputs ? NULL : e->source->outputs[i];
        if (outputs)
            THAW_TRY(thaw_graph_resolve(e->source, outputs[i], &value));
        THAW_TRY(thaw_graph_add_output(e->target, e->copy[value->index]));
    }
    return THAW_OK;
}

static thaw_status copy_all(extraction *e, const char *const *inputs, size_t input_count, const char *const *outputs,
                            size_t output_count)
{
    thaw_context *context = e->source->context;
    const size_t count = e->source->value_count;
    THAW_TRY(thaw_graph_create(context, &e->target));
    THAW_TRY(thaw_allocate(context, count, sizeof *e->needed, &e->needed));
    THAW_TRY(thaw_allocate(context, count, sizeof *e->begins, &e->begins));
    THAW_TRY(thaw_allocate(context, count, sizeof *e->copy, &e->copy));
    THAW_TRY(mark_ends(e, inputs, input_count, outputs, output_count));
    mark_needed(e);
    THAW_TRY(copy_values(e));
    for (size_t i = 0; i < e->source->node_count; i++)
        if (makes_needed(e, e->source->nodes[i]))
            THAW_TRY(copy_node(e, e->source->nodes[i]));
    e->target->opset = e->source->opset;
    e->target->file_batch = e->source->file_batch;
    THAW_TRY(copy_ends(e, inputs, input_count, outputs, output_count));
    return thaw_graph_finish(e->target);
}

thaw_status thaw_graph_extract(const thaw_graph *source, const char *const *inputs, size_t input_count,
                               const char *const *outputs, size_t output_count, thaw_graph **graph)
{
    extraction e = {.source = source};
    const thaw_status status = copy_all(&e, inputs, input_count, outputs, output_count);
    free(e.needed);
    free(e.begins);
    free(e.copy);
    if (status != THAW_OK)
        thaw_graph_destroy(&e.target);
    *graph = e.target;
    return status;
}
