#include "train/epochs.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/identity.h"
#include "train/progress.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row of the table of epochs as a checkpoint has it. */
enum { SECONDS, TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_TOP1, RATE, LEARNING_RATE, METRICS };

/* Where the run stands, as a checkpoint has it. */
enum { EPOCHS_DONE, POSITION, STEPS, BATCHES, BEST_EPOCH, RANDOM, CORRECT, COUNT, ROWS_LOW, ROWS_HIGH, COUNTERS };
enum { LOSS, EPOCH_SECONDS, LAST_RATE, START_LOSS, START_TOP1, SUMS };

typedef struct run {
    thaw_trainer *trainer;
    const thaw_training *training;
    const thaw_finetune_options *options;
    thaw_finetune_result *result;
    thaw_tensor **best; /* [parameters] */
    thaw_checkpoint *checkpoint;
    int32_t epochs;
    uint64_t counters[COUNTERS];
    double sums[SUMS];
    thaw_hash rows;          /* of what the frozen part makes of the images */
    double *metrics;         /* [epochs][METRICS] */
    thaw_loss_sums train;    /* of the epoch that runs */
    double start_loss;       /* of the held-out rows before the first step; NaN: the start can't be the best */
    double epoch_start;      /* on the clock */
    double learning_rate;    /* of the last step */
    double checkpoint_start; /* when the last checkpoint was written */
    size_t planned, steps;   /* of all epochs, as planned; as the time allows */
    size_t timed;            /* steps of this process that took step_seconds in all */
    double step_seconds, judge_seconds; /* the latter of the last validation */
    thaw_reporter reporter;             /* of steps */
} run;

/* Few images make short epochs: a head needs steps, not epochs. */
int32_t thaw_epochs_enough(size_t steps_per_epoch)
{
    const size_t enough_steps = 600, epochs = (enough_steps + steps_per_epoch - 1) / steps_per_epoch;
    return epochs < 30 ? 30 : epochs > 200 ? 200 : (int32_t)epochs;
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

static thaw_status register_parameter(run *r, size_t index)
{
    const thaw_trainer *t = r->trainer;
    const thaw_parameter *p = &t->parameters.items[index];
    const char *name = p->value->name;
    THAW_TRY(thaw_checkpoint_add_buffer(r->checkpoint, "parameter", name, p->value->buffer, p->count));
    THAW_TRY(thaw_checkpoint_add_memory(r->checkpoint, "best", name, THAW_FLOAT32, r->best[index]->data, p->count));
    if (t->average)
        THAW_TRY(thaw_checkpoint_add_buffer(r->checkpoint, "average", name, thaw_average_buffer(t->average, index),
                                            p->count));
    for (int i = 0; thaw_optimizer_state(t->optimizer, index, i); i++) {
        char kind[32];
        snprintf(kind, sizeof kind, "optimizer.%d", i);
        THAW_TRY(thaw_checkpoint_add_buffer(r->checkpoint, kind, name, thaw_optimizer_state(t->optimizer, index, i),
                                            p->count));
    }
    return THAW_OK;
}

static thaw_status open_checkpoint(run *r, const char *identity)
{
    thaw_context *context = r->training->context;
    THAW_TRY(thaw_checkpoint_open(context, r->options->checkpoint, &r->checkpoint));
    THAW_TRY(thaw_identity_note(r->training, identity, r->epochs, r->checkpoint));
    for (size_t i = 0; i < r->trainer->parameters.count; i++)
        THAW_TRY(register_parameter(r, i));
    THAW_TRY(thaw_checkpoint_add_memory(r->checkpoint, "run", "counters", THAW_UINT64, r->counters, COUNTERS));
    THAW_TRY(thaw_checkpoint_add_memory(r->checkpoint, "run", "sums", THAW_FLOAT64, r->sums, SUMS));
    return thaw_checkpoint_add_memory(r->checkpoint, "run", "epochs", THAW_FLOAT64, r->metrics,
                                      (int64_t)r->epochs * METRICS);
}

static thaw_status save_checkpoint(run *r)
{
    const thaw_trainer *t = r->trainer;
    const uint64_t steps = thaw_optimizer_steps(t->optimizer);
    if (!r->checkpoint)
        return THAW_OK;
    const uint64_t counters[COUNTERS] = {[EPOCHS_DONE] = r->result->epoch_count,
                                         [POSITION] = t->position,
                                         [STEPS] = steps,
                                         [BATCHES] = t->batches,
                                         [BEST_EPOCH] = (uint64_t)r->result->best_epoch,
                                         [RANDOM] = t->epoch_start.state,
                                         [CORRECT] = r->train.correct,
                                         [COUNT] = r->train.count};
    memcpy(r->counters, counters, sizeof counters);
    r->counters[ROWS_LOW] = r->rows.low;
    r->counters[ROWS_HIGH] = r->rows.high;
    r->sums[LOSS] = r->train.loss;
    r->sums[EPOCH_SECONDS] = thaw_clock_seconds() - r->epoch_start;
    r->sums[LAST_RATE] = r->learning_rate;
    r->sums[START_LOSS] = r->start_loss;
    r->sums[START_TOP1] = r->result->start_validation_top1;
    THAW_TRY(thaw_checkpoint_save(r->checkpoint, steps));
    r->checkpoint_start = thaw_clock_seconds();
    return THAW_OK;
}

static void note_epoch(run *r, const thaw_epoch *epoch)
{
    double *row = &r->metrics[(size_t)(epoch->epoch - 1) * METRICS];
    row[SECONDS] = epoch->seconds;
    row[TRAIN_LOSS] = epoch->train_loss;
    row[VALIDATION_LOSS] = epoch->validation_loss;
    row[VALIDATION_TOP1] = epoch->validation_top1;
    row[RATE] = epoch->images_per_second;
    row[LEARNING_RATE] = epoch->learning_rate;
}

static thaw_epoch noted_epoch(const run *r, int32_t number)
{
    const double *row = &r->metrics[(size_t)(number - 1) * METRICS];
    return (thaw_epoch){.epoch = number,
                        .planned = r->epochs,
                        .seconds = row[SECONDS],
                        .train_loss = row[TRAIN_LOSS],
                        .validation_loss = row[VALIDATION_LOSS],
                        .validation_top1 = row[VALIDATION_TOP1],
                        .images_per_second = row[RATE],
                        .learning_rate = row[LEARNING_RATE]};
}

/* What the checkpoint left in counters, sums and metrics becomes the state of trainer and result. */
static thaw_status take_up(run *r)
{
    thaw_trainer *t = r->trainer;
    const uint64_t *c = r->counters;
    if (c[EPOCHS_DONE] > (uint64_t)r->epochs || c[BEST_EPOCH] > c[EPOCHS_DONE] || c[POSITION] > t->epoch_rows)
        return thaw_fail(r->training->context, THAW_ERR_IO, "%s: the checkpoint contradicts itself",
                         r->options->checkpoint);
    if (!thaw_hash_equal(r->rows, (thaw_hash){c[ROWS_LOW], c[ROWS_HIGH]}))
        thaw_log(
            r->training->context, THAW_LOG_WARNING,
            "the frozen part gives other bits than when the checkpoint was written (other algorithms were chosen for "
            "this device since): so will the result");
    thaw_optimizer_set_steps(t->optimizer, c[STEPS]);
    t->batches = c[BATCHES];
    t->random.state = c[RANDOM];
    r->result->epoch_count = (size_t)c[EPOCHS_DONE];
    r->result->best_epoch = (int32_t)c[BEST_EPOCH];
    r->result->resumed_step = c[STEPS];
    r->learning_rate = r->sums[LAST_RATE];
    r->start_loss = r->sums[START_LOSS];
    r->result->start_validation_top1 = r->sums[START_TOP1];
    for (size_t i = 0; i < r->result->epoch_count; i++)
        r->result->epochs[i] = noted_epoch(r, (int32_t)i + 1);
    thaw_log(r->training->context, THAW_LOG_INFO, "going on after step %llu, in epoch %zu",
             (unsigned long long)c[STEPS], r->result->epoch_count + 1);
    return THAW_OK;
}

static thaw_status resume(run *r, bool *found)
{
    bool exists = false;
    *found = false;
    if (!r->checkpoint)
        return THAW_OK;
    if (r->options->resume)
        THAW_TRY(thaw_checkpoint_load(r->checkpoint, found));
    else
        THAW_TRY(thaw_checkpoint_exists(r->checkpoint, &exists));
    if (exists)
        return thaw_fail(r->training->context, THAW_ERR_USAGE,
                         "%s has checkpoints of another run in it: resume it, or take another folder",
                         r->options->checkpoint);
    return *found ? take_up(r) : THAW_OK;
}

static bool checkpoint_is_due(const run *r)
{
    const thaw_finetune_options *o = r->options;
    const uint64_t steps = thaw_optimizer_steps(r->trainer->optimizer);
    return (o->checkpoint_steps > 0 && steps % (uint64_t)o->checkpoint_steps == 0) ||
           (o->checkpoint_seconds > 0 && thaw_clock_seconds() - r->checkpoint_start >= o->checkpoint_seconds);
}

/* --- epochs ------------------------------------------------------------------------------------------------------- */

/* Better than all before it? A start that was not validated loses, and without validation images the last epoch is the
 * best that can be known. */
static bool is_better(const run *r, const thaw_epoch *epoch)
{
    const thaw_finetune_result *result = r->result;
    const thaw_epoch *best = result->best_epoch ? &result->epochs[result->best_epoch - 1] : NULL;
    const double top1 = best ? best->validation_top1 : result->start_validation_top1;
    const double loss = best ? best->validation_loss : r->start_loss;
    if (isnan(epoch->validation_top1) || isnan(top1) || epoch->validation_top1 > top1)
        return true;
    return epoch->validation_top1 == top1 && epoch->validation_loss < loss;
}

static bool is_finite(const thaw_tensor *tensor)
{
    const float *numbers = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++)
        if (!isfinite(numbers[i]))
            return false;
    return true;
}

/* Reads what was validated. Without validation the last step has no loss after it that would show what it did. */
static thaw_status keep_parameters(const run *r)
{
    const thaw_trainer *t = r->trainer;
    for (size_t i = 0; i < t->parameters.count; i++) {
        const thaw_value *value = t->parameters.items[i].value;
        thaw_buffer *from = t->average ? thaw_average_buffer(t->average, i) : value->buffer;
        THAW_TRY(thaw_buffer_read(from, 0, r->best[i]->data, r->best[i]->bytes));
        if (!is_finite(r->best[i]))
            return thaw_fail(
                r->training->context, THAW_ERR_DIVERGED,
                "after step %llu the weight '%s' holds NaN or infinities: try a lower learning rate than %g",
                (unsigned long long)thaw_optimizer_steps(t->optimizer), value->name, r->options->learning_rate);
    }
    return THAW_OK;
}

/* What validation takes, as long as it was not seen: forward is a third of a step. */
static double judge_seconds(const run *r, double step_seconds)
{
    const size_t batches = (r->training->validation_count + r->trainer->batch - 1) / r->trainer->batch;
    return r->judge_seconds > 0 ? r->judge_seconds : (double)batches * step_seconds / 3;
}

/* The steps that all epochs come to where those to come take as long as those before. The schedule ends with the last
 * one, so that training that has to be short still ends with low rates. */
static void fit_to_time(run *r, size_t done)
{
    enum { LEAST_TIMED = 3 };
    if (!(r->training->deadline > 0) || r->timed < LEAST_TIMED || done >= r->planned)
        return;
    const double each = r->step_seconds / (double)r->timed, judging = judge_seconds(r, each);
    const double per_epoch = (double)r->trainer->steps_per_epoch;
    const double left = r->training->deadline - thaw_clock_seconds() - judging;
    const double affordable = fmax(left, 0.0) / (each + judging / per_epoch);
    r->steps = affordable < (double)(r->planned - done) ? done + (size_t)affordable : r->planned;
}

/* A step, timed unless it is the first, which waits for images and kernels. */
static thaw_status take_step(run *r, size_t step)
{
    const thaw_finetune_options *o = r->options;
    const size_t steps = r->steps > step ? r->steps : step + 1;
    const double start = thaw_clock_seconds();
    r->learning_rate = o->learning_rate * thaw_schedule_rate(o->schedule, step, steps, (size_t)o->warmup_steps);
    THAW_TRY(thaw_trainer_step(r->trainer, r->learning_rate, &r->train));
    if (step > r->result->resumed_step) {
        r->timed++;
        r->step_seconds += thaw_clock_seconds() - start;
    }
    return THAW_OK;
}

/* The steps that the epoch has left; stops between two of them when asked to. */
static thaw_status train_epoch(run *r, bool *stopped)
{
    thaw_trainer *t = r->trainer;
    *stopped = false;
    while (t->position < t->epoch_rows) {
        const size_t step = (size_t)thaw_optimizer_steps(t->optimizer);
        fit_to_time(r, step);
        if (step >= r->steps && r->train.count > 0)
            return THAW_OK;
        THAW_TRY(take_step(r, step));
        thaw_reporter_update(&r->reporter, step + 1, 0.0);
        *stopped = thaw_context_interrupted(r->training->context) && t->position < t->epoch_rows;
        if (*stopped)
            return save_checkpoint(r);
        if (t->position < t->epoch_rows && r->checkpoint && checkpoint_is_due(r))
            THAW_TRY(save_checkpoint(r));
    }
    return THAW_OK;
}

/* A head that was trained before may be as good as it gets: going on from it must not make a worse model of it. */
static thaw_status validate_start(run *r)
{
    const thaw_training *t = r->training;
    thaw_loss_sums held_out = {0};
    if (!t->head_kept || r->options->from_scratch || !t->validation_count)
        return THAW_OK;
    THAW_TRY(thaw_trainer_validate(r->trainer, &held_out));
    r->start_loss = held_out.loss / (double)held_out.count;
    r->result->start_validation_top1 = (double)held_out.correct / (double)held_out.count;
    return keep_parameters(r);
}

static thaw_status finish_epoch(run *r)
{
    thaw_finetune_result *result = r->result;
    thaw_loss_sums held_out = {0};
    const double judge_start = thaw_clock_seconds();
    THAW_TRY(thaw_trainer_validate(r->trainer, &held_out));
    r->judge_seconds = thaw_clock_seconds() - judge_start;
    fit_to_time(r, (size_t)thaw_optimizer_steps(r->trainer->optimizer));
    const double seconds = thaw_clock_seconds() - r->epoch_start;
    thaw_epoch *epoch = &result->epochs[result->epoch_count];
    *epoch = (thaw_epoch){.epoch = (int32_t)result->epoch_count + 1,
                          .planned = r->epochs,
                          .seconds = seconds,
                          .train_loss = r->train.loss / (double)r->train.count,
                          .validation_loss = held_out.count ? held_out.loss / (double)held_out.count : NAN,
                          .validation_top1 = held_out.count ? (double)held_out.correct / (double)held_out.count : NAN,
                          .images_per_second = (double)r->train.count / (seconds > 0 ? seconds : 1e-9),
                          .learning_rate = r->learning_rate};
    note_epoch(r, epoch);
    if (r->training->keeps_last || is_better(r, epoch)) {
        result->best_epoch = epoch->epoch;
        THAW_TRY(keep_parameters(r));
    }
    result->epoch_count++;
    return THAW_OK;
}

/* A checkpoint between epochs stands before the first step of the next one. */
static thaw_status close_epoch(run *r)
{
    r->train = (thaw_loss_sums){0};
    r->trainer->position = 0;
    r->trainer->epoch_start = r->trainer->random;
    r->epoch_start = thaw_clock_seconds();
    THAW_TRY(save_checkpoint(r));
    if (r->options->on_epoch)
        r->options->on_epoch(r->options->job.user, &r->result->epochs[r->result->epoch_count - 1]);
    return THAW_OK;
}

static bool is_over(const run *r)
{
    const int32_t done = (int32_t)r->result->epoch_count, patience = r->options->early_stop;
    return done >= r->epochs || thaw_optimizer_steps(r->trainer->optimizer) >= r->steps ||
           (patience && done - r->result->best_epoch >= patience);
}

static thaw_status run_epochs(run *r, bool resumed)
{
    thaw_finetune_result *result = r->result;
    thaw_reporter_start(&r->reporter, &r->options->job, "train", (size_t)r->epochs * r->trainer->steps_per_epoch);
    if (resumed) {
        r->train = (thaw_loss_sums){r->sums[LOSS], (size_t)r->counters[CORRECT], (size_t)r->counters[COUNT]};
        r->epoch_start -= r->sums[EPOCH_SECONDS];
    }
    size_t position = resumed ? (size_t)r->counters[POSITION] : 0;
    while (!is_over(r) && !result->interrupted) {
        bool stopped;
        THAW_TRY(thaw_trainer_begin_epoch(r->trainer, position));
        THAW_TRY(train_epoch(r, &stopped));
        position = 0;
        if (!stopped) {
            THAW_TRY(finish_epoch(r));
            THAW_TRY(close_epoch(r));
        }
        result->interrupted = thaw_context_interrupted(r->training->context);
    }
    result->steps = thaw_optimizer_steps(r->trainer->optimizer);
    result->planned_steps = r->planned;
    result->out_of_time = r->steps < r->planned && !result->interrupted;
    if (!result->epoch_count)
        return thaw_fail(r->training->context, THAW_ERR_INTERRUPTED, "stopped in the first epoch, after step %llu",
                         (unsigned long long)result->steps);
    result->best_validation_top1 =
        result->best_epoch ? result->epochs[result->best_epoch - 1].validation_top1 : result->start_validation_top1;
    return THAW_OK;
}

static thaw_status open_run(run *r)
{
    thaw_context *context = r->training->context;
    r->epochs = r->options->epochs ? r->options->epochs : thaw_epochs_enough(r->trainer->steps_per_epoch);
    r->planned = r->steps = (size_t)r->epochs * r->trainer->steps_per_epoch;
    r->epoch_start = r->checkpoint_start = thaw_clock_seconds();
    r->start_loss = r->result->start_validation_top1 = NAN;
    r->rows = thaw_rows_hash(r->training->rows);
    THAW_TRY(thaw_allocate(context, (size_t)r->epochs, sizeof *r->result->epochs, &r->result->epochs));
    THAW_TRY(thaw_allocate(context, (size_t)r->epochs, METRICS * sizeof *r->metrics, &r->metrics));
    for (size_t i = 0; i < r->trainer->parameters.count; i++)
        THAW_TRY(thaw_tensor_create(context, THAW_FLOAT32, &r->trainer->parameters.items[i].value->shape, &r->best[i]));
    return THAW_OK;
}

thaw_status thaw_epochs_run(thaw_trainer *trainer, const char *identity, thaw_finetune_result *result,
                            thaw_tensor **best)
{
    run r = {.trainer = trainer,
             .training = trainer->training,
             .options = trainer->training->options,
             .result = result,
             .best = best};
    bool resumed = false;
    thaw_status status = open_run(&r);
    if (status == THAW_OK && r.options->checkpoint)
        status = open_checkpoint(&r, identity);
    if (status == THAW_OK)
        status = resume(&r, &resumed);
    if (status == THAW_OK && !resumed)
        status = validate_start(&r);
    if (status == THAW_OK)
        status = run_epochs(&r, resumed);
    thaw_checkpoint_close(&r.checkpoint);
    free(r.metrics);
    return status;
}
