/* The search for a learning rate: fastai's lr_find. */
#include "base/memory.h"
#include "train/check.h"
#include "train/plan.h"
#include "train/progress.h"
#include "train/suggest.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

static const double smoothing = 0.98, most_above_best = 4.0;

thaw_lr_find_options thaw_lr_find_defaults(void)
{
    return (thaw_lr_find_options){.lowest = 1e-7, .highest = 10.0, .steps = 100};
}

static thaw_status check(thaw_context *context, const thaw_lr_find_options *o)
{
    if (!(o->lowest > 0) || !(o->highest > o->lowest) || !isfinite(o->highest))
        return thaw_fail(context, THAW_ERR_USAGE, "learning rates from %g to %g make no sense", o->lowest, o->highest);
    if (o->steps < 20 || o->steps > 100000)
        return thaw_fail(context, THAW_ERR_USAGE, "%d steps: expected 20 to 100000", o->steps);
    return THAW_OK;
}

/* An exponential mean without the pull of its start, as Adam corrects it. */
static double smooth(thaw_lr_find_result *result, double loss, double *mean)
{
    *mean = smoothing * *mean + (1.0 - smoothing) * loss;
    return *mean / (1.0 - pow(smoothing, (double)result->count + 1.0));
}

static thaw_status step(thaw_trainer *t, double rate, double *loss)
{
    thaw_loss_sums sums = {0};
    if (t->position >= t->epoch_rows)
        THAW_TRY(thaw_trainer_begin_epoch(t, 0));
    const thaw_status status = thaw_trainer_step(t, rate, &sums);
    *loss = status == THAW_ERR_DIVERGED ? INFINITY : sums.loss / (double)sums.count;
    return status == THAW_ERR_DIVERGED ? THAW_OK : status;
}

static thaw_status run_steps(thaw_trainer *t, const thaw_lr_find_options *o, thaw_lr_find_result *result)
{
    const thaw_training *training = t->training;
    thaw_reporter reporter;
    double mean = 0.0, best = INFINITY;
    thaw_reporter_start(&reporter, &training->options->job, "lr-find", (size_t)o->steps);
    THAW_TRY(thaw_trainer_begin_epoch(t, 0));
    for (int32_t i = 0; i < o->steps && !result->diverged; i++) {
        const double rate = o->lowest * pow(o->highest / o->lowest, (double)i / (double)(o->steps - 1));
        double loss;
        if (thaw_context_interrupted(training->context))
            return thaw_fail(training->context, THAW_ERR_INTERRUPTED, "stopped after %d of %d steps", i, o->steps);
        THAW_TRY(step(t, rate, &loss));
        result->diverged = !isfinite(loss);
        if (result->diverged)
            break;
        const double smoothed = smooth(result, loss, &mean);
        result->points[result->count++] = (thaw_lr_point){rate, loss, smoothed};
        best = smoothed < best ? smoothed : best;
        result->diverged = smoothed > most_above_best * best;
        thaw_reporter_update(&reporter, (size_t)i + 1, 0.0);
    }
    thaw_reporter_update(&reporter, (size_t)o->steps, 0.0);
    return THAW_OK;
}

static thaw_status find(thaw_training *t, const thaw_lr_find_options *o, thaw_lr_find_result *result)
{
    thaw_trainer trainer;
    THAW_TRY(thaw_finetune_check(t->context, t->options));
    THAW_TRY(check(t->context, o));
    THAW_TRY(thaw_training_prepare_model(t));
    THAW_TRY(thaw_plan_tell(t));
    THAW_TRY(thaw_check_warn_of_leaks(t->context, t->dataset));
    THAW_TRY(thaw_training_prepare_rows(t));
    THAW_TRY(thaw_allocate(t->context, (size_t)o->steps, sizeof *result->points, &result->points));
    THAW_TRY(thaw_trainer_open(&trainer, t));
    const thaw_status status = run_steps(&trainer, o, result);
    thaw_trainer_close(&trainer);
    return status == THAW_OK ? thaw_suggest(t->context, result) : status;
}

thaw_status thaw_lr_find(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                         const thaw_finetune_options *options, const thaw_lr_find_options *find_options,
                         thaw_lr_find_result *result)
{
    thaw_training training = {
        .context = model->context, .model = model, .device = device, .dataset = dataset, .options = options};
    *result = (thaw_lr_find_result){.valley = NAN, .steepest = NAN};
    const thaw_status status = find(&training, find_options, result);
    thaw_training_close(&training);
    return status;
}

void thaw_lr_find_result_free(thaw_lr_find_result *result)
{
    free(result->points);
    *result = (thaw_lr_find_result){0};
}
