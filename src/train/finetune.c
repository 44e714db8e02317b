/* The main job: new head, frozen part once, training, the best epoch into the model. */
#include "base/clock.h"
#include "base/memory.h"
#include "model/freeze.h"
#include "train/epochs.h"
#include "train/identity.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/probe.h"

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

/* The head was trained on standardised features: it takes the standardisation over. */
static void fold_standardisation(const thaw_training *t, const thaw_parameters *parameters, thaw_tensor **best)
{
    const thaw_node *head = thaw_training_linear_head(t);
    thaw_tensor *of_input[3] = {NULL};
    if (!t->standardisation.width || !head)
        return;
    for (size_t i = 0; i < parameters->count; i++)
        for (size_t j = 1; j < 3; j++)
            if (head->inputs[j] == parameters->items[i].source)
                of_input[j] = best[i];
    thaw_standardisation_fold(&t->standardisation, of_input[1]->data, of_input[2]->data, t->classes);
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

/* What every trained model carries. */
static thaw_status describe(const thaw_training *t)
{
    THAW_TRY(name_classes(t));
    return thaw_model_set_preprocess(t->model, &t->options->preprocess);
}

/* The best parameters and statistics become the model's. */
static thaw_status install(const thaw_training *t, const thaw_parameters *parameters, thaw_tensor **best)
{
    fold_standardisation(t, parameters, best);
    for (size_t i = 0; i < parameters->count; i++) {
        thaw_value *value = parameters->items[i].source;
        thaw_tensor_release(&value->constant);
        value->constant = thaw_tensor_retain(best[i]);
    }
    return describe(t);
}

static thaw_status train_with(thaw_trainer *trainer, const char *identity, thaw_finetune_result *result)
{
    const thaw_training *t = trainer->training;
    const size_t count = trainer->parameters.count;
    thaw_tensor **best;
    THAW_TRY(thaw_allocate(t->context, count, sizeof *best, &best));
    thaw_status status = thaw_epochs_run(trainer, identity, result, best);
    if (status == THAW_OK)
        status = thaw_trainer_check_frozen(trainer, &result->frozen_unchanged);
    if (status == THAW_OK)
        status = install(t, &trainer->parameters, best);
    for (size_t i = 0; i < count; i++)
        thaw_tensor_release(&best[i]);
    free(best);
    return status;
}

static void note_facts(const thaw_training *t, thaw_finetune_result *result)
{
    result->train_count = t->train_count;
    result->validation_count = t->validation_count;
    result->bad_count = t->bad_count;
    result->head_kept = t->head_kept && !t->options->from_scratch;
    for (size_t i = 0; i < t->cut.count; i++)
        result->feature_count += t->cut.widths[i];
    result->features_kept = t->rows && thaw_rows_values(t->rows, 0);
}

static thaw_status descend(thaw_training *t, const char *identity, thaw_finetune_result *result)
{
    thaw_trainer trainer;
    THAW_TRY(thaw_trainer_open(&trainer, t));
    const thaw_status status = train_with(&trainer, identity, result);
    thaw_trainer_close(&trainer);
    return status;
}

/* Nothing that is frozen is ever on the device with a probe. */
static thaw_status probe(thaw_training *t, thaw_finetune_result *result)
{
    THAW_TRY(thaw_probe_run(t, result, NULL));
    result->frozen_unchanged = true;
    if (t->options->on_epoch)
        t->options->on_epoch(t->options->job.user, &result->epochs[0]);
    return describe(t);
}

static void note_interval(thaw_finetune_result *result)
{
    const double right = result->best_validation_top1 * (double)result->validation_count;
    thaw_wilson_interval(result->validation_count ? (size_t)lround(right) : 0, result->validation_count,
                         &result->best_validation_low, &result->best_validation_high);
}

static thaw_status train(thaw_training *t, thaw_finetune_result *result)
{
    char identity[THAW_HASH_TEXT];
    thaw_hash_text(thaw_identity_of_model(t->model->graph), identity);
    const thaw_hash before = thaw_graph_hash_frozen(t->model->graph);
    const thaw_status read = thaw_training_prepare_rows(t);
    note_facts(t, result);
    THAW_TRY(read);
    THAW_TRY(t->options->recipe == THAW_RECIPE_PROBE ? probe(t, result) : descend(t, identity, result));
    note_interval(result);
    result->frozen_unchanged =
        result->frozen_unchanged && thaw_hash_equal(before, thaw_graph_hash_frozen(t->model->graph));
    if (!result->frozen_unchanged)
        return thaw_fail(t->context, THAW_ERR_CHECK, "a frozen tensor has changed during training");
    return THAW_OK;
}

static thaw_status finetune(thaw_training *t, thaw_finetune_result *result)
{
    THAW_TRY(thaw_finetune_check(t->context, t->options));
    if (t->options->recipe == THAW_RECIPE_PROBE)
        THAW_TRY(thaw_probe_check(t->context, t->options));
    THAW_TRY(thaw_training_prepare_model(t));
    THAW_TRY(thaw_plan_tell(t));
    return train(t, result);
}

thaw_status thaw_finetune(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                          const thaw_finetune_options *options, thaw_finetune_result *result)
{
    const double start = thaw_clock_seconds();
    thaw_training training = {
        .context = model->context, .model = model, .device = device, .dataset = dataset, .options = options};
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
