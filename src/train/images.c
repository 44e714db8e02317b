#include "train/images.h"
#include "base/memory.h"
#include "train/progress.h"

#include <stdlib.h>

typedef struct run {
    const thaw_images_options *options;
    thaw_context *context;
    thaw_device *device;
    size_t batch;            /* of the loader; the stage's may be smaller */
    thaw_image_stage *stage; /* NULL where images are only decoded; {0} until the first was */
    thaw_image_stage own;
    thaw_loader *loader;
    float **rows; /* [output_count][stage->batch][row] */
    size_t output_count;
} run;

static thaw_status open_stage(run *r)
{
    const thaw_images_options *o = r->options;
    const char *first = o->graph->outputs[0]->name;
    const thaw_image_stage_options stage = {.graph = o->graph,
                                            .outputs = o->outputs ? o->outputs : &first,
                                            .output_count = o->outputs ? o->output_count : 1,
                                            .preprocess = o->preprocess,
                                            .augment = o->augment,
                                            .batch = r->batch,
                                            .frozen_precision = o->job->frozen_precision};
    if (!r->stage->program)
        THAW_TRY(thaw_image_stage_open(r->device, &stage, r->stage));
    THAW_TRY(thaw_allocate(r->context, stage.output_count, sizeof *r->rows, &r->rows));
    r->output_count = stage.output_count;
    for (size_t i = 0; i < r->output_count; i++) {
        const size_t row = (size_t)thaw_shape_size(&r->stage->row_shapes[i]);
        THAW_TRY(thaw_allocate(r->context, r->stage->batch, row * sizeof(float), &r->rows[i]));
    }
    return THAW_OK;
}

static thaw_status open_run(run *r)
{
    const thaw_images_options *o = r->options;
    r->batch = o->batch ? o->batch : o->job->batch_size < o->count ? o->job->batch_size : o->count;
    if (o->graph)
        r->stage = o->stage ? o->stage : &r->own;
    const thaw_loader_options loader = {o->paths, o->count, r->batch, o->job->workers, o->preprocess};
    return thaw_loader_create(r->context, &loader, &r->loader);
}

static void close_run(run *r)
{
    thaw_loader_destroy(&r->loader);
    thaw_image_stage_close(&r->own);
    for (size_t i = 0; i < r->output_count; i++)
        free(r->rows[i]);
    free(r->rows);
}

/* Images [first .. first + count) of a batch. */
static thaw_status run_some(const run *r, const thaw_image_batch *images, size_t first, size_t count)
{
    const thaw_images_options *o = r->options;
    const size_t image_bytes = (size_t)o->preprocess.height * (size_t)o->preprocess.width * 3;
    THAW_TRY(thaw_image_stage_run(r->stage, images->pixels + first * image_bytes, count));
    for (size_t i = 0; i < r->output_count; i++) {
        const size_t row = (size_t)thaw_shape_size(&r->stage->row_shapes[i]);
        THAW_TRY(
            thaw_buffer_read(r->stage->program->graph->outputs[i]->buffer, 0, r->rows[i], count * row * sizeof(float)));
    }
    return o->sink(o->sink_user, r->rows, count, images->index + first, r->stage->row_shapes);
}

static thaw_status run_batch(run *r, const thaw_image_batch *images)
{
    const thaw_images_options *o = r->options;
    if (!r->stage)
        return o->sink(o->sink_user, NULL, images->count, images->index, NULL);
    if (!r->rows)
        THAW_TRY(open_stage(r));
    for (size_t done = 0; done < images->count;) {
        const size_t left = images->count - done, now = left < r->stage->batch ? left : r->stage->batch;
        THAW_TRY(run_some(r, images, done, now));
        done += now;
    }
    return THAW_OK;
}

static void report_bad(const run *r, const thaw_image_batch *images)
{
    const thaw_job *job = r->options->job;
    for (size_t i = 0; i < images->bad_count && job->on_bad_image; i++)
        job->on_bad_image(job->user, r->options->paths[images->bad_index[i]], images->errors[i].reason);
}

static thaw_status run_all(run *r, size_t *bad_count)
{
    thaw_reporter reporter;
    thaw_reporter_start(&reporter, r->options->job, r->options->phase, r->options->count);
    for (size_t done = 0; done < r->options->count;) {
        if (thaw_context_interrupted(r->context))
            return thaw_fail(r->context, THAW_ERR_INTERRUPTED, "stopped after %zu of %zu images", done,
                             r->options->count);
        thaw_image_batch images;
        THAW_TRY(thaw_loader_next(r->loader, &images));
        report_bad(r, &images);
        if (images.count)
            THAW_TRY(run_batch(r, &images));
        *bad_count += images.bad_count;
        done += images.count + images.bad_count;
        thaw_reporter_update(&reporter, done, thaw_loader_wait_seconds(r->loader));
    }
    return THAW_OK;
}

thaw_status thaw_images_run(thaw_device *device, const thaw_images_options *options, size_t *bad_count)
{
    run r = {.options = options, .context = thaw_device_context(device), .device = device};
    *bad_count = 0;
    if (!options->count)
        return THAW_OK;
    thaw_status status = open_run(&r);
    if (status == THAW_OK)
        status = run_all(&r, bad_count);
    close_run(&r);
    return status;
}
