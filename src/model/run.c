/* Models as they stand: raw tensors in, raw tensors out. */
#include "model/head.h"
#include "model/model.h"
#include "model/program.h"

#include <stdlib.h>

#define MOST_PIXELS 16384 /* along each side of an image */

static thaw_status run_program(thaw_program *program, thaw_tensor *const *inputs, thaw_tensor **outputs)
{
    for (size_t i = 0; i < program->graph->input_count; i++)
        if (!program->graph->inputs[i]->constant)
            THAW_TRY(thaw_program_write(program, i, inputs[i]));
    THAW_TRY(thaw_program_forward(program));
    for (size_t i = 0; i < program->graph->output_count; i++)
        THAW_TRY(thaw_program_read(program, i, &outputs[i]));
    return THAW_OK;
}

/* Kernels compute in float32: integers, and float64 with its greater range, are bound as constants, which the host
 * computes with where it can. A graph that does on floating inputs what only the host can do (a Where, say) is tried
 * again with those as constants too. */
static thaw_status create_program(const thaw_graph *graph, thaw_device *device, thaw_tensor *const *inputs,
                                  thaw_shape *shapes, thaw_tensor **constants, thaw_program **program)
{
    for (size_t i = 0; i < graph->input_count; i++) {
        shapes[i] = inputs[i]->shape;
        constants[i] = thaw_dtype_is_float(inputs[i]->dtype) && inputs[i]->dtype != THAW_FLOAT64 ? NULL : inputs[i];
    }
    thaw_program_options options = {.shapes = shapes, .constants = constants, .fuse = true};
    const thaw_status status = thaw_program_create(graph, device, &options, program);
    if (status != THAW_ERR_UNSUPPORTED)
        return status;
    options.constants = inputs;
    return thaw_program_create(graph, device, &options, program);
}

static thaw_status run_with(thaw_model *model, thaw_device *device, thaw_tensor *const *inputs, thaw_shape *shapes,
                            thaw_tensor **constants, thaw_tensor **outputs)
{
    thaw_program *program;
    THAW_TRY(create_program(model->graph, device, inputs, shapes, constants, &program));
    const thaw_status status = run_program(program, inputs, outputs);
    thaw_program_destroy(&program);
    return status;
}

thaw_status thaw_model_run(thaw_model *model, thaw_device *device, thaw_tensor *const *inputs, size_t input_count,
                           thaw_tensor **outputs, size_t output_count)
{
    const thaw_graph *graph = model->graph;
    if (input_count != graph->input_count || output_count != graph->output_count)
        return thaw_fail(model->context, THAW_ERR_USAGE, "the model has %zu inputs and %zu outputs, not %zu and %zu",
                         graph->input_count, graph->output_count, input_count, output_count);
    thaw_shape *shapes = NULL;
    thaw_tensor **constants = NULL;
    for (size_t i = 0; i < output_count; i++)
        outputs[i] = NULL;
    thaw_status status = thaw_allocate(model->context, input_count, sizeof *shapes, &shapes);
    if (status == THAW_OK)
        status = thaw_allocate(model->context, input_count, sizeof(thaw_tensor *), &constants);
    if (status == THAW_OK)
        status = run_with(model, device, inputs, shapes, constants, outputs);
    free(shapes);
    free(constants);
    for (size_t i = 0; i < output_count && status != THAW_OK; i++)
        thaw_tensor_release(&outputs[i]);
    return status;
}

thaw_status thaw_model_replace_head(thaw_model *model, size_t classes, const char *head_at, uint64_t seed)
{
    return thaw_head_replace(model->graph, classes, head_at, seed);
}

thaw_status thaw_model_image_size(const thaw_model *model, int32_t *height, int32_t *width)
{
    const thaw_graph *graph = model->graph;
    const thaw_shape *shape = graph->input_count == 1 ? &graph->inputs[0]->shape : NULL;
    char text[THAW_SHAPE_TEXT];
    if (!shape || shape->rank != 4 || (shape->dims[1] != 3 && shape->dims[1] != -1))
        return thaw_fail(model->context, THAW_ERR_UNSUPPORTED,
                         "needs one image input [N,3,height,width], the model has %zu: %s", graph->input_count,
                         shape ? thaw_shape_text(shape, text) : "-");
    for (int i = 2; i < 4; i++)
        if (shape->dims[i] > MOST_PIXELS)
            return thaw_fail(model->context, THAW_ERR_SIZE, "the image input is %s, too large",
                             thaw_shape_text(shape, text));
    *height = shape->dims[2] > 0 ? (int32_t)shape->dims[2] : 0;
    *width = shape->dims[3] > 0 ? (int32_t)shape->dims[3] : 0;
    return THAW_OK;
}

/* Shapes are inferred again to see whether the whole graph follows. */
thaw_status thaw_model_set_image_size(thaw_model *model, int32_t height, int32_t width)
{
    int32_t own_height, own_width;
    thaw_program *program;
    const thaw_program_options options = {.height = height, .width = width};
    THAW_TRY(thaw_model_image_size(model, &own_height, &own_width));
    if (height < 1 || width < 1 || height > MOST_PIXELS || width > MOST_PIXELS)
        return thaw_fail(model->context, THAW_ERR_SIZE, "images of %d x %d pixels", height, width);
    const thaw_status status = thaw_program_create(model->graph, NULL, &options, &program);
    if (status != THAW_OK)
        return thaw_fail_within(model->context, THAW_ERR_SHAPE, "the model does not take images of %dx%d", height,
                                width);
    thaw_program_destroy(&program);
    model->graph->inputs[0]->shape.dims[2] = height;
    model->graph->inputs[0]->shape.dims[3] = width;
    return THAW_OK;
}
