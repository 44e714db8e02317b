#include "base/memory.h"
#include "train/images.h"

#include <stdlib.h>

static size_t image_bytes(const thaw_preprocess *p)
{
    return (size_t)p->height * (size_t)p->width * 3;
}

static thaw_status create_program(thaw_image_stage *s, const thaw_image_stage_options *o, size_t batch)
{
    const thaw_program_options program = {.batch = (int64_t)batch,
                                          .height = o->preprocess.height,
                                          .width = o->preprocess.width,
                                          .outputs = o->outputs,
                                          .output_count = o->output_count,
                                          .frozen_precision = o->frozen_precision,
                                          .fuse = true};
    THAW_TRY(thaw_program_create(o->graph, s->device, &program, &s->program));
    thaw_status status = thaw_buffer_create(s->device, batch * image_bytes(&s->canvas), &s->pixels);
    if (status == THAW_OK && o->augment != THAW_AUGMENT_NONE)
        status = thaw_buffer_create(s->device, batch * sizeof(thaw_view), &s->views);
    if (status != THAW_OK) {
        thaw_buffer_destroy(&s->pixels);
        thaw_program_destroy(&s->program);
    }
    return status;
}

/* The largest batch up to the one asked for that the device has memory for, and the model is made for. */
static thaw_status create_fitting_program(thaw_image_stage *s, const thaw_image_stage_options *o)
{
    thaw_context *context = thaw_device_context(s->device);
    s->batch = o->batch;
    thaw_status status = create_program(s, o, s->batch);
    while (status == THAW_ERR_DEVICE_MEMORY && s->batch > 1) {
        s->batch /= 2;
        thaw_log(context, THAW_LOG_WARNING, "%s: trying a batch of %zu", thaw_error_message(context), s->batch);
        status = create_program(s, o, s->batch);
    }
    const int64_t own = o->graph->file_batch; /* some files have it in their constants, and run with no other */
    if ((status == THAW_ERR_SHAPE || status == THAW_ERR_MODEL) && own > 0 && (size_t)own < o->batch) {
        s->batch = (size_t)own;
        status = create_program(s, o, s->batch);
    }
    return status;
}

static thaw_status check_input(const thaw_image_stage *s)
{
    thaw_context *context = thaw_device_context(s->device);
    const thaw_graph *graph = s->program->graph;
    const thaw_preprocess *p = &s->preprocess;
    const thaw_shape wanted = {4, {(int64_t)s->batch, 3, p->height, p->width}};
    char text[THAW_SHAPE_TEXT];
    if (graph->input_count != 1)
        return thaw_fail(context, THAW_ERR_UNSUPPORTED, "needs a model with one image input, this one has %zu",
                         graph->input_count);
    if (!thaw_shape_equal(&graph->inputs[0]->shape, &wanted))
        return thaw_fail(context, THAW_ERR_SHAPE, "the model's input '%s' is %s: not for RGB images of %d x %d",
                         graph->inputs[0]->name, thaw_shape_text(&graph->inputs[0]->shape, text), p->width, p->height);
    return THAW_OK;
}

/* The wanted values must have one row per image, whatever the batch. */
static thaw_status check_output(thaw_image_stage *s, size_t index)
{
    const thaw_value *output = s->program->graph->outputs[index];
    const thaw_shape *shape = &output->shape;
    thaw_shape *row = &s->row_shapes[index];
    char text[THAW_SHAPE_TEXT];
    if (shape->rank < 1 || shape->dims[0] != (int64_t)s->batch || output->constant)
        return thaw_fail(thaw_device_context(s->device), THAW_ERR_SHAPE, "'%s' is %s for %zu images: not one row each",
                         output->name, thaw_shape_text(shape, text), s->batch);
    *row = (thaw_shape){.rank = shape->rank - 1};
    for (int32_t i = 1; i < shape->rank; i++)
        row->dims[i - 1] = shape->dims[i];
    return THAW_OK;
}

static thaw_status open_stage(thaw_image_stage *s, const thaw_image_stage_options *o)
{
    THAW_TRY(create_fitting_program(s, o));
    THAW_TRY(check_input(s));
    const size_t count = s->program->graph->output_count;
    THAW_TRY(thaw_allocate(thaw_device_context(s->device), count, sizeof *s->row_shapes, &s->row_shapes));
    for (size_t i = 0; i < count; i++)
        THAW_TRY(check_output(s, i));
    THAW_TRY(thaw_kernel_get(s->device, "normalise", "normalise", "", &s->normalise));
    if (o->augment == THAW_AUGMENT_NONE)
        return THAW_OK;
    return thaw_kernel_get(s->device, "augment", "augment", "", &s->augment);
}

thaw_status thaw_image_stage_open(thaw_device *device, const thaw_image_stage_options *options, thaw_image_stage *stage)
{
    *stage = (thaw_image_stage){.device = device,
                                .preprocess = options->preprocess,
                                .canvas = thaw_augment_canvas(options->augment, &options->preprocess)};
    const thaw_status status = open_stage(stage, options);
    if (status != THAW_OK)
        thaw_image_stage_close(stage);
    return status;
}

void thaw_image_stage_close(thaw_image_stage *stage)
{
    thaw_buffer_destroy(&stage->views);
    thaw_buffer_destroy(&stage->pixels);
    thaw_program_destroy(&stage->program);
    free(stage->row_shapes);
    *stage = (thaw_image_stage){0};
}

/* output = pixel * scale[c] + shift[c], c in the model's order of channels. */
typedef struct arithmetic {
    float scale[3], shift[3];
} arithmetic;

static arithmetic arithmetic_of(const thaw_preprocess *p)
{
    arithmetic a;
    for (int c = 0; c < 3; c++) {
        a.scale[c] = p->scale / p->std[c];
        a.shift[c] = -p->mean[c] / p->std[c];
    }
    return a;
}

thaw_status thaw_image_stage_run(const thaw_image_stage *s, const uint8_t *pixels, size_t count)
{
    const thaw_preprocess *p = &s->preprocess;
    const size_t plane = (size_t)p->height * (size_t)p->width;
    const arithmetic a = arithmetic_of(p);
    THAW_TRY(thaw_buffer_write(s->pixels, 0, pixels, count * image_bytes(p)));
    THAW_TRY(thaw_kernel_launch(s->normalise, THAW_RANGE_2(plane, count), THAW_BUFFER(s->pixels),
                                THAW_BUFFER(s->program->graph->inputs[0]->buffer), THAW_INT(plane), THAW_INT(p->bgr),
                                THAW_FLOAT(a.scale[0]), THAW_FLOAT(a.scale[1]), THAW_FLOAT(a.scale[2]),
                                THAW_FLOAT(a.shift[0]), THAW_FLOAT(a.shift[1]), THAW_FLOAT(a.shift[2])));
    return thaw_program_forward(s->program);
}

thaw_status thaw_image_stage_run_views(const thaw_image_stage *s, const uint8_t *pixels, const thaw_view *views,
                                       size_t count)
{
    const thaw_preprocess *p = &s->preprocess;
    const size_t plane = (size_t)p->height * (size_t)p->width;
    const arithmetic a = arithmetic_of(p);
    THAW_TRY(thaw_buffer_write(s->pixels, 0, pixels, count * image_bytes(&s->canvas)));
    THAW_TRY(thaw_buffer_write(s->views, 0, views, count * sizeof *views));
    THAW_TRY(thaw_kernel_launch(s->augment, THAW_RANGE_2(plane, count), THAW_BUFFER(s->pixels), THAW_BUFFER(s->views),
                                THAW_BUFFER(s->program->graph->inputs[0]->buffer), THAW_INT(s->canvas.width),
                                THAW_INT(s->canvas.height), THAW_INT(p->width), THAW_INT(p->height), THAW_INT(p->bgr),
                                THAW_FLOAT(a.scale[0]), THAW_FLOAT(a.scale[1]), THAW_FLOAT(a.scale[2]),
                                THAW_FLOAT(a.shift[0]), THAW_FLOAT(a.shift[1]), THAW_FLOAT(a.shift[2])));
    return thaw_program_forward(s->program);
}
