#include "train/images.h"
#include "train/progress.h"

#include <stdlib.h>

typedef struct stage {
    const thaw_images_options *options;
    thaw_device *device;
    thaw_context *context;
    thaw_program *program;
    thaw_loader *loader;
    thaw_kernel *normalise;
    thaw_buffer *pixels; /* u8 [batch][h][w][3] */
    float *rows;         /* [batch][row] */
    size_t batch;
    thaw_shape row_shape;
    size_t row; /* elements per image */
} stage;

static thaw_status create_program(stage *s, size_t batch)
{
    const thaw_images_options *o = s->options;
    const thaw_program_options program = {.batch = (int64_t)batch,
                                          .height = o->preprocess.height,
                                          .width = o->preprocess.width,
                                          .outputs = o->output ? &o->output : NULL,
                                          .output_count = 1,
                                          .fuse = true};
    THAW_TRY(thaw_program_create(o->graph, s->device, &program, &s->program));
    const size_t bytes = batch * (size_t)o->preprocess.height * (size_t)o->preprocess.width * 3;
    const thaw_status status = thaw_buffer_create(s->device, bytes, &s->pixels);
    if (status != THAW_OK)
        thaw_program_destroy(&s->program);
    return status;
}

/* The largest batch up to the one asked for that the device has memory for. */
static thaw_status create_fitting_program(stage *s)
{
    size_t batch = s->options->job->batch_size;
    if (batch > s->options->count)
        batch = s->options->count;
    thaw_status status = create_program(s, batch);
    while (status == THAW_ERR_DEVICE_MEMORY && batch > 1) {
        batch /= 2;
        thaw_log(s->context, THAW_LOG_WARNING, "%s: trying a batch of %zu", thaw_error_message(s->context), batch);
        status = create_program(s, batch);
    }
    s->batch = batch;
    return status;
}

static thaw_status check_input(const stage *s)
{
    const thaw_graph *graph = s->program->graph;
    const thaw_preprocess *p = &s->options->preprocess;
    const thaw_shape wanted = {4, {(int64_t)s->batch, 3, p->height, p->width}};
    char text[THAW_SHAPE_TEXT];
    if (graph->input_count != 1)
        return thaw_fail(s->context, THAW_ERR_UNSUPPORTED, "needs a model with one image input, this one has %zu",
                         graph->input_count);
    if (!thaw_shape_equal(&graph->inputs[0]->shape, &wanted))
        return thaw_fail(s->context, THAW_ERR_SHAPE, "the model's input '%s' is %s: not for RGB images of %d x %d",
                         graph->inputs[0]->name, thaw_shape_text(&graph->inputs[0]->shape, text), p->width, p->height);
    return THAW_OK;
}

/* The wanted value must have one row per image, whatever the batch. */
static thaw_status check_output(stage *s)
{
    const thaw_value *output = s->program->graph->outputs[0];
    const thaw_shape *shape = &output->shape;
    char text[THAW_SHAPE_TEXT];
    if (shape->rank < 1 || shape->dims[0] != (int64_t)s->batch || output->constant)
        return thaw_fail(s->context, THAW_ERR_SHAPE, "'%s' is %s for %zu images: not one row each", output->name,
                         thaw_shape_text(shape, text), s->batch);
    s->row_shape = (thaw_shape){.rank = shape->rank - 1};
    for (int32_t i = 1; i < shape->rank; i++)
        s->row_shape.dims[i - 1] = shape->dims[i];
    s->row = (size_t)thaw_shape_size(&s->row_shape);
    return THAW_OK;
}

static thaw_status open_stage(stage *s)
{
    const thaw_images_options *o = s->options;
    THAW_TRY(create_fitting_program(s));
    THAW_TRY(check_input(s));
    THAW_TRY(check_output(s));
    THAW_TRY(thaw_allocate(s->context, s->batch, s->row * sizeof *s->rows, &s->rows));
    THAW_TRY(thaw_kernel_get(s->device, "normalise", "normalise", "", &s->normalise));
    const thaw_loader_options loader = {o->paths, o->count, s->batch, o->job->workers, o->preprocess};
    return thaw_loader_create(s->context, &loader, &s->loader);
}

static thaw_status normalise(const stage *s, const thaw_image_batch *images)
{
    const thaw_preprocess *p = &s->options->preprocess;
    const size_t plane = (size_t)p->height * (size_t)p->width;
    float scale[3], shift[3];
    for (int c = 0; c < 3; c++) {
        scale[c] = p->scale / p->std[c];
        shift[c] = -p->mean[c] / p->std[c];
    }
    THAW_TRY(thaw_buffer_write(s->pixels, 0, images->pixels, images->count * plane * 3));
    return thaw_kernel_launch(s->normalise, THAW_RANGE_2(plane, images->count), THAW_BUFFER(s->pixels),
                              THAW_BUFFER(s->program->graph->inputs[0]->buffer), THAW_INT(plane), THAW_INT(p->bgr),
                              THAW_FLOAT(scale[0]), THAW_FLOAT(scale[1]), THAW_FLOAT(scale[2]), THAW_FLOAT(shift[0]),
                              THAW_FLOAT(shift[1]), THAW_FLOAT(shift[2]));
}

static thaw_status run_batch(const stage *s, const thaw_image_batch *images)
{
    THAW_TRY(normalise(s, images));
    THAW_TRY(thaw_program_forward(s->program));
    THAW_TRY(
        thaw_buffer_read(s->program->graph->outputs[0]->buffer, 0, s->rows, images->count * s->row * sizeof *s->rows));
    return s->options->sink(s->options->sink_user, s->rows, images->count, images->index, &s->row_shape);
}

static void report_bad(const stage *s, const thaw_image_batch *images)
{
    const thaw_job *job = s->options->job;
    for (size_t i = 0; i < images->bad_count && job->on_bad_image; i++)
        job->on_bad_image(job->user, s->options->paths[images->bad_index[i]], images->errors[i].reason);
}

static thaw_status run_all(stage *s, size_t *bad_count)
{
    thaw_reporter reporter;
    thaw_reporter_start(&reporter, s->options->job, s->options->phase, s->options->count);
    for (size_t done = 0; done < s->options->count;) {
        if (thaw_context_interrupted(s->context))
            return thaw_fail(s->context, THAW_ERR_INTERRUPTED, "stopped after %zu of %zu images", done,
                             s->options->count);
        thaw_image_batch images;
        THAW_TRY(thaw_loader_next(s->loader, &images));
        report_bad(s, &images);
        if (images.count)
            THAW_TRY(run_batch(s, &images));
        *bad_count += images.bad_count;
        done += images.count + images.bad_count;
        thaw_reporter_update(&reporter, done, thaw_loader_wait_seconds(s->loader));
    }
    return THAW_OK;
}

thaw_status thaw_images_run(thaw_device *device, const thaw_images_options *options, size_t *bad_count)
{
    stage s = {.options = options, .device = device, .context = thaw_device_context(device)};
    *bad_count = 0;
    if (!options->count)
        return THAW_OK;
    thaw_status status = open_stage(&s);
    if (status == THAW_OK)
        status = run_all(&s, bad_count);
    thaw_loader_destroy(&s.loader);
    thaw_buffer_destroy(&s.pixels);
    thaw_program_destroy(&s.program);
    free(s.rows);
    return status;
}
