#include "stages.h"

#include <stdlib.h>
#include <string.h>

#include "json_output.h"

typedef struct stage {
    const char *first, *last; /* its layers, in running order */
    int64_t parameters, trained;
    bool updated; /* has running statistics that training moves */
} stage;

/* [*count], freed with free(); NULL where memory is short. */
static stage *collect(const thaw_layer_list *layers, size_t *count)
{
    *count = 1;
    for (size_t i = 0; i < layers->count; i++)
        if ((size_t)layers->layers[i].stage >= *count)
            *count = (size_t)layers->layers[i].stage + 1;
    stage *stages = calloc(*count, sizeof *stages);
    for (size_t i = 0; stages && i < layers->count; i++) {
        const thaw_layer *layer = &layers->layers[i];
        stage *into = &stages[layer->stage];
        into->first = into->first ? into->first : layer->name;
        into->last = layer->name;
        into->parameters += layer->parameters;
        into->trained += layer->trained;
        into->updated = into->updated || layer->updated > 0;
    }
    return stages;
}

static const char *state(int64_t trained, bool updated, double rate, char text[48])
{
    if (trained == 0)
        return "frozen";
    if (rate == 0)
        return "none, a probe";
    snprintf(text, 48, "%.3g%s", rate, updated ? ", updates batch norms" : "");
    return text;
}

/* "first - last", or one name where it is one layer. */
static const char *range_text(const stage *s, char *text, size_t size)
{
    if (s->first == s->last)
        snprintf(text, size, "%s", cli_name_end(s->first));
    else
        snprintf(text, size, "%s - %s", cli_name_end(s->first), cli_name_end(s->last));
    return text;
}

static void tell_stages(cli_state *cli, const thaw_plan *plan)
{
    size_t count;
    char text[48], range[2 * CLI_NAME_WIDTH + 8];
    stage *stages = collect(plan->layers, &count);
    size_t width = sizeof "layers" - 1;
    for (size_t i = 0; stages && i < count; i++)
        if (stages[i].first && strlen(range_text(&stages[i], range, sizeof range)) > width)
            width = strlen(range);
    cli_note(cli, "stage  %-*s %12s %12s  learning rate", (int)width, "layers", "parameters", "trained");
    for (size_t i = count; stages && i-- > 0;)
        if (stages[i].first)
            cli_note(cli, "%5zu  %-*s %12lld %12lld  %s", i, (int)width, range_text(&stages[i], range, sizeof range),
                     (long long)stages[i].parameters, (long long)stages[i].trained,
                     state(stages[i].trained, stages[i].updated, plan->rates[i], text));
    free(stages);
}

static void tell_layers(cli_state *cli, const thaw_plan *plan)
{
    char text[48];
    cli_note(cli, "stage  %-40s %-18s %12s %12s  learning rate", "layer", "op", "parameters", "trained");
    for (size_t i = 0; i < plan->layers->count; i++) {
        const thaw_layer *layer = &plan->layers->layers[i];
        if (layer->parameters > 0)
            cli_note(cli, "%5d  %-40s %-18s %12lld %12lld  %s", layer->stage, cli_name_end(layer->name), layer->op,
                     (long long)layer->parameters, (long long)layer->trained,
                     state(layer->trained, layer->updated > 0, plan->rates[layer->stage], text));
    }
}

void cli_stages_tell(void *user, const thaw_plan *plan)
{
    cli_state *cli = user;
    if (cli->globals.verbosity > 0)
        tell_layers(cli, plan);
    else
        tell_stages(cli, plan);
    cli_note(cli, "head:   %s",
             plan->head_kept ? "the model's own: its classes are the data's (--new-head for a fresh one)"
                             : "a fresh one");
    for (size_t i = 0; i < plan->cut_count; i++)
        cli_note(cli, "cut:    %s", plan->cut[i]);
}

json_t *cli_stages_json(const thaw_layer_list *layers)
{
    size_t count;
    stage *stages = collect(layers, &count);
    json_t *array = json_array();
    for (size_t i = 0; stages && i < count; i++)
        if (stages[i].first)
            cli_json_append(array, json_pack("{s:I, s:o, s:o, s:I, s:I}", "stage", (json_int_t)i, "first",
                                             cli_json_text(stages[i].first), "last", cli_json_text(stages[i].last),
                                             "parameters", (json_int_t)stages[i].parameters, "trained",
                                             (json_int_t)stages[i].trained));
    free(stages);
    return array;
}
