#include "train/trainer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void split_rows(thaw_trainer *t)
{
    t->count[THAW_PART_TRAIN] = t->count[THAW_PART_HELD_OUT] = 0;
    for (size_t i = 0; i < thaw_rows_count(t->training->rows); i++) {
        const int part = t->training->validation[i] ? THAW_PART_HELD_OUT : THAW_PART_TRAIN;
        t->order[part][t->count[part]++] = i;
    }
}

static bool moves_statistics(const thaw_trainer *t)
{
    for (size_t i = 0; i < t->parameters.count; i++)
        if (!t->parameters.items[i].trainable)
            return true;
    return false;
}

/* Batch norms that use the batch's statistics must not see rows that only fill it up. */
static void plan_epoch(thaw_trainer *t)
{
    const size_t batches = (t->count[THAW_PART_TRAIN] + t->batch - 1) / t->batch;
    t->epoch_rows = t->count[THAW_PART_TRAIN];
    if (moves_statistics(t))
        t->epoch_rows -= t->epoch_rows % t->batch;
    const size_t used = moves_statistics(t) ? t->epoch_rows / t->batch : batches;
    const size_t accumulate = (size_t)t->training->options->accumulate;
    t->steps_per_epoch = (used + accumulate - 1) / accumulate;
}

static thaw_status open_device_side(thaw_trainer *t)
{
    const thaw_training *training = t->training;
    const thaw_finetune_options *o = training->options;
    const thaw_preprocess *p = &o->preprocess;
    const double head_rate = o->head_learning_rate > 0 ? o->head_learning_rate : o->learning_rate;
    const thaw_rate_options rates = {p->height, p->width, head_rate / o->learning_rate, o->depth_decay};
    const thaw_optimizer_options optimizer = {.kind = o->optimizer,
                                              .momentum = o->momentum,
                                              .nesterov = o->nesterov,
                                              .weight_decay = o->weight_decay,
                                              .clip_norm = o->clip_norm,
                                              .accumulates = o->accumulate > 1};
    const thaw_cut_options cut = {p->height, p->width, t->batch, o->checkpoint_activations};
    THAW_TRY(thaw_cut_program(training->model, training->device, &training->cut, &cut, &t->program));
    THAW_TRY(thaw_parameters_find(training->model, t->program, &rates, &t->parameters));
    THAW_TRY(thaw_loss_create(training->device, t->batch, training->classes, o->label_smoothing, &t->loss));
    THAW_TRY(thaw_optimizer_create(training->device, &t->parameters, &optimizer, &t->optimizer));
    t->program->graph->seed = o->seed;
    return o->ema > 0 ? thaw_average_create(training->device, &t->parameters, o->ema, &t->average) : THAW_OK;
}

thaw_status thaw_trainer_open(thaw_trainer *t, const thaw_training *training)
{
    const size_t rows = thaw_rows_count(training->rows), asked = training->options->train_batch_size;
    *t = (thaw_trainer){.training = training, .random = {training->options->seed}};
    t->batch = asked < training->train_count ? asked : training->train_count;
    thaw_status status = thaw_allocate(training->context, rows, sizeof **t->order, &t->order[THAW_PART_TRAIN]);
    if (status == THAW_OK)
        status = thaw_allocate(training->context, rows, sizeof **t->order, &t->order[THAW_PART_HELD_OUT]);
    if (status == THAW_OK)
        status = open_device_side(t);
    if (status != THAW_OK) {
        thaw_trainer_close(t);
        return status;
    }
    split_rows(t);
    plan_epoch(t);
    return THAW_OK;
}

void thaw_trainer_close(thaw_trainer *t)
{
    thaw_average_destroy(&t->average);
    thaw_optimizer_destroy(&t->optimizer);
    thaw_loss_destroy(&t->loss);
    thaw_parameters_free(&t->parameters);
    thaw_program_destroy(&t->program);
    free(t->order[THAW_PART_TRAIN]);
    free(t->order[THAW_PART_HELD_OUT]);
    *t = (thaw_trainer){0};
}

/* Announces the rows order[from .. from + count) of a part. What is trained on is seen in another way in each epoch. */
static thaw_status begin_rows(const thaw_trainer *t, int part, size_t from, size_t count)
{
    return thaw_rows_begin(t->training->rows, t->order[part] + from, count, t->batch,
                           part == THAW_PART_TRAIN ? &t->epoch_start : NULL);
}

/* From the same order each time, so that the generator's state alone says what comes. */
thaw_status thaw_trainer_begin_epoch(thaw_trainer *t, size_t position)
{
    split_rows(t);
    t->epoch_start = t->random;
    thaw_random_shuffle(&t->random, t->order[THAW_PART_TRAIN], t->count[THAW_PART_TRAIN]);
    t->position = position;
    return begin_rows(t, THAW_PART_TRAIN, position, t->epoch_rows - position);
}

/* Puts the rows order[from .. from + count) of a part on the device; a short batch is filled up with rows of weight 0.
 * The sum of weights. */
static thaw_status load_batch(thaw_trainer *t, int part, size_t from, size_t count, double *weight)
{
    const thaw_training *training = t->training;
    *weight = 0;
    for (size_t i = 0; i < t->batch; i++) {
        const size_t row = t->order[part][from + (i < count ? i : 0)];
        const float row_weight = i < count ? training->weights[row] : 0.0f;
        thaw_loss_set_row(t->loss, i, training->labels[row], row_weight);
        *weight += row_weight;
    }
    return thaw_rows_next(training->rows, count, t->program);
}

/* --- what went wrong ---------------------------------------------------------------------------------------------- */

static thaw_status is_bad(const thaw_trainer *t, const thaw_value *value, bool *bad)
{
    const thaw_shape stored = thaw_value_stored(value);
    const size_t count = (size_t)thaw_shape_size(&stored);
    float *numbers;
    *bad = false;
    if (!value->buffer || !count || !thaw_dtype_is_float(value->dtype))
        return THAW_OK;
    THAW_TRY(thaw_allocate(t->training->context, count, sizeof *numbers, &numbers));
    const thaw_status status = thaw_buffer_read(value->buffer, 0, numbers, count * sizeof *numbers);
    for (size_t i = 0; i < count && status == THAW_OK; i++)
        *bad = *bad || !isfinite(numbers[i]);
    free(numbers);
    return status;
}

/* Those of the values that are known before anything runs, if `known`, else the others. */
static thaw_status find_among(const thaw_trainer *t, thaw_value *const *values, size_t count, bool known,
                              const thaw_value **found)
{
    for (size_t i = 0; i < count && !*found; i++) {
        bool bad = false;
        if (values[i] && (values[i]->producer == NULL) == known)
            THAW_TRY(is_bad(t, values[i], &bad));
        *found = bad ? values[i] : NULL;
    }
    return THAW_OK;
}

/* Runs the batch again, node by node, and looks at what each reads and makes: later on its memory may be somebody
 * else's. NULL: all are numbers. */
static thaw_status find_bad(thaw_trainer *t, int part, size_t from, size_t count, const thaw_value **found)
{
    const thaw_graph *graph = t->program->graph;
    double weight;
    *found = NULL;
    THAW_TRY(begin_rows(t, part, from, count));
    THAW_TRY(load_batch(t, part, from, count, &weight));
    for (size_t i = 0; i < graph->node_count && !*found; i++) {
        thaw_node *node = graph->nodes[i];
        THAW_TRY(find_among(t, node->inputs, node->input_count, true, found));
        if (!*found && node->op->forward && !(node->op->flags & THAW_OP_VIEW))
            THAW_TRY(node->op->forward(node));
        THAW_TRY(find_among(t, node->outputs, node->output_count, false, found));
    }
    return THAW_OK;
}

static const char *kind_of(const thaw_value *value)
{
    if (!value)
        return "none but the loss of";
    return value->producer ? "the output" : value->constant ? "the weight" : "the input";
}

/* For the batch order[from .. from + count) of a part. */
static thaw_status fail_diverged(thaw_trainer *t, int part, size_t from, size_t count)
{
    const thaw_value *bad;
    THAW_TRY(find_bad(t, part, from, count, &bad));
    return thaw_fail(t->training->context, THAW_ERR_DIVERGED,
                     "the %sloss is no number at step %llu: the first tensor with NaN or infinities is %s '%s': try a "
                     "lower learning rate than %g",
                     part == THAW_PART_TRAIN ? "" : "validation ",
                     (unsigned long long)thaw_optimizer_steps(t->optimizer) + (part == THAW_PART_TRAIN), kind_of(bad),
                     bad ? bad->name : t->training->cut.logits, t->training->options->learning_rate);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* Forward and backward of the next batch of the epoch. */
static thaw_status run_batch(thaw_trainer *t, double *weight, thaw_loss_sums *sums)
{
    thaw_graph *graph = t->program->graph;
    const thaw_value *logits = graph->outputs[0];
    const size_t left = t->epoch_rows - t->position, count = left < t->batch ? left : t->batch;
    thaw_loss_sums batch = {0};
    THAW_TRY(load_batch(t, THAW_PART_TRAIN, t->position, count, weight));
    graph->training = true;
    graph->step = t->batches + 1;
    thaw_status status = thaw_program_forward(t->program);
    if (status == THAW_OK)
        status = thaw_loss_run(t->loss, logits->buffer, logits->gradient, count, &batch);
    if (status == THAW_OK && !isfinite(batch.loss))
        status = fail_diverged(t, THAW_PART_TRAIN, t->position, count);
    if (status == THAW_OK)
        status = thaw_program_backward(t->program);
    graph->training = false;
    t->position += count;
    t->batches++;
    sums->loss += batch.loss;
    sums->correct += batch.correct;
    sums->count += batch.count;
    return status;
}

thaw_status thaw_trainer_step(thaw_trainer *t, double learning_rate, thaw_loss_sums *sums)
{
    const int32_t accumulate = t->training->options->accumulate;
    for (int32_t i = 0; i < accumulate && t->position < t->epoch_rows; i++) {
        double weight;
        THAW_TRY(run_batch(t, &weight, sums));
        if (accumulate > 1)
            THAW_TRY(thaw_optimizer_add(t->optimizer, weight));
    }
    THAW_TRY(thaw_optimizer_step(t->optimizer, learning_rate));
    return t->average ? thaw_average_update(t->average, thaw_optimizer_steps(t->optimizer)) : THAW_OK;
}

thaw_status thaw_trainer_time(thaw_trainer *t, int untimed, int timed, double *seconds)
{
    double start = thaw_clock_seconds();
    THAW_TRY(thaw_trainer_begin_epoch(t, 0));
    for (int i = 0; i < untimed + timed; i++) {
        thaw_loss_sums sums = {0};
        if (i == untimed)
            start = thaw_clock_seconds();
        if (t->position >= t->epoch_rows)
            THAW_TRY(thaw_trainer_begin_epoch(t, 0));
        THAW_TRY(thaw_trainer_step(t, 0.0, &sums));
    }
    THAW_TRY(thaw_device_finish(t->training->device));
    *seconds = (thaw_clock_seconds() - start) / timed;
    return THAW_OK;
}

thaw_status thaw_trainer_judge(thaw_trainer *t, thaw_loss_sums *sums, bool *right)
{
    const size_t all = t->count[THAW_PART_HELD_OUT];
    double weight;
    THAW_TRY(begin_rows(t, THAW_PART_HELD_OUT, 0, all));
    for (size_t from = 0; from < all; from += t->batch) {
        const size_t count = all - from < t->batch ? all - from : t->batch;
        THAW_TRY(load_batch(t, THAW_PART_HELD_OUT, from, count, &weight));
        THAW_TRY(thaw_program_forward(t->program));
        THAW_TRY(thaw_loss_run(t->loss, t->program->graph->outputs[0]->buffer, NULL, count, sums));
        if (!isfinite(sums->loss))
            return fail_diverged(t, THAW_PART_HELD_OUT, from, count);
        for (size_t i = 0; i < count && right; i++)
            right[t->order[THAW_PART_HELD_OUT][from + i]] = thaw_loss_row_right(t->loss, i);
    }
    return THAW_OK;
}

thaw_status thaw_trainer_validate(thaw_trainer *t, thaw_loss_sums *sums)
{
    if (!t->average)
        return thaw_trainer_judge(t, sums, NULL);
    THAW_TRY(thaw_average_exchange(t->average));
    THAW_TRY(thaw_trainer_judge(t, sums, NULL));
    return thaw_average_exchange(t->average);
}

/* --- proof of freezing -------------------------------------------------------------------------------------------- */

static thaw_status compare(const thaw_trainer *t, const thaw_value *value, bool *equal)
{
    thaw_context *context = t->training->context;
    thaw_tensor *before;
    void *now = NULL;
    THAW_TRY(thaw_tensor_to_float32(context, value->constant, &before));
    thaw_status status = thaw_allocate(context, before->bytes, 1, &now);
    if (status == THAW_OK && before->bytes)
        status = thaw_buffer_read(value->buffer, 0, now, before->bytes);
    *equal = status == THAW_OK && memcmp(now, before->data, before->bytes) == 0;
    free(now);
    thaw_tensor_release(&before);
    return status;
}

thaw_status thaw_trainer_check_frozen(const thaw_trainer *t, bool *unchanged)
{
    const thaw_graph *graph = t->program->graph;
    *unchanged = true;
    for (size_t i = 0; i < graph->value_count && *unchanged; i++) {
        const thaw_value *value = graph->values[i];
        const bool frozen = value->constant && !value->trainable && !value->updated;
        if (frozen && value->buffer && thaw_dtype_is_float(value->constant->dtype))
            THAW_TRY(compare(t, value, unchanged));
    }
    return THAW_OK;
}
