/* The layer table of `thaw inspect`. */
#include "model/freeze.h"
#include "model/head.h"
#include "model/model.h"
#include "model/program.h"
#include "model/stages.h"

#include <stdlib.h>
#include <string.h>

/* Elements in the node's own weights; a weight that several nodes share counts for each. */
static void count_parameters(const thaw_node *node, thaw_layer *layer)
{
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_value *value = node->inputs[i];
        if (!value || !value->constant || !thaw_dtype_is_float(value->constant->dtype))
            continue;
        layer->parameters += value->constant->count;
        layer->trained += value->trainable ? value->constant->count : 0;
        layer->trainable = layer->trainable || value->trainable;
        layer->updated += value->updated ? value->constant->count : 0;
    }
}

static bool feeds_cut(const thaw_node *node, const thaw_split *split)
{
    for (size_t i = 0; i < node->output_count; i++)
        for (size_t j = 0; j < split->cut_count; j++)
            if (node->outputs[i] == split->cut[j])
                return true;
    return false;
}

static void fill_layer(thaw_layer_list *list, const thaw_node *node, const thaw_split *split, size_t index)
{
    thaw_layer *layer = &list->layers[index];
    layer->op = node->op->onnx_type;
    layer->output = node->outputs[0]->shape;
    count_parameters(node, layer);
    layer->flops = node->flops;
    layer->frozen = !split->trained[index];
    layer->cut = layer->frozen && feeds_cut(node, split);
    list->parameters += layer->parameters;
    list->flops += layer->flops;
    list->trainable_parameters += layer->trained;
    list->updated_parameters += layer->updated;
}

static thaw_status number_layers(const thaw_graph *graph, thaw_layer_list *list)
{
    int32_t *stages;
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof *stages, &stages));
    const thaw_status status = thaw_stages_number(graph, stages);
    for (size_t i = 0; i < graph->node_count; i++)
        list->layers[i].stage = stages[i];
    free(stages);
    return status;
}

static thaw_status fill_list(const thaw_graph *graph, thaw_layer_list *list)
{
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof *list->layers, &list->layers));
    list->count = graph->node_count;
    THAW_TRY(number_layers(graph, list));
    thaw_split split;
    THAW_TRY(thaw_split_create(graph, &split));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < graph->node_count && status == THAW_OK; i++) {
        char *name;
        fill_layer(list, graph->nodes[i], &split, i);
        status = thaw_copy_text(graph->context, graph->nodes[i]->name, &name);
        list->layers[i].name = name;
    }
    thaw_split_free(&split);
    return status;
}

/* A model that was not prepared for training is shown as finetune would take it: all frozen but the classifier. */
static void mark_classifier(thaw_graph *graph)
{
    thaw_head head;
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            return;
    if (thaw_head_find(graph, NULL, &head) != THAW_OK)
        return;
    for (size_t i = 1; i < head.classifier->input_count; i++)
        if (head.classifier->inputs[i] && head.classifier->inputs[i]->constant)
            head.classifier->inputs[i]->trainable = true;
}

thaw_status thaw_model_layers(const thaw_model *model, int32_t height, int32_t width, thaw_layer_list **list)
{
    thaw_program_options options = {.batch = 1, .height = height, .width = width};
    thaw_program *program;
    *list = NULL;
    if (thaw_program_create(model->graph, NULL, &options, &program) != THAW_OK) {
        options.batch = 0; /* the file's own: some have it in their constants, and run with no other */
        THAW_TRY(thaw_program_create(model->graph, NULL, &options, &program));
    }
    mark_classifier(program->graph);
    thaw_status status = thaw_allocate(model->context, 1, sizeof **list, list);
    if (status == THAW_OK)
        status = fill_list(program->graph, *list);
    if (status != THAW_OK)
        thaw_layer_list_free(list);
    thaw_program_destroy(&program);
    return status;
}

void thaw_layer_list_free(thaw_layer_list **list)
{
    if (!*list)
        return;
    for (size_t i = 0; i < (*list)->count; i++)
        free((char *)(uintptr_t)(*list)->layers[i].name);
    free((*list)->layers);
    free(*list);
    *list = NULL;
}
