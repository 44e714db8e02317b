#include "model/roles.h"

#include <string.h>

enum { MOST_INPUTS = 5 };

/* Who reads which input as what. A scalar that is added or multiplied with is part of a formula, not a parameter. */
static const struct {
    const char *type;
    thaw_role roles[MOST_INPUTS];
} readers[] = {
    {"Conv", {THAW_ROLE_NONE, THAW_ROLE_WEIGHT, THAW_ROLE_BIAS}},
    {"Gemm", {THAW_ROLE_WEIGHT, THAW_ROLE_WEIGHT, THAW_ROLE_BIAS}},
    {"MatMul", {THAW_ROLE_WEIGHT, THAW_ROLE_WEIGHT}},
    {"BatchNormalization", {THAW_ROLE_NONE, THAW_ROLE_SCALE, THAW_ROLE_BIAS, THAW_ROLE_MEAN, THAW_ROLE_VARIANCE}},
    {"LayerNormalization", {THAW_ROLE_NONE, THAW_ROLE_SCALE, THAW_ROLE_BIAS}},
    {"GroupNormalization", {THAW_ROLE_NONE, THAW_ROLE_SCALE, THAW_ROLE_BIAS}},
    {"InstanceNormalization", {THAW_ROLE_NONE, THAW_ROLE_SCALE, THAW_ROLE_BIAS}},
    {"Add", {THAW_ROLE_BIAS, THAW_ROLE_BIAS}},
    {"Mul", {THAW_ROLE_SCALE, THAW_ROLE_SCALE}},
};

static const char *const carriers[] = {"Transpose", "Reshape", "Identity", "Flatten", "Squeeze", "Unsqueeze"};

bool thaw_role_is_carrier(const thaw_node *node)
{
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++)
        if (node->op->onnx_type && strcmp(node->op->onnx_type, carriers[i]) == 0)
            return true;
    return false;
}

static bool is_weight(const thaw_value *value)
{
    return value->constant && !value->producer && !value->is_input && thaw_dtype_is_float(value->constant->dtype);
}

const thaw_value *thaw_role_origin(const thaw_value *value)
{
    while (value && value->producer && thaw_role_is_carrier(value->producer))
        value = value->producer->inputs[0];
    return value && value->constant ? value : NULL;
}

void thaw_roles_trace(const thaw_graph *graph, thaw_value **origins)
{
    for (size_t i = 0; i < graph->value_count; i++)
        origins[i] = is_weight(graph->values[i]) ? graph->values[i] : NULL;
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (thaw_role_is_carrier(node) && node->inputs[0] && node->outputs[0])
            origins[node->outputs[0]->index] = origins[node->inputs[0]->index];
    }
}

static thaw_role role_in_table(const char *type, size_t index)
{
    for (size_t i = 0; i < sizeof readers / sizeof readers[0] && index < MOST_INPUTS; i++)
        if (strcmp(readers[i].type, type) == 0)
            return readers[i].roles[index];
    return THAW_ROLE_NONE;
}

thaw_reading thaw_role_of_input(const thaw_node *node, size_t index, thaw_value *const *origins)
{
    const thaw_value *input = node->inputs[index];
    thaw_reading reading = {input ? origins[input->index] : NULL, THAW_ROLE_NONE};
    if (!reading.parameter || !node->op->onnx_type)
        return reading;
    reading.role = role_in_table(node->op->onnx_type, index);
    const bool arithmetic = strcmp(node->op->onnx_type, "Add") == 0 || strcmp(node->op->onnx_type, "Mul") == 0;
    if (arithmetic && reading.parameter->constant->count <= 1)
        reading.role = THAW_ROLE_NONE;
    return reading;
}

thaw_role thaw_role_of_value(const thaw_graph *graph, const thaw_value *value, thaw_value *const *origins)
{
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count; j++) {
            const thaw_reading reading = thaw_role_of_input(graph->nodes[i], j, origins);
            if (reading.parameter == value && reading.role != THAW_ROLE_NONE)
                return reading.role;
        }
    return THAW_ROLE_NONE;
}
