/* The main job: new head, frozen part once, training, the best epoch into the model. */
#include "base/clock.h"
#include "base/memory.h"
#include "model/freeze.h"
#include "train/check.h"
#include "train/descent.h"
#include "train/finetune.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/probe.h"
#include "train/recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

thaw_job thaw_job_defaults(void)
{
    return (thaw_job){.batch_size = 16};
}

thaw_finetune_options thaw_finetune_defaults(void)
{
    thaw_finetune_options options = {.job = thaw_job_defaults(),
                                     .freeze = thaw_freeze_defaults(),
                                     .train_batch_size = 32,
                                     .accumulate = 1,
                                     .optimizer = THAW_OPTIMIZER_ADAMW,
                                     .learning_rate = 1e-3,
                                     .depth_decay = 1,
                                     .momentum = 0.9,
                                     .weight_decay = 1e-2,
                                     .schedule = THAW_SCHEDULE_COSINE,
                                     .seed = 1};
    thaw_preprocess_named("imagenet", 224, 224, &options.preprocess);
    return options;
}

static thaw_status name_classes(const thaw_training *t)
{
    const char **names;
    THAW_TRY(thaw_allocate(t->context, t->classes, sizeof *names, &names));
    for (size_t k = 0; k < t->classes; k++)
        names[k] = thaw_dataset_class_name(t->dataset, k);
    const thaw_status status = thaw_model_set_classes(t->model, names, t->classes);
    free(names);
    return status;
}

thaw_status thaw_finetune_describe(const thaw_training *t)
{
    THAW_TRY(name_classes(t));
    return thaw_model_set_preprocess(t->model, &t->options->preprocess);
}

static void note_facts(const thaw_training *t, thaw_finetune_result *result)
{
    result->train_count = t->train_count;
    result->validation_count = t->validation_count;
    result->bad_count = t->bad_count;
    result->head_kept = t->head_kept && !t->options->from_scratch;
    for (size_t i = 0; i < t->cut.count; i++)
        result->feature_count += t->cut.widths[i];
    const thaw_feature_store *store = t->rows ? thaw_rows_store(t->rows) : NULL;
    result->features_kept = store != NULL;
    result->found_count = store ? store->found_count : 0;
    result->features_halved = store && store->halves;
}

thaw_status thaw_finetune_prepare(thaw_training *t, thaw_finetune_result *result, thaw_hash *frozen)
{
    THAW_TRY(thaw_training_prepare_model(t));
    THAW_TRY(thaw_plan_tell(t));
    *frozen = thaw_graph_hash_frozen(t->model->graph);
    const thaw_status read = thaw_training_prepare_rows(t);
    note_facts(t, result);
    return read;
}

thaw_status thaw_finetune_check_frozen(const thaw_training *t, thaw_hash frozen, thaw_finetune_result *result)
{
    result->frozen_unchanged =
        result->frozen_unchanged && thaw_hash_equal(frozen, thaw_graph_hash_frozen(t->model->graph));
    if (!result->frozen_unchanged)
        return thaw_fail(t->context, THAW_ERR_CHECK, "a frozen tensor has changed during training");
    return THAW_OK;
}

thaw_status thaw_finetune_descend(thaw_training *t, thaw_hash frozen, thaw_finetune_result *result)
{
    thaw_descent descent;
    THAW_TRY(thaw_descent_open(&descent, t));
    const thaw_status status = thaw_descent_run(&descent, result);
    if (status == THAW_OK)
        thaw_descent_install(&descent);
    thaw_descent_close(&descent);
    THAW_TRY(status);
    THAW_TRY(thaw_finetune_describe(t));
    return thaw_finetune_check_frozen(t, frozen, result);
}

static thaw_status descend(thaw_training *t, thaw_finetune_result *result)
{
    thaw_hash frozen;
    THAW_TRY(thaw_finetune_prepare(t, result, &frozen));
    return thaw_finetune_descend(t, frozen, result);
}

/* Nothing that is frozen is ever on the device together with what a probe changes. */
static thaw_status probe(thaw_training *t, thaw_finetune_result *result)
{
    thaw_hash frozen;
    THAW_TRY(thaw_probe_check(t->context, t->options));
    THAW_TRY(thaw_finetune_prepare(t, result, &frozen));
    THAW_TRY(thaw_probe_run(t, result, NULL));
    result->frozen_unchanged = true;
    THAW_TRY(thaw_finetune_describe(t));
    return thaw_finetune_check_frozen(t, frozen, result);
}

static thaw_status (*const recipes[])(thaw_training *t, thaw_finetune_result *result) = {
    [THAW_RECIPE_FINETUNE] = descend,
    [THAW_RECIPE_PROBE] = probe,
    [THAW_RECIPE_PROBE_THEN_FINETUNE] = thaw_recipe_run,
};

static void note_interval(thaw_finetune_result *result)
{
    const double right = result->best_validation_top1 * (double)result->validation_count;
    thaw_wilson_interval(result->validation_count ? (size_t)lround(right) : 0, result->validation_count,
                         &result->best_validation_low, &result->best_validation_high);
}

static thaw_status finetune(thaw_training *t, thaw_finetune_result *result)
{
    if ((int)t->options->recipe < 0 || (size_t)t->options->recipe >= sizeof recipes / sizeof recipes[0])
        return thaw_fail(t->context, THAW_ERR_USAGE, "there is no recipe %d", (int)t->options->recipe);
    THAW_TRY(thaw_finetune_check(t->context, t->options));
    THAW_TRY(thaw_check_warn_of_leaks(t->context, t->dataset));
    THAW_TRY(recipes[t->options->recipe](t, result));
    note_interval(result);
    return THAW_OK;
}

thaw_status thaw_finetune(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                          const thaw_finetune_options *options, thaw_finetune_result *result)
{
    const double start = thaw_clock_seconds();
    thaw_training training = {
        .context = model->context, .model = model, .device = device, .dataset = dataset, .options = options};
    if (options->time_budget_seconds > 0)
        training.deadline = start + options->time_budget_seconds;
    *result =
        (thaw_finetune_result){.recipe = options->recipe, .best_validation_top1 = NAN, .best_validation_high = 1.0};
    const thaw_status status = finetune(&training, result);
    result->seconds = thaw_clock_seconds() - start;
    thaw_training_close(&training);
    return status;
}

void thaw_finetune_result_free(thaw_finetune_result *result)
{
    free(result->epochs);
    free(result->probe.path);
    *result = (thaw_finetune_result){0};
}
