#include "model/bind.h"

#include <stdio.h>
#include <stdlib.h>

/* What a graph input of the file's shape becomes: open dimensions of an image input are filled in. */
static thaw_shape bound_shape(const thaw_value *value, const thaw_program_options *options)
{
    thaw_shape shape = value->shape;
    if (shape.rank == 0)
        return shape;
    if (options->batch)
        shape.dims[0] = options->batch;
    else if (shape.dims[0] < 0)
        shape.dims[0] = 1;
    if (shape.rank == 4) {
        const int32_t given[2] = {options->height, options->width};
        for (int32_t i = 0; i < 2; i++)
            if (given[i])
                shape.dims[2 + i] = given[i];
            else if (shape.dims[2 + i] < 0)
                shape.dims[2 + i] = 224;
    }
    return shape;
}

static thaw_status bind_input(thaw_graph *graph, size_t index, const thaw_program_options *options)
{
    thaw_value *value = graph->inputs[index];
    if (options->constants && options->constants[index]) {
        value->constant = thaw_tensor_retain(options->constants[index]);
        value->dtype = value->constant->dtype;
        value->shape = value->constant->shape;
    } else if (options->shapes) {
        value->shape = options->shapes[index];
    } else if (value->shape_known) {
        value->shape = bound_shape(value, options);
    } else {
        return thaw_fail(graph->context, THAW_ERR_MODEL, "the shape of input '%s' is not known", value->name);
    }
    value->shape_known = true;
    for (int32_t i = 0; i < value->shape.rank; i++)
        if (value->shape.dims[i] < 0)
            return thaw_fail(graph->context, THAW_ERR_SHAPE, "dimension %d of input '%s' is open: give its size", i,
                             value->name);
    int64_t count;
    return thaw_shape_count(graph->context, &value->shape, &count);
}

static bool is_constant(const thaw_value *value)
{
    return value->constant && !value->trainable && !value->updated;
}

/* Can the host compute it now? */
static bool foldable(const thaw_node *node)
{
    if (!node->op->fold)
        return false;
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && !is_constant(node->inputs[i]) && !(node->op->flags & THAW_OP_READS_SHAPE))
            return false;
    return true;
}

static thaw_status bind_node(thaw_node *node, thaw_text *unsupported)
{
    thaw_context *context = thaw_node_context(node);
    const bool fold = foldable(node);
    if (!fold && !node->op->forward && !(node->op->flags & THAW_OP_VIEW)) {
        thaw_text_append(unsupported, "%s%s (%s)", unsupported->length ? ", " : "", node->name, node->op->onnx_type);
        return THAW_OK;
    }
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && node->inputs[i]->constant) {
            node->inputs[i]->dtype = node->inputs[i]->constant->dtype;
            node->inputs[i]->shape = node->inputs[i]->constant->shape;
            node->inputs[i]->shape_known = true;
        } else if (node->inputs[i] && !node->inputs[i]->shape_known) {
            return thaw_fail(context, THAW_ERR_UNSUPPORTED, "the shape of '%s' depends on the unsupported %s",
                             node->inputs[i]->name, unsupported->length ? unsupported->data : "part of the graph");
        }
    THAW_TRY(node->op->infer(node));
    if (!fold)
        return THAW_OK;
    THAW_TRY(node->op->fold(node));
    node->removed = true;
    return THAW_OK;
}

/* A batch that the file has in constants, other than as the first number of a Reshape's target, can't be another one.
 */
static thaw_status hint_at_batch(const thaw_graph *graph, thaw_status status)
{
    char reason[512];
    const int64_t own = graph->file_batch;
    if ((status != THAW_ERR_SHAPE && status != THAW_ERR_MODEL) || own == 0 || own == graph->batch)
        return status;
    snprintf(reason, sizeof reason, "%s", thaw_error_message(graph->context));
    return thaw_fail(graph->context, status,
                     "%s (a batch of %lld, and the file is made for %lld: take that, or export it with an open batch)",
                     reason, (long long)graph->batch, (long long)own);
}

thaw_status thaw_graph_bind(thaw_graph *graph, const thaw_program_options *options)
{
    for (size_t i = 0; i < graph->input_count; i++)
        THAW_TRY(bind_input(graph, i, options));
    graph->batch = options->batch;
    if (!graph->batch && graph->input_count && graph->inputs[0]->shape.rank)
        graph->batch = graph->inputs[0]->shape.dims[0];
    thaw_text unsupported = {0};
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < graph->node_count && status == THAW_OK; i++)
        status = hint_at_batch(graph, bind_node(graph->nodes[i], &unsupported));
    if (status == THAW_OK && unsupported.length)
        status = thaw_fail(graph->context, THAW_ERR_UNSUPPORTED,
                           "only computed from constants, but read run-time values: %s", unsupported.data);
    thaw_text_free(&unsupported);
    if (status == THAW_OK)
        thaw_graph_sweep(graph);
    return status;
}
