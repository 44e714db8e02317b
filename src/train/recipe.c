#include "train/recipe.h"
#include "base/clock.h"
#include "base/memory.h"
#include "model/freeze.h"
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

enum {
    STEPS = 500,
    FEW_STEPS = 200,   /* fewer are not taken as long as something cheaper is left to try */
    LEAST_STEPS = 100, /* fewer are not worth it */
    WARMUP_STEPS = 25,
    UNTIMED_STEPS = 2, /* in which kernels are compiled and images are fetched ahead */
    TIMED_STEPS = 3
};

/* What runs beside the steps: validation, writing things down. */
static const double overhead = 1.15;

typedef struct recipe {
    const thaw_training *given;
    thaw_finetune_options options[2]; /* of the probe, of fine-tuning */
    thaw_training training;           /* of the part that runs */
    thaw_finetune_result *result, second;
    thaw_hash frozen; /* under the probe */
    bool *held_out;   /* [images] */
    bool *right[2];   /* [images], of those held out */
    double deadline;
} recipe;

/* A way to fine-tune. */
typedef struct candidate {
    thaw_freeze_options freeze;
    thaw_augment_kind augment;
    int32_t least_steps;
} candidate;

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
                                  .keeps_last = part == 1};
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

static thaw_status run_probe(recipe *r)
{
    thaw_training *t = &r->training;
    THAW_TRY(thaw_finetune_prepare(t, r->result, &r->frozen));
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

static thaw_status count_stages(const recipe *r, int32_t *stages)
{
    const thaw_preprocess *p = &r->given->options->preprocess;
    thaw_layer_list *layers;
    THAW_TRY(thaw_model_layers(r->given->model, p->height, p->width, &layers));
    *stages = 0;
    for (size_t i = 0; i < layers->count; i++)
        *stages =
            layers->layers[i].stage > *stages && layers->layers[i].parameters > 0 ? layers->layers[i].stage : *stages;
    thaw_layer_list_free(&layers);
    return THAW_OK;
}

/* What so many images allow, without learning them by heart. */
static int32_t depth_for(size_t images, int32_t stages)
{
    const int32_t wanted = images < 1000 ? 1 : images < 5000 ? 2 : images < 20000 ? 3 : stages;
    return wanted < stages ? wanted : stages;
}

/* From the one that is likely to be best to what is cheapest. The number of them. */
static size_t list_candidates(const recipe *r, int32_t stages, candidate list[3])
{
    const thaw_freeze_options *wish = &r->given->options->freeze;
    const bool wished = wish->until || wish->unfreeze || wish->trainable;
    thaw_freeze_options deep = wished ? *wish : thaw_freeze_defaults(), shallow = thaw_freeze_defaults();
    if (!wished)
        deep.unfreeze = depth_for(r->result->train_count, stages);
    deep.update_batch_norm = false;
    shallow.unfreeze = 1;
    list[0] = (candidate){deep, THAW_AUGMENT_BASIC, FEW_STEPS};
    list[1] = (candidate){deep, THAW_AUGMENT_NONE, FEW_STEPS};
    list[2] = (candidate){shallow, THAW_AUGMENT_NONE, LEAST_STEPS};
    if (!wished && deep.unfreeze > 1)
        return 3;
    list[1].least_steps = LEAST_STEPS;
    return 2;
}

static void set_options(recipe *r, const candidate *c)
{
    thaw_finetune_options *o = &r->options[1];
    const thaw_finetune_options defaults = thaw_finetune_defaults();
    *o = r->options[0];
    o->recipe = THAW_RECIPE_FINETUNE;
    o->freeze = c->freeze;
    o->augment = c->augment;
    o->accumulate = 1;
    o->optimizer = THAW_OPTIMIZER_ADAMW;
    o->learning_rate = 3e-4;
    o->head_learning_rate = 0;
    o->depth_decay = 0.5;
    o->weight_decay = defaults.weight_decay;
    o->clip_norm = 1.0;
    o->schedule = THAW_SCHEDULE_COSINE;
    o->warmup_steps = WARMUP_STEPS;
    o->ema = 0;
    o->early_stop = 0;
    o->epochs = 0;
    o->new_head = false; /* the probe's */
    o->head_at = NULL;
    o->on_plan = NULL; /* until one is chosen */
}

/* --- how long it takes -------------------------------------------------------------------------------------------- */

/* Steps that change nothing. Their mean time. */
static thaw_status time_steps(thaw_trainer *t, double *seconds)
{
    double start = 0.0;
    THAW_TRY(thaw_trainer_begin_epoch(t, 0));
    for (int i = 0; i < UNTIMED_STEPS + TIMED_STEPS; i++) {
        thaw_loss_sums sums = {0};
        if (i == UNTIMED_STEPS)
            start = thaw_clock_seconds();
        if (t->position >= t->epoch_rows)
            THAW_TRY(thaw_trainer_begin_epoch(t, 0));
        THAW_TRY(thaw_trainer_step(t, 0.0, &sums));
    }
    *seconds = (thaw_clock_seconds() - start) / TIMED_STEPS;
    return THAW_OK;
}

/* Epochs that the time that is left allows; 0: too few for this candidate. */
static thaw_status plan_epochs(recipe *r, const candidate *c, int32_t *epochs)
{
    thaw_trainer trainer;
    double seconds;
    *epochs = 0;
    THAW_TRY(thaw_trainer_open(&trainer, &r->training));
    const size_t steps = trainer.steps_per_epoch;
    const thaw_status status = time_steps(&trainer, &seconds);
    thaw_trainer_close(&trainer);
    THAW_TRY(status);
    const double affordable = (r->deadline - thaw_clock_seconds()) / (seconds * overhead * (double)steps);
    const size_t wanted = (STEPS + steps - 1) / steps;
    if (affordable >= 1.0)
        *epochs = affordable < (double)wanted ? (int32_t)affordable : (int32_t)wanted;
    if ((size_t)*epochs < wanted && (size_t)*epochs * steps < (size_t)c->least_steps)
        *epochs = 0;
    return THAW_OK;
}

/* Makes the training ready that is to run. *epochs is 0 where the time is too short for any. */
static thaw_status choose(recipe *r, int32_t stages, int32_t *epochs)
{
    candidate list[3];
    const size_t count = list_candidates(r, stages, list);
    *epochs = 0;
    for (size_t i = 0; i < count && !*epochs; i++) {
        thaw_hash frozen;
        thaw_training_close(&r->training);
        if (thaw_clock_seconds() >= r->deadline)
            break;
        set_options(r, &list[i]);
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
    THAW_TRY(count_stages(r, &stages));
    if (stages == 0) {
        explain(r, "the model has no layers with weights below its head");
        return THAW_OK;
    }
    THAW_TRY(choose(r, stages, &epochs));
    if (!epochs) {
        explain(r, "%.0f s are too short to fine-tune in", r->given->options->time_budget_seconds);
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

thaw_status thaw_recipe_run(thaw_training *training, thaw_finetune_result *result)
{
    recipe r = {
        .given = training, .result = result, .deadline = thaw_clock_seconds() + training->options->time_budget_seconds};
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
