#include "model/program.h"
#include "device/tuning.h"
#include "model/bind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static thaw_status prepare_for_device(thaw_program *program, thaw_device *device, const thaw_program_options *options)
{
    thaw_graph *graph = program->graph;
    graph->device = device;
    graph->frozen_precision = options->differentiable ? THAW_PRECISION_FP32 : options->frozen_precision;
    if (options->fuse)
        THAW_TRY(thaw_graph_layout(graph, thaw_device_block(device)));
    thaw_tuning_save(device);
    THAW_TRY(thaw_program_plan(program, options->differentiable));
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op->prepare)
            THAW_TRY(graph->nodes[i]->op->prepare(graph->nodes[i]));
    return THAW_OK;
}

static thaw_status build(const thaw_graph *source, thaw_device *device, const thaw_program_options *options,
                         thaw_program *program)
{
    assert(!(options->fuse && options->differentiable));
    THAW_TRY(thaw_graph_extract(source, options->inputs, options->input_count, options->outputs, options->output_count,
                                &program->graph));
    THAW_TRY(thaw_graph_bind(program->graph, options));
    if (options->fuse)
        THAW_TRY(thaw_graph_fuse(program->graph));
    return device ? prepare_for_device(program, device, options) : THAW_OK;
}

thaw_status thaw_program_create(const thaw_graph *source, thaw_device *device, const thaw_program_options *options,
                                thaw_program **program)
{
    THAW_TRY(thaw_allocate(source->context, 1, sizeof **program, program));
    const thaw_status status = build(source, device, options, *program);
    if (status != THAW_OK)
        thaw_program_destroy(program);
    return status;
}

void thaw_program_destroy(thaw_program **program)
{
    if (!*program)
        return;
    for (size_t i = 0; i < (*program)->buffer_count; i++)
        thaw_buffer_destroy(&(*program)->buffers[i]);
    free((*program)->buffers);
    thaw_graph_destroy(&(*program)->graph);
    free(*program);
    *program = NULL;
}

thaw_status thaw_program_forward(thaw_program *program)
{
    thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op->forward && !(graph->nodes[i]->op->flags & THAW_OP_VIEW))
            THAW_TRY(graph->nodes[i]->op->forward(graph->nodes[i]));
    return THAW_OK;
}

static size_t gradient_bytes(const thaw_value *value)
{
    const thaw_shape stored = thaw_value_stored(value);
    return (size_t)thaw_shape_size(&stored) * sizeof(float);
}

static bool is_output_gradient(const thaw_graph *graph, const thaw_buffer *gradient)
{
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i]->gradient == gradient)
            return true;
    return false;
}

thaw_status thaw_program_backward(thaw_program *program)
{
    thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        const thaw_value *value = graph->values[i];
        if (value->gradient && !is_output_gradient(graph, value->gradient))
            THAW_TRY(thaw_buffer_fill(value->gradient, 0, 0, gradient_bytes(value)));
    }
    for (size_t i = graph->node_count; i-- > 0;) {
        thaw_node *node = graph->nodes[i];
        if (node->outputs[0]->gradient && node->op->backward && !(node->op->flags & THAW_OP_VIEW))
            THAW_TRY(node->op->backward(node));
    }
    return THAW_OK;
}

thaw_status thaw_program_read(thaw_program *program, size_t output, thaw_tensor **tensor)
{
    const thaw_value *value = program->graph->outputs[output];
    if (value->constant) {
        *tensor = thaw_tensor_retain(value->constant);
        return THAW_OK;
    }
    const thaw_dtype dtype = thaw_dtype_is_float(value->dtype) ? THAW_FLOAT32 : value->dtype;
    THAW_TRY(thaw_tensor_create(program->graph->context, dtype, &value->shape, tensor));
    const thaw_status status =
        (*tensor)->bytes ? thaw_buffer_read(value->buffer, 0, (*tensor)->data, (*tensor)->bytes) : THAW_OK;
    if (status != THAW_OK)
        thaw_tensor_release(tensor);
    return status;
}

thaw_status thaw_program_write(thaw_program *program, size_t input, thaw_tensor *tensor)
{
    const thaw_value *value = program->graph->inputs[input];
    if (!thaw_shape_equal(&value->shape, &tensor->shape)) {
        char got[THAW_SHAPE_TEXT], wanted[THAW_SHAPE_TEXT];
        return thaw_fail(program->graph->context, THAW_ERR_SHAPE, "input '%s' is %s but the program was made for %s",
                         value->name, thaw_shape_text(&tensor->shape, got), thaw_shape_text(&value->shape, wanted));
    }
    if (!value->buffer || !tensor->bytes) /* folded away, or nothing reads it */
        return THAW_OK;
    thaw_tensor *converted;
    THAW_TRY(thaw_tensor_to_float32(program->graph->context, tensor, &converted));
    const thaw_status status = thaw_buffer_write(value->buffer, 0, converted->data, converted->bytes);
    thaw_tensor_release(&converted);
    return status;
}
