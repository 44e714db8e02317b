#include "model/head.h"
#include "base/random.h"
#include "model/program.h"
#include "model/roles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_any(const thaw_node *node, const char *const *types)
{
    for (; *types; types++)
        if (strcmp(node->op->onnx_type, *types) == 0)
            return true;
    return false;
}

static bool is_classifier(const thaw_node *node)
{
    static const char *const products[] = {"Gemm", "MatMul", NULL};
    if (node->input_count < 2 || !thaw_role_origin(node->inputs[1]))
        return false;
    if (is_any(node, products))
        return true;
    if (!node->inputs[1]->constant)
        return false;
    const thaw_shape *weight = &node->inputs[1]->constant->shape;
    return strcmp(node->op->onnx_type, "Conv") == 0 && weight->rank == 4 && weight->dims[2] == 1 &&
           weight->dims[3] == 1;
}

/* The input that carries the activations: the one that is not constant. */
static thaw_value *carried_input(const thaw_node *node)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && !node->inputs[i]->constant)
            return node->inputs[i];
    return NULL;
}

static thaw_value *without_dropout(thaw_value *value)
{
    static const char *const nothing[] = {"Dropout", "Identity", NULL};
    while (value->producer && is_any(value->producer, nothing))
        value = value->producer->inputs[0];
    return value;
}

static thaw_status find_classifier(const thaw_graph *graph, thaw_head *head)
{
    static const char *const passed[] = {
        "Softmax",           "Flatten", "Reshape",     "Squeeze",    "Unsqueeze", "Identity", "Dropout", "Relu",
        "GlobalAveragePool", "Add",     "AveragePool", "ReduceMean", "Clip",      "Sigmoid",  "Cast",    NULL};
    const thaw_value *value = graph->outputs[0];
    while (value && value->producer) {
        thaw_node *node = value->producer;
        if (is_classifier(node)) {
            head->classifier = node;
            head->features = without_dropout(node->inputs[0]);
            return THAW_OK;
        }
        if (!is_any(node, passed))
            break;
        value = carried_input(node);
    }
    return thaw_fail(graph->context, THAW_ERR_MODEL,
                     "no classifier (Gemm, MatMul or 1x1 Conv) at the end of the graph: name the place where features "
                     "are to be taken");
}

bool thaw_head_ends_in_softmax(const thaw_graph *graph)
{
    static const char *const views[] = {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", NULL};
    const thaw_node *node = graph->outputs[0]->producer;
    while (node && is_any(node, views))
        node = node->inputs[0]->producer;
    return node && strcmp(node->op->onnx_type, "Softmax") == 0;
}

bool thaw_head_fits(const thaw_graph *graph, size_t classes)
{
    static const char *const passed[] = {"Flatten", "Reshape", "Squeeze",           "Unsqueeze",   "Identity",
                                         "Dropout", "Add",     "GlobalAveragePool", "AveragePool", NULL};
    const thaw_value *value = graph->output_count == 1 ? graph->outputs[0] : NULL;
    if (!value || !value->shape_known || value->shape.rank != 2 || value->shape.dims[1] != (int64_t)classes)
        return false;
    if (value->producer && strcmp(value->producer->op->onnx_type, "Softmax") == 0)
        value = value->producer->inputs[0];
    while (value && value->producer && is_any(value->producer, passed))
        value = carried_input(value->producer);
    return value && value->producer && is_classifier(value->producer);
}

thaw_status thaw_head_find(const thaw_graph *graph, const char *at, thaw_head *head)
{
    *head = (thaw_head){0};
    if (!graph->output_count)
        return thaw_fail(graph->context, THAW_ERR_MODEL, "the graph has no output");
    head->softmax = thaw_head_ends_in_softmax(graph);
    return at ? thaw_graph_resolve(graph, at, &head->features) : find_classifier(graph, head);
}

/* The features' shape for as many images as the file was made for, and how many these are. */
static thaw_status features_shape(const thaw_graph *graph, const thaw_value *features, thaw_shape *shape,
                                  int64_t *batch)
{
    const char *const outputs[] = {features->name};
    const thaw_program_options options = {.outputs = outputs, .output_count = 1};
    thaw_program *program;
    THAW_TRY(thaw_program_create(graph, NULL, &options, &program));
    *shape = program->graph->outputs[0]->shape;
    *batch = program->graph->batch;
    thaw_program_destroy(&program);
    return THAW_OK;
}

/* A node of one input and one new output value ("" makes its name). */
static thaw_status append(thaw_graph *graph, const char *type, const char *name, thaw_value *input, const char *output,
                          thaw_node **node)
{
    thaw_value *value;
    THAW_TRY(thaw_graph_add_value(graph, output, &value));
    value->dtype = THAW_FLOAT32;
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find(type), name, 1, 1, node));
    thaw_node_set_input(*node, 0, input);
    thaw_node_set_output_value(*node, 0, value);
    return THAW_OK;
}

static thaw_status add_parameter(thaw_graph *graph, const char *name, const thaw_shape *shape, double bound,
                                 uint64_t seed, thaw_value **value)
{
    char unique[48];
    snprintf(unique, sizeof unique, "%s", name);
    for (int number = 2; thaw_graph_find_value(graph, unique); number++)
        snprintf(unique, sizeof unique, "%s.%d", name, number);
    THAW_TRY(thaw_graph_add_value(graph, unique, value));
    thaw_tensor *tensor;
    THAW_TRY(thaw_tensor_create(graph->context, THAW_FLOAT32, shape, &tensor));
    thaw_random random = {seed};
    for (int64_t i = 0; i < tensor->count; i++)
        ((float *)tensor->data)[i] = (float)((2.0 * thaw_random_uniform(&random) - 1.0) * bound);
    (*value)->constant = tensor;
    (*value)->dtype = THAW_FLOAT32;
    (*value)->shape = *shape;
    (*value)->shape_known = true;
    (*value)->trainable = true;
    return THAW_OK;
}

/* GlobalAveragePool for maps, Flatten for anything of rank 4: [n, features]. */
static thaw_status append_pooling(thaw_graph *graph, const thaw_shape *shape, thaw_value **features)
{
    thaw_node *node;
    if (shape->rank == 4 && shape->dims[2] * shape->dims[3] > 1) {
        THAW_TRY(append(graph, "GlobalAveragePool", "thaw_head_pool", *features, "", &node));
        *features = node->outputs[0];
    }
    if (shape->rank == 4) {
        THAW_TRY(append(graph, "Flatten", "thaw_head_flatten", *features, "", &node));
        THAW_TRY(thaw_node_add_int(node, "axis", 1));
        *features = node->outputs[0];
    }
    return THAW_OK;
}

static thaw_status append_linear(thaw_graph *graph, thaw_value *input, int64_t features, size_t classes, uint64_t seed,
                                 const char *output)
{
    const thaw_shape weight_shape = {2, {(int64_t)classes, features}}, bias_shape = {1, {(int64_t)classes}};
    thaw_value *weight, *bias, *value;
    thaw_node *node;
    THAW_TRY(add_parameter(graph, "thaw_head.weight", &weight_shape, 1.0 / sqrt((double)features), seed, &weight));
    THAW_TRY(add_parameter(graph, "thaw_head.bias", &bias_shape, 0.0, seed, &bias));
    THAW_TRY(thaw_graph_add_value(graph, output, &value));
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find("Gemm"), "thaw_head", 3, 1, &node));
    thaw_node_set_input(node, 0, input);
    thaw_node_set_input(node, 1, weight);
    thaw_node_set_input(node, 2, bias);
    thaw_node_set_output_value(node, 0, value);
    if (graph->opset < 7) /* the bias is added to every row, which went without saying only later */
        THAW_TRY(thaw_node_add_int(node, "broadcast", 1));
    return thaw_node_add_int(node, "transB", 1);
}

/* Drops what hung behind the features, and the output's old value with it. */
static void cut_off(thaw_graph *graph, thaw_value *features)
{
    features->is_input = true; /* so that the sweep keeps it without a reader */
    graph->output_count = 1;
    graph->outputs[0] = features;
    thaw_graph_sweep(graph);
}

static thaw_status replace_with(thaw_graph *graph, const thaw_head *head, const thaw_shape *shape, size_t classes,
                                uint64_t seed, const char *output_name)
{
    const bool was_input = head->features->is_input;
    thaw_value *features = head->features;
    cut_off(graph, features);
    features->is_input = was_input;
    THAW_TRY(append_pooling(graph, shape, &features));
    THAW_TRY(append_linear(graph, features, shape->dims[1], classes, seed, head->softmax ? "" : output_name));
    thaw_node *last = graph->nodes[graph->node_count - 1];
    if (head->softmax) {
        THAW_TRY(append(graph, "Softmax", "thaw_head_softmax", last->outputs[0], output_name, &last));
        THAW_TRY(thaw_node_add_int(last, "axis", 1));
    }
    graph->outputs[0] = last->outputs[0];
    graph->outputs[0]->dtype = THAW_FLOAT32;
    graph->outputs[0]->shape = (thaw_shape){2, {-1, (int64_t)classes}};
    graph->outputs[0]->shape_known = true;
    return thaw_graph_finish(graph);
}

thaw_status thaw_head_replace(thaw_graph *graph, size_t classes, const char *at, uint64_t seed)
{
    thaw_head head;
    thaw_shape shape;
    int64_t batch;
    THAW_TRY(thaw_head_find(graph, at, &head));
    THAW_TRY(features_shape(graph, head.features, &shape, &batch));
    char text[THAW_SHAPE_TEXT];
    if ((shape.rank != 4 && shape.rank != 2) || shape.dims[0] != batch)
        return thaw_fail(graph->context, THAW_ERR_MODEL,
                         "a new head needs features [n, c] or [n, c, h, w], but '%s' is %s", head.features->name,
                         thaw_shape_text(&shape, text));
    for (size_t i = 0; i < graph->value_count; i++)
        graph->values[i]->trainable = graph->values[i]->updated = false;
    char *output_name;
    THAW_TRY(thaw_copy_text(graph->context, graph->outputs[0]->name, &output_name));
    if (strcmp(output_name, head.features->name) == 0) /* --head-at names the output itself */
        output_name[0] = '\0';
    const thaw_status status = replace_with(graph, &head, &shape, classes, seed, output_name);
    free(output_name);
    return status;
}
