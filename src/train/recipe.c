#include "train/recipe.h"
#include "base/clock.h"
#include "base/memory.h"
#include "model/freeze.h"
#include "train/candidates.h"
#include "train/descent.h"
#include "train/finetune.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/probe.h"
#include "train/significance.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fine-tuning is better if chance would not have made it so in 95 of 100 cases. */
static const double level = 0.05;

/* Where nobody says how long it may take. */
static const double budget_seconds = 300;

typedef struct recipe {
    const thaw_training *given;
    thaw_finetune_options options[2]; /* of the probe, of fine-tuning */
    thaw_training training;           /* of the part that runs */
    thaw_finetune_result *result, second;
    thaw_hash frozen; /* under the probe */
    bool *held_out;   /* [images] */
    bool *right[2];   /* [images], of those held out */
    double deadline;
    double image_seconds; /* of the probe's features; 0: too few were computed to tell */
} recipe;

static void explain(recipe *r, const char *format, ...) THAW_PRINTF(2, 3);

static void explain(recipe *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->result->refinement.reason, sizeof r->result->refinement.reason, format, arguments);
    va_end(arguments);
}

static void open_training(recipe *r, size_t part)
{
    const thaw_training *g = r->given;
    r->training = (thaw_training){.context = g->context,
                                  .model = g->model,
                                  .device = g->device,
                                  .dataset = g->dataset,
                                  .options = &r->options[part],
                                  .keeps_last = part == 1,
                                  .deadline = r->deadline};
}

/* --- the probe ---------------------------------------------------------------------------------------------------- */

static void set_probe_options(recipe *r)
{
    thaw_finetune_options *o = &r->options[0];
    *o = *r->given->options;
    o->recipe = THAW_RECIPE_PROBE;
    o->freeze = thaw_freeze_defaults();
    o->augment = THAW_AUGMENT_NONE;
    o->from_scratch = o->resume = false;
    o->checkpoint = NULL;
}

static void note_image_time(recipe *r, double seconds)
{
    enum { ENOUGH = 32 };
    const thaw_feature_store *store = thaw_rows_store(r->training.rows);
    const size_t computed = store ? store->item_count - store->found_count : 0;
    r->image_seconds = computed >= ENOUGH ? seconds / (double)computed : 0.0;
}

static thaw_status run_probe(recipe *r)
{
    thaw_training *t = &r->training;
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_finetune_prepare(t, r->result, &r->frozen));
    note_image_time(r, thaw_clock_seconds() - start);
    if (!thaw_probe_is_possible(t)) {
        thaw_log(
            t->context, THAW_LOG_WARNING,
            "the features don't fit into the memory that they may take: no probe, the new head is trained in steps");
        r->result->recipe = THAW_RECIPE_FINETUNE;
        return thaw_finetune_descend(t, r->frozen, r->result);
    }
    THAW_TRY(thaw_probe_run(t, r->result, r->right[0]));
    for (size_t i = 0; i < thaw_rows_count(t->rows); i++)
        r->held_out[thaw_rows_index(t->rows)[i]] = t->validation[i];
    r->result->frozen_unchanged = true;
    THAW_TRY(thaw_finetune_describe(t));
    return thaw_finetune_check_frozen(t, r->frozen, r->result);
}

/* --- what to try -------------------------------------------------------------------------------------------------- */

/* Can fine-tuning come out better beyond chance at all? */
static bool can_be_beaten(recipe *r)
{
    const size_t all = r->result->validation_count, needed = thaw_mcnemar_least(level);
    size_t wrong = 0;
    for (size_t i = 0; i < thaw_dataset_count(r->given->dataset); i++)
        wrong += r->held_out[i] && !r->right[0][i];
    if (!all)
        explain(r, "no images are held out to compare on");
    else if (wrong < needed)
        explain(r,
                "the probe is wrong on %zu of the %zu images held out: a better model could not be told from it, "
                "that takes %zu",
                wrong, all, needed);
    return all && wrong >= needed;
}

/* --- how long it takes -------------------------------------------------------------------------------------------- */

/* Epochs that the time that is left allows, by a few steps; 0: too few for this candidate. */
static thaw_status plan_epochs(recipe *r, const thaw_candidate *c, int32_t *epochs)
{
    thaw_trainer trainer;
    double seconds;
    *epochs = 0;
    THAW_TRY(thaw_trainer_open(&trainer, &r->training));
    const size_t steps = trainer.steps_per_epoch;
    const thaw_status status =
        thaw_trainer_time(&trainer, THAW_RECIPE_UNTIMED_STEPS, THAW_RECIPE_TIMED_STEPS, &seconds);
    thaw_trainer_close(&trainer);
    THAW_TRY(status);
    *epochs = thaw_candidate_epochs(c, r->deadline - thaw_clock_seconds(), seconds, steps);
    return THAW_OK;
}

/* Makes the training ready that is to run. *epochs is 0 where the time is too short for any. */
static thaw_status choose(recipe *r, int32_t stages, int32_t *epochs)
{
    thaw_candidate list[THAW_MOST_CANDIDATES];
    const size_t count = thaw_candidates_list(&r->given->options->freeze, r->result->train_count, stages, list);
    /* Images come to any cut in the time that they take to the head, or less. */
    const double ready_seconds = r->image_seconds * (double)thaw_dataset_count(r->given->dataset);
    *epochs = 0;
    for (size_t i = 0; i < count && !*epochs; i++) {
        thaw_hash frozen;
        thaw_training_close(&r->training);
        if (thaw_clock_seconds() + ready_seconds >= r->deadline)
            break;
        r->options[1] = thaw_candidate_options(&list[i], &r->options[0]);
        open_training(r, 1);
        r->second = (thaw_finetune_result){0};
        THAW_TRY(thaw_finetune_prepare(&r->training, &r->second, &frozen));
        THAW_TRY(plan_epochs(r, &list[i], epochs));
    }
    r->options[1].epochs = *epochs;
    r->options[1].on_plan = r->given->options->on_plan;
    return *epochs ? thaw_plan_tell(&r->training) : THAW_OK;
}

/* --- fine-tuning -------------------------------------------------------------------------------------------------- */

/* Compares it with the probe, image by image. */
static thaw_status compare(recipe *r, thaw_descent *descent)
{
    thaw_refinement *refinement = &r->result->refinement;
    const thaw_rows *rows = r->training.rows;
    const size_t count = thaw_rows_count(rows);
    thaw_loss_sums sums = {0};
    bool *right; /* [rows] */
    THAW_TRY(thaw_allocate(r->given->context, count, sizeof *right, &right));
    const thaw_status status = thaw_trainer_judge(&descent->trainer, &sums, right);
    for (size_t i = 0; i < count; i++)
        if (r->training.validation[i])
            r->right[1][thaw_rows_index(rows)[i]] = right[i];
    free(right);
    THAW_TRY(status);
    const thaw_paired_test test = thaw_paired_test_of(r->right[0], r->right[1], thaw_dataset_count(r->given->dataset));
    refinement->only_probe = test.only_first;
    refinement->only_finetuned = test.only_second;
    refinement->p = test.p;
    refinement->kept = test.only_second > test.only_first && test.p < level;
    refinement->top1 = (double)sums.correct / (double)sums.count;
    thaw_wilson_interval(sums.correct, sums.count, &refinement->top1_low, &refinement->top1_high);
    explain(r,
            "of %zu images held out, %zu are right only fine-tuned and %zu only with the probe: %s (McNemar's test, "
            "p = %.2g)",
            sums.count, test.only_second, test.only_first,
            refinement->kept ? "more than chance would bring" : "not better beyond chance", test.p);
    return THAW_OK;
}

/* The probe as epoch 1, then those of fine-tuning. */
static thaw_status join_epochs(recipe *r)
{
    thaw_finetune_result *a = r->result, *b = &r->second;
    thaw_epoch *all;
    THAW_TRY(thaw_allocate(r->given->context, 1 + b->epoch_count, sizeof *all, &all));
    all[0] = a->epochs[0];
    for (size_t i = 0; i < b->epoch_count; i++) {
        all[1 + i] = b->epochs[i];
        all[1 + i].epoch++;
        all[1 + i].planned++;
    }
    all[0].planned = 1 + r->options[1].epochs;
    free(a->epochs);
    a->epochs = all;
    a->epoch_count = 1 + b->epoch_count;
    a->steps = b->steps;
    a->planned_steps = b->planned_steps;
    a->out_of_time = b->out_of_time;
    if (a->refinement.kept) {
        a->best_epoch = (int32_t)a->epoch_count;
        a->best_validation_top1 = a->refinement.top1;
        a->feature_count = b->feature_count;
        a->features_kept = b->features_kept;
    }
    return THAW_OK;
}

static thaw_status refine(recipe *r, thaw_hash frozen)
{
    thaw_descent descent;
    THAW_TRY(thaw_descent_open(&descent, &r->training));
    thaw_status status = thaw_descent_run(&descent, &r->second);
    if (status == THAW_OK && r->second.interrupted)
        explain(r, "fine-tuning was interrupted");
    else if (status == THAW_OK)
        status = compare(r, &descent);
    if (status == THAW_OK && r->result->refinement.kept)
        thaw_descent_install(&descent);
    thaw_descent_close(&descent);
    THAW_TRY(status);
    THAW_TRY(thaw_finetune_check_frozen(&r->training, frozen, &r->second));
    r->result->interrupted = r->second.interrupted;
    return join_epochs(r);
}

/* What stands in the way of fine-tuning only, not of the probe that there is. */
static bool leaves_probe(thaw_status status)
{
    return status == THAW_ERR_UNSUPPORTED || status == THAW_ERR_DIVERGED || status == THAW_ERR_DEVICE_MEMORY ||
           status == THAW_ERR_INTERRUPTED;
}

static thaw_status try_refining(recipe *r)
{
    thaw_refinement *refinement = &r->result->refinement;
    int32_t stages, epochs;
    THAW_TRY(thaw_candidates_stages(r->given->model, &r->given->options->preprocess, &stages));
    if (stages == 0) {
        explain(r, "the model has no layers with weights below its head");
        return THAW_OK;
    }
    THAW_TRY(choose(r, stages, &epochs));
    if (!epochs) {
        explain(r, "%.0f s are too short to fine-tune in", thaw_recipe_budget(r->given->options));
        return THAW_OK;
    }
    refinement->tried = true;
    refinement->unfreeze = r->options[1].freeze.unfreeze;
    refinement->epochs = epochs;
    refinement->augment = r->options[1].augment;
    return refine(r, thaw_graph_hash_frozen(r->given->model->graph));
}

/* The flags of the probe again, for whoever looks at the model. */
static thaw_status return_to_probe(recipe *r)
{
    const thaw_preprocess *p = &r->given->options->preprocess;
    THAW_TRY(thaw_model_freeze(r->given->model, &r->options[0].freeze, p->height, p->width));
    return thaw_finetune_check_frozen(r->given, r->frozen, r->result);
}

static thaw_status run(recipe *r)
{
    const size_t images = thaw_dataset_count(r->given->dataset);
    bool **arrays[] = {&r->held_out, &r->right[0], &r->right[1]};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        THAW_TRY(thaw_allocate(r->given->context, images, sizeof **arrays[i], arrays[i]));
    set_probe_options(r);
    open_training(r, 0);
    THAW_TRY(run_probe(r));
    thaw_training_close(&r->training);
    if (r->result->recipe != THAW_RECIPE_PROBE_THEN_FINETUNE || !can_be_beaten(r))
        return THAW_OK;
    const thaw_status status = try_refining(r);
    if (status != THAW_OK && !leaves_probe(status))
        return status;
    if (status != THAW_OK)
        explain(r, "fine-tuning failed: %s", thaw_error_message(r->given->context));
    if (status == THAW_ERR_INTERRUPTED)
        r->result->interrupted = true;
    return r->result->refinement.kept ? THAW_OK : return_to_probe(r);
}

double thaw_recipe_budget(const thaw_finetune_options *options)
{
    return options->time_budget_seconds > 0 ? options->time_budget_seconds : budget_seconds;
}

thaw_status thaw_recipe_run(thaw_training *training, thaw_finetune_result *result)
{
    recipe r = {
        .given = training, .result = result, .deadline = thaw_clock_seconds() + thaw_recipe_budget(training->options)};
    result->refinement.p = 1.0;
    result->refinement.top1 = NAN;
    result->refinement.top1_high = 1.0;
    const thaw_status status = run(&r);
    thaw_training_close(&r.training);
    thaw_finetune_result_free(&r.second);
    free(r.held_out);
    free(r.right[0]);
    free(r.right[1]);
    return status;
}
