#include "train/measure.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/finetune.h"
#include "train/images.h"
#include "train/probe.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE_BATCHES = 3,    /* of images that are decoded */
    MOST_REPEATS = 5,      /* of batches that are timed */
    MOST_STEPS = 20,       /* likewise */
    MOST_PROBE_ROWS = 2000 /* beyond them, the time grows with the number */
};

/* Timed again and again for that long. */
static const double enough_seconds = 0.3;

static size_t image_bytes(const thaw_preprocess *p)
{
    return (size_t)p->height * (size_t)p->width * 3;
}

/* --- images ------------------------------------------------------------------------------------------------------- */

static thaw_status decode(thaw_context *context, const char *const *paths, size_t count, const thaw_finetune_options *o,
                          thaw_measured_images *m)
{
    const thaw_loader_options options = {paths, count, m->batch, o->job.workers, o->preprocess};
    const double start = thaw_clock_seconds();
    thaw_loader *loader;
    thaw_status status = thaw_loader_create(context, &options, &loader);
    for (size_t done = 0; status == THAW_OK && done < count;) {
        thaw_image_batch images;
        status = thaw_loader_next(loader, &images);
        if (status != THAW_OK)
            break;
        if (done == 0)
            memcpy(m->pixels, images.pixels, images.count * image_bytes(&o->preprocess));
        done += images.count + images.bad_count;
    }
    thaw_loader_destroy(&loader);
    m->decode_seconds = (thaw_clock_seconds() - start) / (double)count;
    return status;
}

thaw_status thaw_measure_images(thaw_context *context, const thaw_dataset *dataset,
                                const thaw_finetune_options *options, thaw_measured_images *m)
{
    const size_t all = thaw_dataset_count(dataset);
    *m = (thaw_measured_images){.batch = options->job.batch_size < all ? options->job.batch_size : all};
    const size_t wanted = SAMPLE_BATCHES * m->batch, count = wanted < all ? wanted : all;
    const char **paths; /* from all over the data: classes may come from different cameras */
    THAW_TRY(thaw_allocate(context, m->batch, image_bytes(&options->preprocess), &m->pixels));
    THAW_TRY(thaw_allocate(context, count, sizeof *paths, &paths));
    for (size_t i = 0; i < count; i++)
        paths[i] = thaw_dataset_sample(dataset, i * all / count)->path;
    const thaw_status status = decode(context, paths, count, options, m);
    free(paths);
    return status;
}

void thaw_measured_images_free(thaw_measured_images *images)
{
    free(images->pixels);
    *images = (thaw_measured_images){0};
}

/* --- the frozen part ---------------------------------------------------------------------------------------------- */

/* A batch, and what it gives back to the host. */
static thaw_status run_frozen(const thaw_image_stage *stage, const thaw_measured_images *images, float **numbers)
{
    THAW_TRY(thaw_image_stage_run(stage, images->pixels, stage->batch));
    for (size_t i = 0; i < stage->program->graph->output_count; i++) {
        const size_t row = (size_t)thaw_shape_size(&stage->row_shapes[i]);
        THAW_TRY(thaw_buffer_read(stage->program->graph->outputs[i]->buffer, 0, numbers[i],
                                  stage->batch * row * sizeof *numbers[i]));
    }
    return THAW_OK;
}

/* What the first batch takes beyond others is part of getting ready: drivers make kernels when they run first. */
static thaw_status time_frozen(const thaw_image_stage *stage, const thaw_measured_images *images, float **numbers,
                               thaw_frozen_costs *costs)
{
    int runs = 0;
    double seconds;
    const double first = thaw_clock_seconds();
    THAW_TRY(run_frozen(stage, images, numbers));
    const double start = thaw_clock_seconds();
    do {
        THAW_TRY(run_frozen(stage, images, numbers));
        runs++;
        seconds = thaw_clock_seconds() - start;
    } while (runs < MOST_REPEATS && seconds < enough_seconds);
    costs->open_seconds += fmax(start - first - seconds / runs, 0.0);
    costs->image_seconds = seconds / ((double)runs * (double)stage->batch);
    return THAW_OK;
}

static thaw_status run_stage(const thaw_training *t, const thaw_image_stage_options *options,
                             const thaw_measured_images *images, float **numbers, thaw_frozen_costs *costs)
{
    const uint64_t before = thaw_device_live_bytes(t->device);
    THAW_TRY(thaw_device_forget(t->device));
    const double start = thaw_clock_seconds();
    thaw_image_stage stage;
    THAW_TRY(thaw_image_stage_open(t->device, options, &stage));
    costs->open_seconds = thaw_clock_seconds() - start;
    costs->bytes = thaw_device_live_bytes(t->device) - before;
    const thaw_status status = time_frozen(&stage, images, numbers, costs);
    thaw_image_stage_close(&stage);
    return status;
}

thaw_status thaw_measure_frozen(const thaw_training *t, const thaw_measured_images *images, thaw_frozen_costs *costs)
{
    enum { PASSES = 2 }; /* in the first, kernels are compiled and algorithms chosen */
    const thaw_image_stage_options options = {.graph = t->model->graph,
                                              .outputs = t->cut.names,
                                              .output_count = t->cut.count,
                                              .preprocess = t->options->preprocess,
                                              .augment = t->options->augment,
                                              .batch = images->batch,
                                              .frozen_precision = t->options->job.frozen_precision};
    float **numbers; /* [cut.count][batch][width] */
    THAW_TRY(thaw_allocate(t->context, t->cut.count, sizeof *numbers, &numbers));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < t->cut.count && status == THAW_OK; i++)
        status = thaw_allocate(t->context, images->batch, t->cut.widths[i] * sizeof **numbers, &numbers[i]);
    for (int pass = 0; pass < PASSES && status == THAW_OK; pass++)
        status = run_stage(t, &options, images, numbers, costs);
    for (size_t i = 0; i < t->cut.count; i++)
        free(numbers[i]);
    free(numbers);
    return status;
}

/* --- the trained part --------------------------------------------------------------------------------------------- */

static thaw_status label_noise(thaw_training *t, size_t train_count, size_t validation_count)
{
    const size_t count = train_count + validation_count;
    t->train_count = train_count;
    t->validation_count = validation_count;
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->labels, &t->labels));
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->weights, &t->weights));
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->validation, &t->validation));
    for (size_t i = 0; i < count; i++) {
        t->labels[i] = (int32_t)(i % t->classes);
        t->weights[i] = 1.0f;
        t->validation[i] = i >= train_count;
    }
    return thaw_rows_create_noise(t->context, &t->cut, t->labels, count, t->classes, &t->rows);
}

/* What label_noise() and the standardisation added; the cut is the caller's. */
static void drop_noise(thaw_training *t)
{
    thaw_rows_destroy(&t->rows);
    thaw_standardisation_free(&t->standardisation);
    free(t->labels);
    free(t->weights);
    free(t->validation);
}

static thaw_status time_judging(thaw_trainer *trainer, double *seconds)
{
    thaw_loss_sums sums = {0};
    if (!trainer->training->validation_count)
        return THAW_OK;
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_trainer_judge(trainer, &sums, NULL));
    *seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

static thaw_status time_trainer(thaw_trainer *trainer, thaw_trained_costs *costs)
{
    bool unchanged;
    double first;
    THAW_TRY(thaw_trainer_time(trainer, 0, 1, &first));
    THAW_TRY(thaw_trainer_time(trainer, 0, 1, &costs->step_seconds));
    if (costs->step_seconds < enough_seconds) {
        const double repeats = enough_seconds / (costs->step_seconds + 1e-6) + 1.0;
        THAW_TRY(thaw_trainer_time(trainer, 0, repeats < MOST_STEPS ? (int)repeats : MOST_STEPS, &costs->step_seconds));
    }
    costs->open_seconds += fmax(first - costs->step_seconds, 0.0);
    THAW_TRY(time_judging(trainer, &costs->judge_seconds));
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_trainer_check_frozen(trainer, &unchanged));
    costs->close_seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

/* So that kernels are compiled. */
static thaw_status warm_up(const thaw_training *t)
{
    thaw_trainer trainer;
    double seconds;
    THAW_TRY(thaw_trainer_open(&trainer, t));
    const thaw_status status = thaw_trainer_time(&trainer, 0, 1, &seconds);
    thaw_trainer_close(&trainer);
    return status;
}

static thaw_status measure_trainer(const thaw_training *t, thaw_trained_costs *costs)
{
    const uint64_t before = thaw_device_live_bytes(t->device);
    thaw_trainer trainer;
    THAW_TRY(warm_up(t));
    THAW_TRY(thaw_device_forget(t->device));
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_trainer_open(&trainer, t));
    costs->open_seconds = thaw_clock_seconds() - start;
    const thaw_status status = time_trainer(&trainer, costs);
    costs->bytes = thaw_device_live_bytes(t->device) - before;
    thaw_trainer_close(&trainer);
    return status;
}

thaw_status thaw_measure_trained(const thaw_training *training, thaw_trained_costs *costs)
{
    thaw_training t = *training;
    const size_t all = t.train_count, asked = t.options->train_batch_size, batch = asked < all ? asked : all;
    const size_t step = batch * (size_t)t.options->accumulate;
    const size_t held_out = t.validation_count < batch ? t.validation_count : batch;
    thaw_status status = label_noise(&t, step < all ? step : all, held_out);
    if (status == THAW_OK)
        status = measure_trainer(&t, costs);
    drop_noise(&t);
    return status;
}

thaw_status thaw_measure_probe(const thaw_training *training, double *seconds)
{
    thaw_training t = *training;
    thaw_finetune_result result = {0};
    const size_t all = t.train_count, count = all < MOST_PROBE_ROWS ? all : MOST_PROBE_ROWS;
    const size_t held_out = t.validation_count < MOST_PROBE_ROWS ? t.validation_count : MOST_PROBE_ROWS;
    thaw_status status = label_noise(&t, count, held_out);
    if (status == THAW_OK)
        status = thaw_training_standardise(&t);
    for (int pass = 0; pass < 2 && status == THAW_OK; pass++) { /* kernels are compiled in the first */
        thaw_finetune_result_free(&result);
        status = thaw_device_forget(t.device);
        if (status == THAW_OK)
            status = thaw_probe_run(&t, &result, NULL);
    }
    *seconds = result.probe.seconds * (double)all / (double)count;
    thaw_finetune_result_free(&result);
    drop_noise(&t);
    return status;
}
