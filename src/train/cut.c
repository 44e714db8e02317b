#include "train/cut.h"
#include "base/memory.h"
#include "model/freeze.h"

#include <stdlib.h>
#include <string.h>

/* What goes into the loss: the output, before a Softmax. */
static const char *logits_name(const thaw_graph *graph)
{
    const thaw_value *value = graph->outputs[0];
    const bool softmax = value->producer && strcmp(value->producer->op->onnx_type, "Softmax") == 0;
    return softmax ? value->producer->inputs[0]->name : value->name;
}

/* The model up to the logits with shapes and folded constants, without a device: what only depends on constants is out
 * of the way there, so that it does not count as crossing the cut. */
static thaw_status bind(const thaw_model *model, int32_t height, int32_t width, size_t batch, thaw_program **program)
{
    const char *const logits = logits_name(model->graph);
    const thaw_program_options options = {
        .batch = (int64_t)batch, .height = height, .width = width, .outputs = &logits, .output_count = 1};
    return thaw_program_create(model->graph, NULL, &options, program);
}

static thaw_status add(const thaw_model *model, const thaw_value *value, size_t batch, thaw_cut *cut)
{
    char text[THAW_SHAPE_TEXT];
    const thaw_shape *shape = &value->shape;
    if (!thaw_dtype_is_float(value->dtype) || shape->rank < 1 || shape->dims[0] != (int64_t)batch)
        return thaw_fail(
            model->context, THAW_ERR_UNSUPPORTED,
            "'%s', %s %s for %zu images, goes from the frozen to the trained part: not a row of numbers for "
            "each image",
            value->name, thaw_dtype_text(value->dtype), thaw_shape_text(shape, text), batch);
    const size_t i = cut->count++;
    cut->names[i] = thaw_graph_find_value(model->graph, value->name)->name;
    cut->shapes[i] = (thaw_shape){.rank = shape->rank - 1};
    for (int32_t d = 1; d < shape->rank; d++)
        cut->shapes[i].dims[d - 1] = shape->dims[d];
    cut->widths[i] = (size_t)thaw_shape_size(&cut->shapes[i]);
    return THAW_OK;
}

static thaw_status fill(const thaw_model *model, const thaw_split *split, size_t batch, thaw_cut *cut)
{
    THAW_TRY(thaw_allocate(model->context, split->cut_count, sizeof *cut->names, &cut->names));
    THAW_TRY(thaw_allocate(model->context, split->cut_count, sizeof *cut->shapes, &cut->shapes));
    THAW_TRY(thaw_allocate(model->context, split->cut_count, sizeof *cut->widths, &cut->widths));
    for (size_t i = 0; i < split->cut_count; i++)
        THAW_TRY(add(model, split->cut[i], batch, cut));
    cut->logits = logits_name(model->graph);
    return THAW_OK;
}

/* Operators that only compute forward, all named before any work is done for nothing. */
static thaw_status check_operators(const thaw_graph *graph, const thaw_split *split)
{
    thaw_text names = {0};
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (split->trained[i] && !node->op->backward && !(node->op->flags & THAW_OP_VIEW))
            thaw_text_append(&names, "%s%s (%s)", names.length ? ", " : "", node->name, node->op->onnx_type);
    }
    const thaw_status status =
        names.length ? thaw_fail(graph->context, THAW_ERR_UNSUPPORTED, "can't be trained through: %s", names.data)
                     : THAW_OK;
    thaw_text_free(&names);
    return status;
}

thaw_status thaw_cut_find(const thaw_model *model, int32_t height, int32_t width, thaw_cut *cut)
{
    enum { BATCH = 2 }; /* so that what has one row for each image shows */
    *cut = (thaw_cut){0};
    thaw_program *bound;
    thaw_split split;
    THAW_TRY(bind(model, height, width, BATCH, &bound));
    thaw_status status = thaw_split_create(bound->graph, &split);
    if (status == THAW_OK) {
        status = fill(model, &split, BATCH, cut);
        if (status == THAW_OK)
            status = check_operators(bound->graph, &split);
        thaw_split_free(&split);
    }
    thaw_program_destroy(&bound);
    if (status != THAW_OK)
        thaw_cut_free(cut);
    return status;
}

void thaw_cut_free(thaw_cut *cut)
{
    free(cut->names);
    free(cut->shapes);
    free(cut->widths);
    *cut = (thaw_cut){0};
}

static thaw_status create(const thaw_graph *graph, thaw_device *device, const thaw_cut *cut,
                          const thaw_cut_options *options, thaw_shape *shapes, thaw_program **program)
{
    const int64_t batch = (int64_t)options->batch;
    for (size_t i = 0; i < cut->count; i++) {
        shapes[i] = (thaw_shape){.rank = cut->shapes[i].rank + 1, .dims = {batch}};
        memcpy(shapes[i].dims + 1, cut->shapes[i].dims, (size_t)cut->shapes[i].rank * sizeof *shapes[i].dims);
    }
    const thaw_program_options wanted = {.batch = batch,
                                         .shapes = shapes,
                                         .inputs = cut->names,
                                         .input_count = cut->count,
                                         .outputs = &cut->logits,
                                         .output_count = 1,
                                         .differentiable = true,
                                         .recompute = options->recompute};
    return thaw_program_create(graph, device, &wanted, program);
}

thaw_status thaw_cut_program(const thaw_model *model, thaw_device *device, const thaw_cut *cut,
                             const thaw_cut_options *options, thaw_program **program)
{
    thaw_program *bound;
    thaw_shape *shapes;
    THAW_TRY(bind(model, options->height, options->width, options->batch, &bound));
    thaw_status status = thaw_allocate(model->context, cut->count, sizeof *shapes, &shapes);
    if (status == THAW_OK) {
        status = create(bound->graph, device, cut, options, shapes, program);
        free(shapes);
    }
    thaw_program_destroy(&bound);
    if (status == THAW_ERR_DEVICE_MEMORY)
        return thaw_fail_within(
            model->context, status, "training on %zu images at once: a smaller batch, accumulated, does the same%s",
            options->batch, options->recompute ? "" : ", and checkpointed activations take less memory");
    return status;
}
