#include "train/feature_views.h"
#include "base/memory.h"
#include "train/progress.h"

#include <stdlib.h>

/* Not the run's seed: runs that differ in it share their views, and draw from them in other ways. */
static const uint64_t views_seed = 0x7669657773;

typedef struct run {
    const thaw_feature_views *options;
    thaw_context *context;
    thaw_loader *loader;
    thaw_view *views; /* [stage->batch] */
    float **rows;     /* [cut->count][stage->batch][width] */
} run;

static thaw_status open_run(run *r, thaw_device *device)
{
    const thaw_feature_views *o = r->options;
    const thaw_image_stage_options stage = {.graph = o->graph,
                                            .outputs = o->cut->names,
                                            .output_count = o->cut->count,
                                            .preprocess = o->preprocess,
                                            .augment = o->augment,
                                            .batch = o->batch,
                                            .frozen_precision = o->job->frozen_precision};
    if (!o->stage->program)
        THAW_TRY(thaw_image_stage_open(device, &stage, o->stage));
    const thaw_loader_options loader = {o->paths, o->count, o->stage->batch, o->job->workers, o->stage->canvas};
    THAW_TRY(thaw_loader_create(r->context, &loader, &r->loader));
    THAW_TRY(thaw_allocate(r->context, o->stage->batch, sizeof *r->views, &r->views));
    THAW_TRY(thaw_allocate(r->context, o->cut->count, sizeof *r->rows, &r->rows));
    for (size_t i = 0; i < o->cut->count; i++)
        THAW_TRY(thaw_allocate(r->context, o->stage->batch, o->cut->widths[i] * sizeof(float), &r->rows[i]));
    return THAW_OK;
}

static void close_run(run *r)
{
    for (size_t i = 0; i < r->options->cut->count && r->rows; i++)
        free(r->rows[i]);
    free(r->rows);
    free(r->views);
    thaw_loader_destroy(&r->loader);
}

/* One view of each image of the batch. */
static thaw_status run_view(const run *r, const thaw_image_batch *images, size_t view)
{
    const thaw_feature_views *o = r->options;
    const thaw_preprocess *canvas = &o->stage->canvas;
    const size_t image_bytes = (size_t)canvas->height * (size_t)canvas->width * 3;
    for (size_t k = 0; k < images->count; k++) {
        const uint64_t image = o->contents[o->places[images->index[k]]].low;
        const thaw_augmentation drawn =
            thaw_augmentation_draw(o->augment, views_seed + view, image, canvas, &o->preprocess);
        r->views[k] = thaw_view_make(&drawn, images->pixels + k * image_bytes, canvas, &o->preprocess);
    }
    THAW_TRY(thaw_image_stage_run_views(o->stage, images->pixels, r->views, images->count));
    for (size_t i = 0; i < o->cut->count; i++)
        THAW_TRY(thaw_buffer_read(o->stage->program->graph->outputs[i]->buffer, 0, r->rows[i],
                                  images->count * o->cut->widths[i] * sizeof(float)));
    for (size_t k = 0; k < images->count; k++)
        THAW_TRY(o->sink(o->sink_user, o->places[images->index[k]], view, r->rows, k));
    return THAW_OK;
}

static thaw_status run_all(run *r)
{
    const thaw_feature_views *o = r->options;
    const size_t each = o->views - 1;
    thaw_reporter reporter;
    thaw_reporter_start(&reporter, o->job, "features", o->count * each);
    for (size_t done = 0; done < o->count;) {
        thaw_image_batch images;
        THAW_TRY(thaw_loader_next(r->loader, &images));
        if (images.bad_count)
            return thaw_fail(r->context, THAW_ERR_DATA, "%s: can't be read any more: %s", o->paths[images.bad_index[0]],
                             images.errors[0].reason);
        for (size_t view = 1; view <= each; view++) {
            if (thaw_context_interrupted(r->context))
                return thaw_fail(r->context, THAW_ERR_INTERRUPTED, "stopped after %zu of %zu images", done, o->count);
            THAW_TRY(run_view(r, &images, view));
            thaw_reporter_update(&reporter, done * each + images.count * view, thaw_loader_wait_seconds(r->loader));
        }
        done += images.count;
    }
    return THAW_OK;
}

thaw_status thaw_feature_views_run(thaw_device *device, const thaw_feature_views *views)
{
    run r = {.options = views, .context = thaw_device_context(device)};
    thaw_status status = open_run(&r, device);
    if (status == THAW_OK)
        status = run_all(&r);
    close_run(&r);
    return status;
}
