#include "train/parameters.h"
#include "base/memory.h"
#include "model/roles.h"
#include "model/stages.h"

#include <math.h>
#include <stdlib.h>

typedef struct search {
    const thaw_model *model;
    const thaw_rate_options *options;
    thaw_value **origins; /* [value_count] */
    int32_t *stages;      /* [node_count] */
    int32_t *nearest;     /* [value_count]: the smallest stage that reads it */
} search;

static thaw_status prepare(search *s)
{
    const thaw_graph *graph = s->model->graph;
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *s->origins, &s->origins));
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof *s->stages, &s->stages));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *s->nearest, &s->nearest));
    THAW_TRY(thaw_graph_stages(graph, s->options->height, s->options->width, s->stages));
    thaw_roles_trace(graph, s->origins);
    for (size_t i = 0; i < graph->node_count; i++) /* stages fall: the last reader is the nearest to the output */
        for (size_t j = 0; j < graph->nodes[i]->input_count; j++) {
            const thaw_value *input = graph->nodes[i]->inputs[j];
            if (input && s->origins[input->index])
                s->nearest[s->origins[input->index]->index] = s->stages[i];
        }
    return THAW_OK;
}

static void add(const search *s, const thaw_program *program, thaw_value *source, thaw_parameters *parameters)
{
    const thaw_value *value = thaw_graph_find_value(program->graph, source->name);
    if ((!source->trainable && !source->updated) || !value)
        return;
    const int32_t stage = s->nearest[source->index];
    const bool weight = thaw_role_of_value(s->model->graph, source, s->origins) == THAW_ROLE_WEIGHT;
    parameters->items[parameters->count++] = (thaw_parameter){
        .value = value,
        .source = source,
        .count = thaw_shape_size(&value->shape),
        .trainable = source->trainable,
        .decays = weight && source->trainable,
        .rate_factor = stage == 0 ? s->options->head_factor : pow(s->options->depth_factor, (double)stage)};
}

thaw_status thaw_parameters_find(const thaw_model *model, const thaw_program *program, const thaw_rate_options *options,
                                 thaw_parameters *parameters)
{
    search s = {.model = model, .options = options};
    *parameters = (thaw_parameters){0};
    const thaw_graph *graph = model->graph;
    thaw_status status = prepare(&s);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->value_count, sizeof *parameters->items, &parameters->items);
    for (size_t i = 0; i < graph->value_count && status == THAW_OK; i++)
        add(&s, program, graph->values[i], parameters);
    free(s.origins);
    free(s.stages);
    free(s.nearest);
    return status;
}

void thaw_parameters_free(thaw_parameters *parameters)
{
    free(parameters->items);
    *parameters = (thaw_parameters){0};
}
