/* Whole models, of built-in architectures with weights from the seed: frozen forward, and steps of training. */
#include "bench/bench.h"
#include "format/format.h"
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORST_OUTPUT   1e-4 /* of the largest output, between two ways to compute the model */
#define WORST_DESCENT  0.02 /* of what the gradients say about the loss: the rest is curvature and rounding */
#define DESCENT        5e-4 /* by how much of itself the loss is to change for that */
#define LEARNING_RATE  1e-6 /* weights stay what they are but for their last digits, however many steps */
#define MOMENTUM       0.9
#define FORWARD_FACTOR 3 /* a step of training of everything: forward, and both gradients */

/* Of a whole measurement at least, in forward passes: the tuner's trials, verifying, warming up, repetitions. */
#define PASSES 20

enum { SIDE = 224, CHANNELS = 3, ALL_STAGES = -1 };

typedef enum model_kind { FORWARD, HEAD, LAST_STAGE, TRAIN } model_kind;

typedef struct details {
    const char *architecture;
    model_kind kind;
    int64_t batch;
} details;

/* A model at work. */
typedef struct trial {
    thaw_bench *bench;
    details d;
    thaw_model *model;
    float *images; /* [batch][3][SIDE][SIDE] */
    size_t image_elements;
    thaw_buffer *stored;   /* the same on the device: a program may use its input's memory again */
    thaw_program *program; /* FORWARD */
    thaw_step step;        /* the others */
} trial;

static const thaw_program *first_program(const trial *t)
{
    return t->program ? t->program : thaw_step_first(&t->step);
}

/* Queues: the images into the program's input. */
static thaw_status put_images(const trial *t)
{
    const thaw_value *input = first_program(t)->graph->inputs[0];
    return thaw_buffer_copy(t->stored, 0, input->buffer, 0, (size_t)t->d.batch * t->image_elements * sizeof(float));
}

static thaw_status run(void *user)
{
    const trial *t = user;
    THAW_TRY(put_images(t));
    return t->program ? thaw_program_forward(t->program) : thaw_step_run(&t->step);
}

/* --- outputs, against those of the model as it stands --- */

/* One image through the graph node after node, row-major, nothing folded, fused or measured. */
static thaw_status run_plainly(const trial *t, thaw_program *plain, int64_t image, thaw_tensor **logits)
{
    const thaw_shape shape = {4, {1, CHANNELS, SIDE, SIDE}};
    thaw_tensor *pixels;
    THAW_TRY(thaw_tensor_borrow(t->bench->context, THAW_FLOAT32, &shape, t->images + (size_t)image * t->image_elements,
                                &pixels));
    thaw_status status = thaw_program_write(plain, 0, pixels);
    if (status == THAW_OK)
        status = thaw_program_forward(plain);
    if (status == THAW_OK)
        status = thaw_program_read(plain, 0, logits);
    thaw_tensor_release(&pixels);
    return status;
}

/* The outputs for all images, at inference. */
static thaw_status run_measured(trial *t, thaw_tensor **logits)
{
    THAW_TRY(put_images(t));
    if (t->program) {
        THAW_TRY(thaw_program_forward(t->program));
        return thaw_program_read(t->program, 0, logits);
    }
    t->step.program->graph->training = false;
    const thaw_status status = thaw_step_forward(&t->step);
    t->step.program->graph->training = true;
    return status == THAW_OK ? thaw_program_read(t->step.program, 0, logits) : status;
}

static double largest_difference(const float *got, const float *expected, int64_t count)
{
    double difference = 0, magnitude = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(got[i]) || !isfinite(expected[i]))
            return NAN;
        difference = fmax(difference, fabs((double)got[i] - (double)expected[i]));
        magnitude = fmax(magnitude, fabs((double)expected[i]));
    }
    return magnitude > 0 ? difference / magnitude : NAN; /* nothing but zeros proves nothing */
}

static thaw_status compare_image(const trial *t, thaw_program *plain, int64_t image, const thaw_tensor *logits,
                                 double *error)
{
    const int64_t classes = logits->count / t->d.batch;
    thaw_tensor *expected;
    THAW_TRY(run_plainly(t, plain, image, &expected));
    const double found = largest_difference((const float *)logits->data + image * classes, expected->data, classes);
    *error = found > *error || isnan(found) ? found : *error;
    thaw_tensor_release(&expected);
    return THAW_OK;
}

/* The first and the last image. */
static thaw_status compare_outputs(trial *t, thaw_program *plain, double *error)
{
    thaw_tensor *logits;
    *error = 0;
    THAW_TRY(run_measured(t, &logits));
    thaw_status status = compare_image(t, plain, 0, logits, error);
    if (status == THAW_OK && t->d.batch > 1)
        status = compare_image(t, plain, t->d.batch - 1, logits, error);
    thaw_tensor_release(&logits);
    return status;
}

static thaw_status check_outputs(trial *t, double *error)
{
    const thaw_program_options options = {.batch = 1, .height = SIDE, .width = SIDE};
    thaw_program *plain;
    THAW_TRY(thaw_program_create(t->model->graph, t->bench->device, &options, &plain));
    const thaw_status status = compare_outputs(t, plain, error);
    thaw_program_destroy(&plain);
    return status;
}

/* --- gradients, against what the loss does --- */

/* Weights and gradients of everything that is trained, one parameter after the other. */
typedef struct snapshot {
    float *weights, *gradients;
    size_t count;
} snapshot;

static thaw_status take_snapshot(const trial *t, snapshot *s)
{
    const thaw_parameters *all = &t->step.parameters;
    size_t at = 0;
    *s = (snapshot){0};
    for (size_t i = 0; i < all->count; i++)
        s->count += all->items[i].trainable ? (size_t)all->items[i].count : 0;
    THAW_TRY(thaw_allocate(t->bench->context, s->count, sizeof *s->weights, &s->weights));
    THAW_TRY(thaw_allocate(t->bench->context, s->count, sizeof *s->gradients, &s->gradients));
    for (size_t i = 0; i < all->count; i++) {
        const size_t count = (size_t)all->items[i].count;
        if (!all->items[i].trainable)
            continue;
        THAW_TRY(thaw_buffer_read(all->items[i].value->buffer, 0, s->weights + at, count * sizeof(float)));
        THAW_TRY(thaw_buffer_read(all->items[i].value->gradient, 0, s->gradients + at, count * sizeof(float)));
        at += count;
    }
    return THAW_OK;
}

static void free_snapshot(snapshot *s)
{
    free(s->weights);
    free(s->gradients);
}

/* weights + distance * gradients, into the program. */
static thaw_status move_weights(const trial *t, const snapshot *s, double distance)
{
    const thaw_parameters *all = &t->step.parameters;
    size_t at = 0;
    float *moved;
    THAW_TRY(thaw_allocate(t->bench->context, s->count, sizeof *moved, &moved));
    for (size_t i = 0; i < s->count; i++)
        moved[i] = (float)((double)s->weights[i] + distance * (double)s->gradients[i]);
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < all->count && status == THAW_OK; i++) {
        const size_t count = all->items[i].trainable ? (size_t)all->items[i].count : 0;
        status = thaw_buffer_write(all->items[i].value->buffer, 0, moved + at, count * sizeof(float));
        at += count;
    }
    free(moved);
    return status;
}

static thaw_status find_loss(const trial *t, double *loss)
{
    thaw_loss_sums sums = {0};
    THAW_TRY(put_images(t));
    THAW_TRY(thaw_step_forward(&t->step));
    THAW_TRY(thaw_step_loss(&t->step, &sums));
    *loss = sums.loss / (double)sums.count;
    return THAW_OK;
}

static double sum_squares(const snapshot *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += (double)s->gradients[i] * (double)s->gradients[i];
    return sum;
}

/* A small way h down along the gradient g, which the optimizer goes, and up, the loss must differ by 2 h |g|^2. What is
 * off is, besides mistakes, rounding, kinks and terms of h^3. */
static thaw_status descend(const trial *t, const snapshot *s, double loss, double *error)
{
    const double squares = sum_squares(s), distance = DESCENT * loss / squares;
    double below, above;
    if (!(squares > 0) || !isfinite(distance)) {
        *error = NAN;
        return THAW_OK;
    }
    THAW_TRY(thaw_optimizer_step(t->step.optimizer, distance));
    THAW_TRY(find_loss(t, &below));
    THAW_TRY(move_weights(t, s, distance));
    THAW_TRY(find_loss(t, &above));
    THAW_TRY(move_weights(t, s, 0));
    const double expected = 2 * distance * squares;
    *error = fabs(above - below - expected) / expected;
    return THAW_OK;
}

static thaw_status check_gradients(const trial *t, double *error)
{
    snapshot s;
    double loss;
    THAW_TRY(find_loss(t, &loss));
    THAW_TRY(thaw_program_backward(t->step.program));
    thaw_status status = take_snapshot(t, &s);
    if (status == THAW_OK)
        status = descend(t, &s, loss, error);
    free_snapshot(&s);
    return status;
}

/* Of a step of training: outputs first, then gradients. */
static thaw_status verify(void *user, double *error)
{
    trial *t = user;
    THAW_TRY(check_outputs(t, error));
    if (t->d.kind == FORWARD)
        return THAW_OK;
    if (!(*error <= WORST_OUTPUT))
        return thaw_fail(t->bench->context, THAW_ERR_CHECK,
                         "its outputs are not those of the model as it stands: off by %.3g of the largest, %.3g is "
                         "allowed",
                         *error, WORST_OUTPUT);
    return check_gradients(t, error);
}

/* --- measuring --- */

static thaw_status open_programs(trial *t)
{
    static const int32_t stages[] = {[HEAD] = 0, [LAST_STAGE] = 1, [TRAIN] = ALL_STAGES};
    thaw_device *device = t->bench->device;
    if (t->d.kind == FORWARD) {
        const thaw_program_options options = {.batch = t->d.batch, .height = SIDE, .width = SIDE, .fuse = true};
        return thaw_program_create(t->model->graph, device, &options, &t->program);
    }
    const thaw_step_options options = {.batch = (size_t)t->d.batch,
                                       .height = SIDE,
                                       .width = SIDE,
                                       .unfreeze = stages[t->d.kind],
                                       .momentum = MOMENTUM,
                                       .learning_rate = LEARNING_RATE,
                                       .seed = t->bench->options.seed};
    return thaw_step_open(t->model, device, &options, &t->step);
}

/* Of the whole batch, forward. */
static double forward_flops(const thaw_graph *graph)
{
    double flops = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        flops += (double)graph->nodes[i]->flops;
    return flops;
}

/* Before anything is tuned and compiled for a model that the device is too slow for. */
static thaw_status check_time(const trial *t)
{
    const thaw_program_options options = {.batch = t->d.batch, .height = SIDE, .width = SIDE};
    thaw_program *shapes;
    THAW_TRY(thaw_program_create(t->model->graph, NULL, &options, &shapes));
    const double flops = forward_flops(shapes->graph);
    thaw_program_destroy(&shapes);
    return thaw_bench_check_time(t->bench, PASSES * flops);
}

static thaw_status make_trial(trial *t)
{
    thaw_bench *bench = t->bench;
    const size_t count = (size_t)t->d.batch * t->image_elements;
    THAW_TRY(thaw_model_invent(bench->context, t->d.architecture, bench->options.seed, &t->model));
    THAW_TRY(check_time(t));
    THAW_TRY(thaw_allocate(bench->context, count, sizeof *t->images, &t->images));
    THAW_TRY(thaw_buffer_create(bench->device, count * sizeof *t->images, &t->stored));
    THAW_TRY(thaw_bench_random(bench, bench->options.seed, count, t->images, t->stored));
    return open_programs(t);
}

static void close_trial(void *user)
{
    trial *t = user;
    thaw_device *device = t->bench->device;
    thaw_program_destroy(&t->program);
    thaw_step_close(&t->step);
    thaw_model_close(&t->model);
    thaw_buffer_destroy(&t->stored);
    free(t->images);
    free(t);
    thaw_buffer_pool_trim(device); /* the next model wants other sizes */
}

static double count_flops(const trial *t)
{
    if (t->program)
        return forward_flops(t->program->graph);
    const double frozen = t->step.frozen ? forward_flops(t->step.frozen->graph) : 0;
    return frozen + FORWARD_FACTOR * forward_flops(t->step.program->graph);
}

static thaw_status open_model(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                              thaw_bench_subject *subject)
{
    trial *t;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (trial){.bench = bench, .d = *(const details *)job->details, .image_elements = (size_t)CHANNELS * SIDE * SIDE};
    *subject = (thaw_bench_subject){.verify = verify,
                                    .run = run,
                                    .close = close_trial,
                                    .user = t,
                                    .tolerance = t->d.kind == FORWARD ? WORST_OUTPUT : WORST_DESCENT,
                                    .figure = THAW_BENCH_IMAGES,
                                    .by_host = true};
    entry->batch = t->d.batch;
    THAW_TRY(make_trial(t));
    subject->flops = count_flops(t);
    thaw_chains_expect(bench->device); /* as whoever runs the model for long has them */
    return THAW_OK;
}

/* --- which ones --- */

static thaw_status plan_model(thaw_bench *bench, const details *d, bool usual_batch)
{
    static const char *const names[] = {"forward", "head", "last_stage", "train"};
    static const char *const words[] = {"forward, all frozen", "a step of training the head",
                                        "a step of training head and last stage", "a step of training everything"};
    char id[96], title[128], suffix[24] = "";
    if (!usual_batch)
        snprintf(suffix, sizeof suffix, ".batch%d", (int)d->batch);
    snprintf(id, sizeof id, "models.%s.%s%s", d->architecture, names[d->kind], suffix);
    snprintf(title, sizeof title, "%s, batch %d: %s", d->architecture, (int)d->batch, words[d->kind]);
    const thaw_bench_plan plan = {.section = THAW_BENCH_MODELS,
                                  .id = id,
                                  .group = d->architecture,
                                  .title = title,
                                  .open = open_model,
                                  .details = d,
                                  .details_bytes = sizeof *d};
    return thaw_bench_add(bench, &plan);
}

static thaw_status plan_architecture(thaw_bench *bench, const char *architecture, int64_t batch, bool sweep)
{
    static const int64_t swept[] = {1, 2, 4, 16, 32};
    for (int kind = FORWARD; kind <= TRAIN; kind++)
        THAW_TRY(plan_model(bench, &(details){architecture, (model_kind)kind, batch}, true));
    for (size_t i = 0; i < (sweep ? sizeof swept / sizeof swept[0] : 1); i++)
        THAW_TRY(plan_model(bench, &(details){architecture, FORWARD, swept[i]}, false));
    return THAW_OK;
}

static thaw_status plan_quick(thaw_bench *bench)
{
    static const details quick[] = {
        {"mobilenet_v2", FORWARD, 8}, {"mobilenet_v2", HEAD, 8}, {"resnet18", FORWARD, 8}, {"resnet18", TRAIN, 8}};
    for (size_t i = 0; i < sizeof quick / sizeof quick[0]; i++)
        THAW_TRY(plan_model(bench, &quick[i], true));
    return THAW_OK;
}

thaw_status thaw_bench_plan_models(thaw_bench *bench)
{
    enum { USUAL_BATCH = 8, LARGE_MODEL_BATCH = 4 };
    if (bench->options.quick)
        return plan_quick(bench);
    THAW_TRY(plan_architecture(bench, "resnet18", USUAL_BATCH, true));
    THAW_TRY(plan_architecture(bench, "mobilenet_v2", USUAL_BATCH, true));
    THAW_TRY(plan_architecture(bench, "resnet50", USUAL_BATCH, false));
    return plan_architecture(bench, "vit_b_16", LARGE_MODEL_BATCH, false);
}
