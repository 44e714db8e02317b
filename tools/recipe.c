#include "recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_options.h"

#define LIST_NAME(name, text) text,
static const char *const recipes[] = {THAW_RECIPE_LIST(LIST_NAME) NULL};
#undef LIST_NAME

const cli_option cli_recipe_table[3] = {
    {"recipe", &cli_choice, offsetof(cli_recipe_options, recipe),
     .help = "probe: a new output layer by logistic regression, in seconds, with nothing to set; probe-then-finetune: "
             "then deeper from there, kept only if it is better on validation images beyond chance; finetune: steps of "
             "gradient descent, by the options below",
     .otherwise = "probe-then-finetune; finetune where an option says how or what to train", .choices = recipes},
    {"time-budget", &cli_text, offsetof(cli_recipe_options, time_budget), "DURATION",
     .help = "what it may take: 90s, 5m, 2h; training is drawn in so that it ends by then",
     .otherwise = "5m for probe-then-finetune, else none"},
    {"plan", &cli_flag, offsetof(cli_recipe_options, plan),
     .help = "trains nothing: measures on this device and says what each recipe and depth would take, and which is "
             "taken"},
};

/* Only the recipe finetune looks at these. */
static const char *const finetune_only[] = {
    "epochs",       "lr",         "schedule",          "warmup",           "ema",
    "early-stop",   "accumulate", "optimizer",         "momentum",         "nesterov",
    "weight-decay", "clip-norm",  "lr-decay-by-depth", "augment",          "from-scratch",
    "batch-norm",   "lr-head",    "checkpoint",        "checkpoint-every", "resume"};
/* The recipe probe does not look at these either; they make finetune the recipe where none is given. */
static const char *const not_probe[] = {"batch-size", "freeze-until", "unfreeze", "trainable"};

void cli_recipe_defaults(cli_recipe_options *options)
{
    *options = (cli_recipe_options){.recipe = -1};
}

/* The first of the options that was given, or NULL. */
static const char *find_given(const cli_state *cli, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cli_parser_given(cli->parser, names[i]))
            return names[i];
    return NULL;
}
#define FIND_GIVEN(cli, names) find_given((cli), (names), sizeof(names) / sizeof((names)[0]))

static thaw_status parse_duration(cli_state *cli, const char *text, double *seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
    char *end;
    const double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (end != text && strcmp(end, units[i].name) == 0 && number > 0 && number <= 1e6) {
            *seconds = number * units[i].seconds;
            return THAW_OK;
        }
    return cli_fail_usage(cli, "--time-budget '%s': expected a time as in 90s, 5m or 2h", text);
}

thaw_status cli_recipe_resolve(cli_state *cli, const cli_recipe_options *options, thaw_finetune_options *train)
{
    const char *only = FIND_GIVEN(cli, finetune_only), *other = FIND_GIVEN(cli, not_probe);
    const char *refused = only;
    if (options->recipe >= 0)
        train->recipe = (thaw_recipe)options->recipe;
    else if (options->time_budget)
        train->recipe = only ? THAW_RECIPE_FINETUNE : THAW_RECIPE_PROBE_THEN_FINETUNE;
    else
        train->recipe = only || other ? THAW_RECIPE_FINETUNE : THAW_RECIPE_PROBE_THEN_FINETUNE;
    if (train->recipe == THAW_RECIPE_FINETUNE)
        refused = NULL;
    else if (train->recipe == THAW_RECIPE_PROBE && !refused)
        refused = other;
    if (refused)
        return cli_fail_usage(cli, "--%s: the recipe %s does not look at it, --recipe finetune does", refused,
                              recipes[train->recipe]);
    if (!options->time_budget)
        return THAW_OK;
    if (train->recipe == THAW_RECIPE_PROBE)
        return cli_fail_usage(cli, "--time-budget is for recipes that train in steps, the probe takes seconds");
    return parse_duration(cli, options->time_budget, &train->time_budget_seconds);
}

const char *cli_recipe_text(thaw_recipe recipe)
{
    return recipes[recipe];
}

static void print_probe(const thaw_probe_result *probe)
{
    if (probe->folds > 0)
        printf(
            "probe   strength %.3g, chosen from %zu in cross-validation (%zu folds): top-1 %.2f %% of %zu images held "
            "out (95 %%: %.1f to %.1f)\n",
            probe->strength, probe->path_count, probe->folds, 100 * probe->cv_top1, probe->cv_count,
            100 * probe->cv_top1_low, 100 * probe->cv_top1_high);
    else
        printf("probe   strength %.3g, fixed: one training image per class leaves nothing to choose it by\n",
               probe->strength);
}

static void print_refinement(const thaw_finetune_result *result)
{
    const thaw_refinement *refinement = &result->refinement;
    if (refinement->tried && !isnan(refinement->top1))
        printf("deeper  top-1 %.2f %% (95 %%: %.1f to %.1f), the probe %.2f %%\n", 100 * refinement->top1,
               100 * refinement->top1_low, 100 * refinement->top1_high, 100 * result->probe.validation_top1);
    printf("kept    %s: %s\n", refinement->kept ? "the fine-tuned model" : "the probe", refinement->reason);
}

void cli_recipe_print(const thaw_finetune_result *result)
{
    if (result->out_of_time)
        printf("time    it allowed %llu of %llu steps, to which the schedule was drawn in\n",
               (unsigned long long)result->steps, (unsigned long long)result->planned_steps);
    if (result->recipe == THAW_RECIPE_FINETUNE)
        return;
    print_probe(&result->probe);
    if (result->recipe == THAW_RECIPE_PROBE_THEN_FINETUNE)
        print_refinement(result);
}

static json_t *path_json(const thaw_probe_result *probe)
{
    json_t *array = json_array();
    for (size_t i = 0; i < probe->path_count; i++)
        cli_json_append(array,
                        json_pack("{s:o, s:o, s:o, s:i}", "strength", cli_json_number(probe->path[i].strength), "loss",
                                  cli_json_number(probe->path[i].loss), "top1", cli_json_number(probe->path[i].top1),
                                  "iterations", probe->path[i].iterations));
    return array;
}

json_t *cli_probe_json(const thaw_finetune_result *result)
{
    const thaw_probe_result *probe = &result->probe;
    if (result->recipe == THAW_RECIPE_FINETUNE)
        return json_null();
    return json_pack("{s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:i, s:o, s:b, s:o, s:o, s:o, s:o}", "path", path_json(probe),
                     "folds", (json_int_t)probe->folds, "strength", cli_json_number(probe->strength), "cv_count",
                     (json_int_t)probe->cv_count, "cv_top1", cli_json_number(probe->cv_top1), "cv_top1_low",
                     cli_json_number(probe->cv_top1_low), "cv_top1_high", cli_json_number(probe->cv_top1_high),
                     "iterations", probe->iterations, "gradient", cli_json_number(probe->gradient), "converged",
                     probe->converged, "val_top1", cli_json_number(probe->validation_top1), "val_top1_low",
                     cli_json_number(probe->validation_top1_low), "val_top1_high",
                     cli_json_number(probe->validation_top1_high), "seconds", cli_json_number(probe->seconds));
}

json_t *cli_refinement_json(const thaw_finetune_result *result)
{
    const thaw_refinement *r = &result->refinement;
    if (result->recipe != THAW_RECIPE_PROBE_THEN_FINETUNE)
        return json_null();
    return json_pack("{s:b, s:s, s:o, s:i, s:i, s:s, s:o, s:o, s:o, s:I, s:I, s:o}", "tried", r->tried, "kept",
                     r->kept ? "finetune" : "probe", "reason", cli_json_text(r->reason), "unfreeze", r->unfreeze,
                     "epochs", r->epochs, "augment", cli_augment_text(r->augment), "val_top1", cli_json_number(r->top1),
                     "val_top1_low", cli_json_number(r->top1_low), "val_top1_high", cli_json_number(r->top1_high),
                     "only_probe", (json_int_t)r->only_probe, "only_finetuned", (json_int_t)r->only_finetuned, "p",
                     cli_json_number(r->p));
}
