/* Choosing what is trained: by a place in the running order, by stages, by names. */
#include "model/freeze.h"
#include "model/model.h"
#include "model/roles.h"
#include "model/stages.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GLOBS = 64 };

typedef struct selection {
    thaw_graph *graph;
    const thaw_freeze_options *options;
    const int32_t *stages;
    thaw_value **origins; /* [value_count] */
    bool *chosen;         /* [value_count]: a parameter that somebody reads who is to be trained */
    bool *pinned;         /* [value_count]: read by somebody who is not, or not as a parameter */
    size_t first;         /* with `until`: the first node that is trained */
    char *globs[MOST_GLOBS];
    bool matched[MOST_GLOBS]; /* a name like that exists */
    size_t glob_count;
    bool batch_norms; /* parameters of batch norms were among what was asked for, and stay frozen */
} selection;

thaw_freeze_options thaw_freeze_defaults(void)
{
    return (thaw_freeze_options){0};
}

/* Every node, value and weight that has a name, for near matches. */
static thaw_status fail_unknown(const selection *s, const char *option, const char *name)
{
    const thaw_graph *graph = s->graph;
    const char **names;
    thaw_text near = {0};
    size_t count = 0;
    THAW_TRY(thaw_allocate(graph->context, graph->node_count + graph->value_count, sizeof *names, &names));
    for (size_t i = 0; i < graph->node_count; i++)
        names[count++] = graph->nodes[i]->name;
    for (size_t i = 0; i < graph->value_count; i++)
        if (!thaw_graph_find_node(graph, graph->values[i]->name))
            names[count++] = graph->values[i]->name;
    thaw_text_append_near(&near, name, names, count);
    const thaw_status status =
        thaw_fail(graph->context, THAW_ERR_USAGE, "%s: the model has no layer or weight '%s'%s%s", option, name,
                  near.length ? "; near: " : "", near.length ? near.data : "");
    thaw_text_free(&near);
    free(names);
    return status;
}

static thaw_status find_place(selection *s)
{
    const char *name = s->options->until;
    const thaw_graph *graph = s->graph;
    if (strcmp(name, "none") == 0)
        return THAW_OK;
    const thaw_value *value = thaw_graph_find_value(graph, name);
    const thaw_node *node = thaw_graph_find_node(graph, name);
    if (!node && value)
        node = value->producer;
    if (!node && !(value && value->is_input))
        return fail_unknown(s, "freeze-until", name);
    while (node && graph->nodes[s->first++] != node)
        ;
    return THAW_OK;
}

static thaw_status check_stage(const selection *s)
{
    int32_t most = 0;
    for (size_t i = 0; i < s->graph->node_count; i++)
        most = s->stages[i] > most ? s->stages[i] : most;
    if (s->options->unfreeze < 0 || s->options->unfreeze > most)
        return thaw_fail(s->graph->context, THAW_ERR_USAGE, "unfreeze %d: the model has %d stages below its head",
                         s->options->unfreeze, most);
    return THAW_OK;
}

/* "a,b" as separate patterns. */
static thaw_status split_globs(selection *s, char *list)
{
    for (char *rest = list; rest;) {
        char *comma = strchr(rest, ',');
        if (comma)
            *comma = '\0';
        if (!*rest || s->glob_count == MOST_GLOBS)
            return thaw_fail(s->graph->context, THAW_ERR_USAGE,
                             "trainable: expected 1 to %d patterns with commas between them", MOST_GLOBS);
        s->globs[s->glob_count++] = rest;
        rest = comma ? comma + 1 : NULL;
    }
    return THAW_OK;
}

/* Marks every pattern that the name is like. */
static bool matches(selection *s, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < s->glob_count; i++)
        if (fnmatch(s->globs[i], name, 0) == 0)
            found = s->matched[i] = true;
    return found;
}

static thaw_status check_globs(selection *s)
{
    for (size_t i = 0; i < s->graph->node_count; i++)
        matches(s, s->graph->nodes[i]->name);
    for (size_t i = 0; i < s->graph->value_count; i++)
        matches(s, s->graph->values[i]->name);
    for (size_t i = 0; i < s->glob_count; i++)
        if (!s->matched[i])
            return fail_unknown(s, "trainable", s->globs[i]);
    return THAW_OK;
}

/* Is the parameter to be trained as far as this node, which reads it, is concerned? */
static bool is_wanted(selection *s, size_t node, const thaw_value *parameter)
{
    const thaw_freeze_options *o = s->options;
    if (o->until)
        return node >= s->first;
    if (s->stages[node] == 0)
        return true;
    if (s->glob_count)
        return matches(s, s->graph->nodes[node]->name) || matches(s, parameter->name);
    return s->stages[node] <= o->unfreeze;
}

static bool is_batch_norm(const thaw_node *node)
{
    return node->op->onnx_type && strcmp(node->op->onnx_type, "BatchNormalization") == 0;
}

static void weigh_reading(selection *s, size_t node, thaw_reading reading)
{
    const bool wanted = is_wanted(s, node, reading.parameter);
    const bool batch_norm = is_batch_norm(s->graph->nodes[node]);
    const bool statistic = reading.role == THAW_ROLE_MEAN || reading.role == THAW_ROLE_VARIANCE;
    if (reading.role == THAW_ROLE_NONE || statistic || !wanted || (batch_norm && !s->options->update_batch_norm))
        s->pinned[reading.parameter->index] = true;
    else
        s->chosen[reading.parameter->index] = true;
    s->batch_norms = s->batch_norms || (batch_norm && wanted);
}

/* The statistics of a batch norm move if its scale or shift is trained: both, or neither. */
static void mark_statistics(const selection *s, const thaw_node *node)
{
    bool trained = false;
    for (size_t j = 0; j < node->input_count; j++) {
        const thaw_reading reading = thaw_role_of_input(node, j, s->origins);
        trained = trained || (reading.parameter && reading.parameter->trainable);
    }
    for (size_t j = 0; j < node->input_count && trained; j++) {
        const thaw_reading reading = thaw_role_of_input(node, j, s->origins);
        if (reading.role == THAW_ROLE_MEAN || reading.role == THAW_ROLE_VARIANCE)
            reading.parameter->updated = true;
    }
}

static thaw_status check_anything(const selection *s)
{
    const thaw_graph *graph = s->graph;
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            return THAW_OK;
    return thaw_fail(graph->context, THAW_ERR_USAGE, "nothing is left to be trained%s",
                     s->batch_norms && !s->options->update_batch_norm
                         ? ": batch norms stay frozen unless they are to be updated"
                         : "");
}

static void mark(selection *s)
{
    thaw_graph *graph = s->graph;
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count && !thaw_role_is_carrier(graph->nodes[i]); j++) {
            const thaw_reading reading = thaw_role_of_input(graph->nodes[i], j, s->origins);
            if (reading.parameter)
                weigh_reading(s, i, reading);
        }
    for (size_t i = 0; i < graph->value_count; i++) {
        graph->values[i]->trainable = s->chosen[i] && !s->pinned[i];
        graph->values[i]->updated = false;
    }
    for (size_t i = 0; i < graph->node_count; i++)
        if (is_batch_norm(graph->nodes[i]) && s->options->update_batch_norm)
            mark_statistics(s, graph->nodes[i]);
}

/* Patterns that match only what has no parameters are a mistake, though the head is left. */
static thaw_status check_patterns(selection *s)
{
    memset(s->matched, 0, sizeof s->matched);
    for (size_t i = 0; i < s->graph->node_count; i++)
        for (size_t j = 0; j < s->graph->nodes[i]->input_count; j++) {
            const thaw_reading reading = thaw_role_of_input(s->graph->nodes[i], j, s->origins);
            if (reading.parameter && reading.parameter->trainable) {
                matches(s, s->graph->nodes[i]->name);
                matches(s, reading.parameter->name);
            }
        }
    for (size_t i = 0; i < s->glob_count; i++)
        if (!s->matched[i])
            return thaw_fail(s->graph->context, THAW_ERR_USAGE, "trainable: '%s' leaves nothing to be trained%s",
                             s->globs[i],
                             s->batch_norms && !s->options->update_batch_norm
                                 ? ": batch norms stay frozen unless they are to be updated"
                                 : "");
    return THAW_OK;
}

static thaw_status choose(selection *s, char *globs)
{
    thaw_context *context = s->graph->context;
    const thaw_freeze_options *o = s->options;
    THAW_TRY(thaw_freeze_check(context, o));
    THAW_TRY(thaw_allocate(context, s->graph->value_count, sizeof *s->origins, &s->origins));
    THAW_TRY(thaw_allocate(context, s->graph->value_count, sizeof *s->chosen, &s->chosen));
    THAW_TRY(thaw_allocate(context, s->graph->value_count, sizeof *s->pinned, &s->pinned));
    thaw_roles_trace(s->graph, s->origins);
    if (o->until)
        THAW_TRY(find_place(s));
    THAW_TRY(check_stage(s));
    if (globs) {
        THAW_TRY(split_globs(s, globs));
        THAW_TRY(check_globs(s));
    }
    mark(s);
    THAW_TRY(check_patterns(s));
    return check_anything(s);
}

thaw_status thaw_freeze_check(thaw_context *context, const thaw_freeze_options *o)
{
    if ((o->until != NULL) + (o->unfreeze != 0) + (o->trainable != NULL) > 1)
        return thaw_fail(context, THAW_ERR_USAGE, "freeze-until, unfreeze and trainable exclude each other");
    return THAW_OK;
}

thaw_status thaw_graph_freeze(thaw_graph *graph, const thaw_freeze_options *options, const int32_t *stages)
{
    selection s = {.graph = graph, .options = options, .stages = stages};
    char *globs = NULL;
    if (options->trainable)
        THAW_TRY(thaw_copy_text(graph->context, options->trainable, &globs));
    const thaw_status status = choose(&s, globs);
    free(globs);
    free(s.origins);
    free(s.chosen);
    free(s.pinned);
    return status;
}

thaw_status thaw_model_freeze(thaw_model *model, const thaw_freeze_options *options, int32_t height, int32_t width)
{
    int32_t *stages;
    THAW_TRY(thaw_allocate(model->context, model->graph->node_count, sizeof *stages, &stages));
    thaw_status status = thaw_graph_stages(model->graph, height, width, stages);
    if (status == THAW_OK)
        status = thaw_graph_freeze(model->graph, options, stages);
    free(stages);
    return status;
}
