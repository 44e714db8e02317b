#include "train/probe.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/metrics.h"
#include "train/probe_path.h"

#include <math.h>
#include <stdlib.h>

/* Of the last fit. Beyond that float32 weights change in their last digits. */
static const double tolerance = 1e-3;

typedef struct probe {
    thaw_training *training;
    size_t *order;   /* [count]: rows for training, then those held out */
    int32_t *labels; /* [count], in that order */
    float *weights;  /* [count], likewise */
    size_t count;
    thaw_probe_objective objective;
    thaw_probe_solver solver;
} probe;

thaw_status thaw_probe_check(thaw_context *context, const thaw_finetune_options *o)
{
    if (o->from_scratch || o->freeze.until || o->freeze.unfreeze || o->freeze.trainable)
        return thaw_fail(context, THAW_ERR_USAGE, "the probe trains the head alone: the recipe finetune trains more");
    if (o->augment != THAW_AUGMENT_NONE)
        return thaw_fail(context, THAW_ERR_USAGE,
                         "the probe sees each image once, as it is: the recipe finetune augments");
    if (o->checkpoint)
        return thaw_fail(context, THAW_ERR_USAGE, "the probe has no checkpoints: it takes seconds");
    return THAW_OK;
}

static thaw_status order_rows(probe *p)
{
    const thaw_training *t = p->training;
    p->count = thaw_rows_count(t->rows);
    THAW_TRY(thaw_allocate(t->context, p->count, sizeof *p->order, &p->order));
    THAW_TRY(thaw_allocate(t->context, p->count, sizeof *p->labels, &p->labels));
    THAW_TRY(thaw_allocate(t->context, p->count, sizeof *p->weights, &p->weights));
    size_t next[2] = {0, t->train_count};
    for (size_t i = 0; i < p->count; i++) {
        const size_t at = next[t->validation[i]]++;
        p->order[at] = i;
        p->labels[at] = t->labels[i];
        p->weights[at] = t->weights[i];
    }
    return THAW_OK;
}

/* Images that only differ in nothing can't be told apart. */
static void warn_of_sameness(const thaw_training *t)
{
    size_t varying = 0;
    for (size_t f = 0; f < t->standardisation.width; f++)
        varying += t->standardisation.inverse[f] > 0.0;
    if (!varying)
        thaw_log(t->context, THAW_LOG_WARNING,
                 "all training images have the same %zu features: the probe can only learn how frequent classes are",
                 t->standardisation.width);
}

static thaw_status open_probe(probe *p)
{
    thaw_training *t = p->training;
    THAW_TRY(order_rows(p));
    const thaw_probe_rows rows = {.features = thaw_rows_values(t->rows, 0),
                                  .order = p->order,
                                  .labels = p->labels,
                                  .count = p->count,
                                  .features_count = t->cut.widths[0],
                                  .classes = t->classes};
    THAW_TRY(thaw_probe_objective_open(t->device, &rows, thaw_probe_path_slots(&rows), t->options->label_smoothing,
                                       &p->objective));
    return thaw_probe_solver_open(&p->objective, &p->solver);
}

static void close_probe(probe *p)
{
    thaw_probe_solver_close(&p->solver);
    thaw_probe_objective_close(&p->objective);
    free(p->order);
    free(p->labels);
    free(p->weights);
}

/* All training images, with the strength that was chosen. */
static thaw_status fit(probe *p, thaw_probe_result *result)
{
    thaw_context *context = p->training->context;
    thaw_probe_objective_begin(&p->objective, 1, p->training->train_count);
    thaw_probe_objective_weigh(&p->objective, 0, p->weights);
    THAW_TRY(thaw_probe_solver_begin(&p->solver));
    THAW_TRY(thaw_probe_solver_fit(&p->solver, result->strength, tolerance));
    const thaw_probe_outcome *outcome = &p->solver.outcomes[0];
    result->iterations = outcome->iterations;
    result->gradient = outcome->reference > 0.0 ? outcome->gradient / outcome->reference : 0.0;
    result->converged = outcome->converged;
    if (!outcome->converged)
        thaw_log(context, THAW_LOG_INFO, "the probe's gradient stopped at %g of what it began with, not %g",
                 result->gradient, tolerance);
    for (size_t i = 0; i < thaw_probe_length(&p->objective); i++)
        if (!isfinite(p->solver.parameters[i]))
            return thaw_fail(context, THAW_ERR_DIVERGED, "the probe's weights are no numbers: are the features?");
    return THAW_OK;
}

/* Mean losses and how many are right, of training and of held-out rows. */
static thaw_status judge(probe *p, thaw_epoch *epoch, size_t *held_out_right, bool *right)
{
    const thaw_training *t = p->training;
    double loss[2] = {0.0, 0.0}, rate = 0.0;
    thaw_probe_point point;
    thaw_probe_objective_begin(&p->objective, 1, p->count);
    thaw_probe_objective_weigh(&p->objective, 0, p->weights);
    THAW_TRY(thaw_probe_objective_start(&p->objective, p->solver.parameters));
    THAW_TRY(thaw_probe_objective_look(&p->objective, &rate, &point));
    *held_out_right = 0;
    for (size_t i = 0; i < p->count; i++) {
        const bool held_out = i >= t->train_count, is_right = thaw_probe_objective_row_right(&p->objective, 0, i);
        loss[held_out] += thaw_probe_objective_row_loss(&p->objective, 0, i);
        *held_out_right += held_out && is_right;
        if (held_out && right)
            right[thaw_rows_index(t->rows)[p->order[i]]] = is_right;
    }
    epoch->train_loss = loss[0] / (double)t->train_count;
    epoch->validation_loss = t->validation_count ? loss[1] / (double)t->validation_count : NAN;
    epoch->validation_top1 = t->validation_count ? (double)*held_out_right / (double)t->validation_count : NAN;
    return THAW_OK;
}

/* The head takes parameters and standardisation over. */
static thaw_status install(const probe *p)
{
    const thaw_training *t = p->training;
    const thaw_node *head = thaw_training_linear_head(t);
    const thaw_probe_objective *o = &p->objective;
    thaw_tensor *made[2] = {NULL, NULL}; /* weight, bias */
    for (size_t i = 0; i < 2; i++) {
        thaw_value *value = head->inputs[i + 1];
        THAW_TRY(thaw_tensor_create(t->context, THAW_FLOAT32, &value->constant->shape, &made[i]));
        thaw_tensor_release(&value->constant);
        value->constant = made[i];
    }
    float *weight = made[0]->data, *bias = made[1]->data;
    for (size_t k = 0; k < o->classes; k++) {
        for (size_t f = 0; f < o->features; f++)
            weight[k * o->features + f] = p->solver.parameters[k * o->width + f];
        bias[k] = p->solver.parameters[k * o->width + o->features];
    }
    thaw_standardisation_fold(&t->standardisation, weight, bias, o->classes);
    return THAW_OK;
}

static thaw_status run(probe *p, thaw_finetune_result *result, bool *right)
{
    const thaw_training *t = p->training;
    const double start = thaw_clock_seconds();
    size_t held_out_right;
    warn_of_sameness(t);
    THAW_TRY(open_probe(p));
    const thaw_probe_path_options path = {
        .weights = p->weights, .count = t->train_count, .seed = t->options->seed, .job = &t->options->job};
    THAW_TRY(thaw_probe_path_choose(&p->solver, &path, &result->probe));
    THAW_TRY(fit(p, &result->probe));
    THAW_TRY(thaw_allocate(t->context, 1, sizeof *result->epochs, &result->epochs));
    thaw_epoch *epoch = &result->epochs[0];
    *epoch = (thaw_epoch){.epoch = 1, .planned = 1};
    THAW_TRY(judge(p, epoch, &held_out_right, right));
    THAW_TRY(install(p));
    epoch->seconds = result->probe.seconds = thaw_clock_seconds() - start;
    epoch->images_per_second = (double)t->train_count / fmax(epoch->seconds, 1e-9);
    result->probe.validation_top1 = epoch->validation_top1;
    thaw_wilson_interval(held_out_right, t->validation_count, &result->probe.validation_top1_low,
                         &result->probe.validation_top1_high);
    result->epoch_count = 1;
    result->best_epoch = 1;
    result->best_validation_top1 = epoch->validation_top1;
    if (t->options->on_epoch)
        t->options->on_epoch(t->options->job.user, epoch);
    return THAW_OK;
}

bool thaw_probe_is_possible(const thaw_training *t)
{
    return thaw_training_linear_head(t) && thaw_rows_values(t->rows, 0);
}

thaw_status thaw_probe_run(thaw_training *t, thaw_finetune_result *result, bool *right)
{
    probe p = {.training = t};
    if (!thaw_training_linear_head(t))
        return thaw_fail(t->context, THAW_ERR_UNSUPPORTED,
                         "the probe needs a head that reads one list of features of each image: the recipe finetune "
                         "takes others");
    if (!thaw_rows_values(t->rows, 0))
        return thaw_fail(t->context, THAW_ERR_UNSUPPORTED,
                         "the features of %zu images don't fit into the memory that they may take: the probe needs "
                         "them all",
                         thaw_rows_count(t->rows));
    const thaw_status status = run(&p, result, right);
    close_probe(&p);
    return status;
}
