#include "train/trainer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/progress.h"
#include "train/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct trainer {
    thaw_context *context;
    const thaw_training_set *set;
    const thaw_finetune_options *options;
    thaw_program *program;
    thaw_loss *loss;
    thaw_optimizer *optimizer;
    size_t batch;
    float *rows;      /* [batch][width] */
    size_t *order[2]; /* rows of the table: for training, held out */
    size_t count[2];
    int32_t epochs;
    size_t step, steps;   /* done, and in the whole run */
    double learning_rate; /* of the last step */
    thaw_random random;
} trainer;

enum { TRAIN, HELD_OUT };

static thaw_status open_program(trainer *t, const thaw_graph *graph, thaw_device *device, const char *cut,
                                const char *logits)
{
    const thaw_feature_table *features = t->set->features;
    thaw_shape shape = {.rank = features->row_shape.rank + 1, .dims = {(int64_t)t->batch}};
    memcpy(shape.dims + 1, features->row_shape.dims, (size_t)features->row_shape.rank * sizeof *shape.dims);
    const thaw_program_options options = {.batch = (int64_t)t->batch,
                                          .shapes = &shape,
                                          .inputs = &cut,
                                          .input_count = 1,
                                          .outputs = &logits,
                                          .output_count = 1,
                                          .differentiable = true};
    return thaw_program_create(graph, device, &options, &t->program);
}

static void split_rows(trainer *t)
{
    for (size_t i = 0; i < t->set->features->count; i++) {
        const int part = t->set->validation[i] ? HELD_OUT : TRAIN;
        t->order[part][t->count[part]++] = i;
    }
}

/* Few images make short epochs: a head needs steps, not epochs. */
static int32_t enough_epochs(size_t steps_per_epoch)
{
    const size_t enough_steps = 600, epochs = (enough_steps + steps_per_epoch - 1) / steps_per_epoch;
    return epochs < 30 ? 30 : epochs > 200 ? 200 : (int32_t)epochs;
}

static thaw_status open_trainer(trainer *t, const thaw_graph *graph, thaw_device *device, const char *cut,
                                const char *logits)
{
    const thaw_feature_table *features = t->set->features;
    const thaw_finetune_options *o = t->options;
    for (int part = 0; part < 2; part++)
        THAW_TRY(thaw_allocate(t->context, features->count, sizeof(size_t), &t->order[part]));
    split_rows(t);
    t->batch = o->train_batch_size < t->count[TRAIN] ? o->train_batch_size : t->count[TRAIN];
    const size_t steps = (t->count[TRAIN] + t->batch - 1) / t->batch;
    t->epochs = o->epochs ? o->epochs : enough_epochs(steps);
    t->steps = (size_t)t->epochs * steps;
    t->random.state = o->seed;
    THAW_TRY(thaw_allocate(t->context, t->batch * features->width, sizeof *t->rows, &t->rows));
    THAW_TRY(open_program(t, graph, device, cut, logits));
    THAW_TRY(thaw_loss_create(device, t->batch, t->set->class_count, o->label_smoothing, &t->loss));
    const thaw_optimizer_options optimizer = {o->optimizer, o->momentum, o->weight_decay};
    return thaw_optimizer_create(t->program, &optimizer, &t->optimizer);
}

static void close_trainer(trainer *t)
{
    thaw_optimizer_destroy(&t->optimizer);
    thaw_loss_destroy(&t->loss);
    thaw_program_destroy(&t->program);
    free(t->rows);
    free(t->order[TRAIN]);
    free(t->order[HELD_OUT]);
}

/* Puts the rows order[from .. from + count) of a part on the device. A short batch is filled up with rows of weight 0.
 */
static thaw_status load_batch(trainer *t, int part, size_t from, size_t count)
{
    const thaw_feature_table *features = t->set->features;
    const size_t width = features->width;
    for (size_t i = 0; i < t->batch; i++) {
        const size_t row = t->order[part][from + (i < count ? i : 0)];
        memcpy(t->rows + i * width, features->rows + row * width, width * sizeof *t->rows);
        thaw_loss_set_row(t->loss, i, t->set->labels[row], i < count ? t->set->weights[row] : 0.0f);
    }
    const thaw_value *input = t->program->graph->inputs[0];
    return thaw_buffer_write(input->buffer, 0, t->rows, t->batch * width * sizeof *t->rows);
}

static thaw_status train_step(trainer *t, size_t from, size_t count, thaw_loss_sums *sums)
{
    const thaw_value *logits = t->program->graph->outputs[0];
    THAW_TRY(load_batch(t, TRAIN, from, count));
    THAW_TRY(thaw_program_forward(t->program));
    THAW_TRY(thaw_loss_run(t->loss, logits->buffer, logits->gradient, count, sums));
    if (!isfinite(sums->loss))
        return thaw_fail(t->context, THAW_ERR_DIVERGED,
                         "the loss is no number at step %zu: try a lower learning rate than %g", t->step + 1,
                         t->options->learning_rate);
    THAW_TRY(thaw_program_backward(t->program));
    t->learning_rate = t->options->learning_rate *
                       thaw_schedule_rate(t->options->schedule, t->step, t->steps, (size_t)t->options->warmup_steps);
    t->step++;
    return thaw_optimizer_step(t->optimizer, t->learning_rate);
}

static thaw_status train_epoch(trainer *t, thaw_loss_sums *sums)
{
    thaw_random_shuffle(&t->random, t->order[TRAIN], t->count[TRAIN]);
    for (size_t from = 0; from < t->count[TRAIN]; from += t->batch) {
        const size_t left = t->count[TRAIN] - from;
        THAW_TRY(train_step(t, from, left < t->batch ? left : t->batch, sums));
    }
    return THAW_OK;
}

static thaw_status validate(trainer *t, thaw_loss_sums *sums)
{
    for (size_t from = 0; from < t->count[HELD_OUT]; from += t->batch) {
        const size_t left = t->count[HELD_OUT] - from;
        const size_t count = left < t->batch ? left : t->batch;
        THAW_TRY(load_batch(t, HELD_OUT, from, count));
        THAW_TRY(thaw_program_forward(t->program));
        THAW_TRY(thaw_loss_run(t->loss, t->program->graph->outputs[0]->buffer, NULL, count, sums));
    }
    return THAW_OK;
}

static thaw_status run_epoch(trainer *t, int32_t number, thaw_epoch *epoch)
{
    const double start = thaw_clock_seconds();
    thaw_loss_sums train = {0}, held_out = {0};
    THAW_TRY(train_epoch(t, &train));
    THAW_TRY(validate(t, &held_out));
    *epoch = (thaw_epoch){.epoch = number,
                          .planned = t->epochs,
                          .seconds = thaw_clock_seconds() - start,
                          .train_loss = train.loss / (double)train.count,
                          .validation_loss = held_out.count ? held_out.loss / (double)held_out.count : NAN,
                          .validation_top1 = held_out.count ? (double)held_out.correct / (double)held_out.count : NAN,
                          .learning_rate = t->learning_rate};
    epoch->images_per_second = (double)train.count / (epoch->seconds > 0 ? epoch->seconds : 1e-9);
    return THAW_OK;
}

/* Without validation images the last epoch is the best that can be known. */
static bool is_better(const thaw_epoch *epoch, const thaw_epoch *best)
{
    if (!best || isnan(epoch->validation_top1) || epoch->validation_top1 > best->validation_top1)
        return true;
    return epoch->validation_top1 == best->validation_top1 && epoch->validation_loss < best->validation_loss;
}

/* Reads the trainable values into parameters[], in the order of the model's graph. */
static thaw_status keep_parameters(const trainer *t, const thaw_graph *graph, thaw_tensor **parameters)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->value_count; i++) {
        if (!graph->values[i]->trainable)
            continue;
        const thaw_value *value = thaw_graph_find_value(t->program->graph, graph->values[i]->name);
        if (!parameters[count])
            THAW_TRY(thaw_tensor_create(t->context, THAW_FLOAT32, &value->shape, &parameters[count]));
        THAW_TRY(thaw_buffer_read(value->buffer, 0, parameters[count]->data, parameters[count]->bytes));
        count++;
    }
    return THAW_OK;
}

static thaw_status run_epochs(trainer *t, const thaw_graph *graph, thaw_finetune_result *result,
                              thaw_tensor **parameters)
{
    const thaw_finetune_options *o = t->options;
    thaw_reporter reporter;
    thaw_reporter_start(&reporter, &o->job, "train", (size_t)t->epochs);
    const thaw_epoch *best = NULL;
    for (int32_t number = 1; number <= t->epochs; number++) {
        thaw_epoch *epoch = &result->epochs[result->epoch_count];
        THAW_TRY(run_epoch(t, number, epoch));
        result->epoch_count++;
        if (is_better(epoch, best)) {
            best = epoch;
            THAW_TRY(keep_parameters(t, graph, parameters));
        }
        if (o->on_epoch)
            o->on_epoch(o->job.user, epoch);
        thaw_reporter_update(&reporter, (size_t)number, 0.0);
        result->interrupted = thaw_context_interrupted(t->context);
        if (result->interrupted || (o->early_stop && number - best->epoch >= o->early_stop))
            break;
    }
    result->best_epoch = best->epoch;
    result->best_validation_top1 = best->validation_top1;
    return THAW_OK;
}

thaw_status thaw_train(const thaw_graph *graph, thaw_device *device, const char *cut, const char *logits,
                       const thaw_training_set *set, const thaw_finetune_options *options, thaw_finetune_result *result,
                       thaw_tensor **parameters)
{
    trainer t = {.context = graph->context, .set = set, .options = options};
    thaw_status status = open_trainer(&t, graph, device, cut, logits);
    if (status == THAW_OK)
        status = thaw_allocate(t.context, (size_t)t.epochs, sizeof *result->epochs, &result->epochs);
    if (status == THAW_OK)
        status = run_epochs(&t, graph, result, parameters);
    close_trainer(&t);
    return status;
}
