#include "model/freeze.h"

#include <stdlib.h>
#include <string.h>

static bool is_changed(const thaw_value *value)
{
    return value->trainable || value->updated;
}

static bool depends(const thaw_node *node, const bool *from_trained)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && (is_changed(node->inputs[i]) || from_trained[node->inputs[i]->index]))
            return true;
    return false;
}

static void mark_trained(const thaw_graph *graph, thaw_split *split, bool *from_trained)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        split->trained[i] = depends(node, from_trained);
        for (size_t j = 0; j < node->output_count; j++)
            if (node->outputs[j])
                from_trained[node->outputs[j]->index] = split->trained[i];
    }
}

static void collect_cut(const thaw_graph *graph, thaw_split *split, const bool *from_trained, bool *seen)
{
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count && split->trained[i]; j++) {
            const thaw_value *value = graph->nodes[i]->inputs[j];
            if (!value || value->constant || from_trained[value->index] || seen[value->index])
                continue;
            seen[value->index] = true;
            split->cut[split->cut_count++] = value;
        }
}

thaw_status thaw_split_create(const thaw_graph *graph, thaw_split *split)
{
    *split = (thaw_split){0};
    bool *from_trained = NULL, *seen = NULL;
    thaw_status status = thaw_allocate(graph->context, graph->node_count, sizeof *split->trained, &split->trained);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->value_count, sizeof *split->cut, &split->cut);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->value_count, sizeof *from_trained, &from_trained);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->value_count, sizeof *seen, &seen);
    if (status == THAW_OK) {
        mark_trained(graph, split, from_trained);
        collect_cut(graph, split, from_trained, seen);
    } else {
        thaw_split_free(split);
    }
    free(from_trained);
    free(seen);
    return status;
}

void thaw_split_free(thaw_split *split)
{
    free(split->trained);
    free(split->cut);
    *split = (thaw_split){0};
}

thaw_hash thaw_graph_hash_frozen(const thaw_graph *graph)
{
    thaw_hash hash = {0, 0};
    for (size_t i = 0; i < graph->value_count; i++) {
        const thaw_value *value = graph->values[i];
        if (!value->constant || is_changed(value))
            continue;
        hash = thaw_hash_extend(hash, value->name, strlen(value->name));
        hash = thaw_hash_extend(hash, value->constant->data, value->constant->bytes);
    }
    return hash;
}
