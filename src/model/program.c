#include "model/program.h"
#include "device/tuning.h"
#include "model/bind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void mark_outputs(const thaw_node *node)
{
    const bool all = node->op->flags & THAW_OP_BACKWARD_OUTPUTS;
    for (size_t i = 0; i < (all ? node->output_count : 1); i++)
        if (node->outputs[i])
            node->outputs[i]->needs_gradient = true;
}

/* Gradients are needed for trainable values and for all that depends on them through run-time values; nothing else. */
static void mark_gradients(const thaw_graph *graph)
{
    for (size_t i = 0; i < graph->value_count; i++)
        graph->values[i]->needs_gradient = graph->values[i]->trainable;
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        for (size_t j = 0; j < node->input_count; j++)
            if (node->inputs[j] && node->inputs[j]->needs_gradient && !node->outputs[0]->constant)
                mark_outputs(node);
    }
}

static thaw_status prepare_for_device(thaw_program *program, thaw_device *device, const thaw_program_options *options)
{
    thaw_graph *graph = program->graph;
    graph->device = device;
    graph->frozen_precision = options->differentiable ? THAW_PRECISION_FP32 : options->frozen_precision;
    const int32_t block = thaw_device_block(device);
    const bool in_blocks = block > 1 && block != THAW_BLOCK_ALL;
    thaw_prepare_begin(graph->context, "prepare", 2 * graph->node_count);
    if (options->fuse && thaw_device_width(device) > 1)
        THAW_TRY(thaw_graph_attend(graph, thaw_device_width(device)));
    if (options->fuse && in_blocks) {
        THAW_TRY(thaw_graph_excite(graph, block));
        THAW_TRY(thaw_graph_pair(graph, block));
    }
    if (options->fuse || options->differentiable)
        THAW_TRY(thaw_graph_layout(graph, options->fuse || in_blocks ? block : 1));
    thaw_tuning_save(device);
    THAW_TRY(thaw_program_plan(program, options->keep, options->recompute));
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i]->op->prepare)
            THAW_TRY(graph->nodes[i]->op->prepare(graph->nodes[i]));
        thaw_prepare_step(graph->context);
    }
    thaw_prepare_end(graph->context);
    return THAW_OK;
}

static thaw_status build(const thaw_graph *source, thaw_device *device, const thaw_program_options *options,
                         thaw_program *program)
{
    assert(!(options->fuse && options->differentiable));
    THAW_TRY(thaw_graph_extract(source, options->inputs, options->input_count, options->outputs, options->output_count,
                                &program->graph));
    if (options->differentiable)
        mark_gradients(program->graph); /* infer asks */
    THAW_TRY(thaw_graph_bind(program->graph, options));
    if (options->differentiable)
        mark_gradients(program->graph); /* some values are constants now */
    if (options->differentiable && !options->keep)
        thaw_graph_join_activations(program->graph);
    if (options->fuse) {
        THAW_TRY(thaw_graph_turn_transposed(program->graph));
        THAW_TRY(thaw_graph_join_gelu(program->graph));
        THAW_TRY(thaw_graph_turn_channels_last(program->graph));
        THAW_TRY(thaw_graph_join_shuffles(program->graph));
        THAW_TRY(thaw_graph_fuse(program->graph));
    }
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
    thaw_schedule_free(&(*program)->schedule);
    thaw_graph_destroy(&(*program)->graph);
    free(*program);
    *program = NULL;
}

/* Drivers that compile a kernel when it runs first take seconds for that: waiting for each shows how far it is. */
static thaw_status note_first_run(thaw_program *program, const thaw_node *node)
{
    if (program->ran)
        return THAW_OK;
    thaw_prepare_step(node->graph->context);
    return thaw_device_finish(node->graph->device);
}

static thaw_status run_nodes(thaw_program *program)
{
    const thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op->forward && !(graph->nodes[i]->op->flags & THAW_OP_VIEW)) {
            THAW_TRY(graph->nodes[i]->op->forward(graph->nodes[i]));
            THAW_TRY(note_first_run(program, graph->nodes[i]));
        }
    return THAW_OK;
}

thaw_status thaw_program_forward(thaw_program *program)
{
    thaw_graph *graph = program->graph;
    if (program->ran) {
        thaw_chains_begin(graph->device);
        const thaw_status status = run_nodes(program), ended = thaw_chains_end(graph->device);
        return status == THAW_OK ? ended : status;
    }
    thaw_prepare_begin(graph->context, "first-run", graph->node_count);
    THAW_TRY(run_nodes(program));
    thaw_prepare_end(graph->context);
    program->ran = true;
    return THAW_OK;
}

static thaw_status clear(const thaw_value *value)
{
    const thaw_shape stored = thaw_value_stored(value);
    return thaw_buffer_fill(value->gradient, 0, 0, (size_t)thaw_shape_size(&stored) * sizeof(float));
}

bool thaw_node_runs_backward(const thaw_node *node)
{
    return node->outputs[0]->gradient && node->op->backward && !(node->op->flags & THAW_OP_VIEW);
}

thaw_status thaw_node_backward(thaw_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_value *value = node->inputs[i];
        if (value && value->gradient && value->gradient_begins == node && !thaw_node_overwrites(node, i))
            THAW_TRY(clear(value));
    }
    return node->op->backward(node);
}

static bool is_output_gradient(const thaw_graph *graph, const thaw_buffer *gradient)
{
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i]->gradient == gradient)
            return true;
    return false;
}

static bool is_one_of_several(const thaw_value *value)
{
    return value->producer && value->producer->op->flags & THAW_OP_BACKWARD_OUTPUTS && value->gradient;
}

/* Parameters, and pieces, that nothing reads. */
static thaw_status clear_unwritten(const thaw_graph *graph)
{
    for (size_t i = 0; i < graph->value_count; i++) {
        const thaw_value *value = graph->values[i];
        if ((value->trainable || is_one_of_several(value)) && !value->gradient_begins &&
            !is_output_gradient(graph, value->gradient))
            THAW_TRY(clear(value));
    }
    return THAW_OK;
}

/* The first time for the second, and the other way round. */
static void exchange_buffers(const thaw_program *program, size_t segment)
{
    const thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->value_count; i++)
        if (program->schedule.segment[i] == segment && program->schedule.buffers[i]) {
            thaw_buffer *other = program->schedule.buffers[i];
            program->schedule.buffers[i] = graph->values[i]->buffer;
            graph->values[i]->buffer = other;
        }
}

static thaw_status run_segment(const thaw_program *program, size_t segment)
{
    const thaw_schedule *schedule = &program->schedule;
    thaw_graph *graph = program->graph;
    thaw_status status = THAW_OK;
    graph->again = true;
    for (size_t i = schedule->first[segment]; i < schedule->first[segment + 1] && status == THAW_OK; i++)
        if (schedule->repeated[i])
            status = graph->nodes[i]->op->forward(graph->nodes[i]);
    graph->again = false;
    for (size_t i = schedule->first[segment + 1]; i-- > schedule->first[segment] && status == THAW_OK;)
        if (thaw_node_runs_backward(graph->nodes[i]))
            status = thaw_node_backward(graph->nodes[i]);
    return status;
}

thaw_status thaw_program_backward(thaw_program *program)
{
    THAW_TRY(clear_unwritten(program->graph));
    for (size_t s = program->schedule.count; s-- > 0;) {
        exchange_buffers(program, s);
        const thaw_status status = run_segment(program, s);
        exchange_buffers(program, s);
        THAW_TRY(status);
    }
    return THAW_OK;
}

/* A mask's numbers as what they stand for; *tensor is replaced. */
static thaw_status to_bool(thaw_context *context, thaw_tensor **tensor)
{
    thaw_tensor *numbers = *tensor;
    const thaw_status status = thaw_tensor_create(context, THAW_BOOL, &numbers->shape, tensor);
    for (int64_t i = 0; i < numbers->count && status == THAW_OK; i++)
        thaw_tensor_set_int(*tensor, i, ((const float *)numbers->data)[i] != 0.0f);
    thaw_tensor_release(&numbers);
    return status;
}

thaw_status thaw_program_read(thaw_program *program, size_t output, thaw_tensor **tensor)
{
    const thaw_value *value = program->graph->outputs[output];
    if (value->constant) {
        *tensor = thaw_tensor_retain(value->constant);
        return THAW_OK;
    }
    const bool is_mask = value->dtype == THAW_BOOL;
    const thaw_dtype dtype = thaw_dtype_is_float(value->dtype) || is_mask ? THAW_FLOAT32 : value->dtype;
    THAW_TRY(thaw_tensor_create(program->graph->context, dtype, &value->shape, tensor));
    const thaw_status status =
        (*tensor)->bytes ? thaw_buffer_read(value->buffer, 0, (*tensor)->data, (*tensor)->bytes) : THAW_OK;
    if (status != THAW_OK) {
        thaw_tensor_release(tensor);
        return status;
    }
    return is_mask ? to_bool(program->graph->context, tensor) : THAW_OK;
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
