/* From the messages of an ONNX file to a graph. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/onnx.h"

#define OLDEST_OPSET 6
#define NEWEST_OPSET 26 /* that the operators were written against */

static const char *text_of(const char *text)
{
    return text ? text : "";
}

bool thaw_onnx_read_type(const onnx_value_info *info, thaw_dtype *dtype, thaw_shape *shape, bool *shape_known)
{
    *shape = (thaw_shape){0};
    *shape_known = false;
    const onnx_tensor_type *type = info->type ? info->type->tensor_type : NULL;
    if (!type || !thaw_dtype_from_onnx(type->elem_type, dtype))
        return false;
    if (!type->shape || type->shape->n_dim > THAW_MAX_RANK)
        return true;
    shape->rank = (int32_t)type->shape->n_dim;
    for (int32_t i = 0; i < shape->rank; i++) {
        const onnx_dimension *dim = type->shape->dim[i];
        const bool fixed =
            dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;
        shape->dims[i] = fixed ? dim->dim_value : -1;
    }
    *shape_known = true;
    return true;
}

static thaw_status read_opset(thaw_graph *graph, const onnx_model *file)
{
    graph->opset = 0;
    for (size_t i = 0; i < file->n_opset_import; i++) {
        const char *domain = text_of(file->opset_import[i]->domain);
        if (!*domain || strcmp(domain, "ai.onnx") == 0)
            graph->opset = file->opset_import[i]->version;
    }
    if (graph->opset <= 0)
        return thaw_fail(graph->context, THAW_ERR_MODEL, "names no version of ONNX's operators (opset_import)");
    if (graph->opset < OLDEST_OPSET)
        return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED,
                         "opset %" PRId64
                         " is too old, %d is the oldest supported: convert it with onnx.version_converter",
                         graph->opset, OLDEST_OPSET);
    if (graph->opset > NEWEST_OPSET)
        thaw_log(graph->context, THAW_LOG_WARNING, "opset %" PRId64 " is newer than %d: operators may have changed",
                 graph->opset, NEWEST_OPSET);
    return THAW_OK;
}

static thaw_status read_initializers(thaw_graph *graph, onnx_source *source, const char *folder)
{
    const onnx_graph *file = source->file->graph;
    if (file->n_sparse_initializer)
        return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED, "sparse initializers are not supported");
    THAW_TRY(thaw_allocate(graph->context, file->n_initializer, sizeof *source->tensors, &source->tensors));
    for (size_t i = 0; i < file->n_initializer; i++) {
        const char *name = text_of(file->initializer[i]->name);
        if (!*name)
            return thaw_fail(graph->context, THAW_ERR_MODEL, "initializer %zu has no name", i);
        thaw_tensor *tensor;
        THAW_TRY(thaw_onnx_read_tensor(graph->context, folder, file->initializer[i], &tensor));
        source->tensors[i] = tensor;
        thaw_value *value;
        THAW_TRY(thaw_graph_add_value(graph, name, &value));
        value->constant = thaw_tensor_retain(tensor);
        value->dtype = tensor->dtype;
        value->shape = tensor->shape;
        value->shape_known = true;
    }
    return THAW_OK;
}

/* With the model's folder at hand, where other files of it may lie. */
static thaw_status read_weights(const thaw_model *model, onnx_source *source)
{
    char *folder;
    THAW_TRY(thaw_copy_text(model->context, model->path, &folder));
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const thaw_status status = read_initializers(model->graph, source, slash ? folder : ".");
    free(folder);
    return status;
}

static thaw_status refuse_type(const thaw_graph *graph, const onnx_value_info *info)
{
    const onnx_tensor_type *type = info->type ? info->type->tensor_type : NULL;
    const char *name = type ? thaw_onnx_foreign_type(type->elem_type) : NULL;
    if (name)
        return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED, "input '%s' is of type %s, which is not supported",
                         info->name, name);
    return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED, "input '%s' is not a tensor of numbers", info->name);
}

static thaw_status read_input(thaw_graph *graph, const onnx_value_info *info)
{
    const char *name = text_of(info->name);
    if (!*name)
        return thaw_fail(graph->context, THAW_ERR_MODEL, "an input has no name");
    const thaw_value *initialized = thaw_graph_find_value(graph, name);
    if (initialized && initialized->constant)
        return THAW_OK; /* its value is in the file */
    thaw_value *value;
    THAW_TRY(thaw_graph_add_value(graph, name, &value));
    if (!thaw_onnx_read_type(info, &value->dtype, &value->shape, &value->shape_known))
        return refuse_type(graph, info);
    const onnx_shape *shape = info->type->tensor_type->shape;
    if (shape && shape->n_dim > THAW_MAX_RANK)
        return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED,
                         "input '%s' has %zu dimensions, at most %d are supported", name, shape->n_dim, THAW_MAX_RANK);
    return thaw_graph_add_input(graph, value);
}

static thaw_status read_inputs(thaw_graph *graph, const onnx_graph *file)
{
    for (size_t i = 0; i < file->n_input; i++)
        THAW_TRY(read_input(graph, file->input[i]));
    if (graph->input_count) {
        const thaw_shape *shape = &graph->inputs[0]->shape;
        graph->file_batch = shape->rank >= 2 && shape->dims[0] > 0 ? shape->dims[0] : 0;
    }
    return THAW_OK;
}

/* The value of that name, made if need be; NULL for the empty name. */
static thaw_status find_or_add(thaw_graph *graph, const char *name, thaw_value **value)
{
    *value = NULL;
    if (!*name)
        return THAW_OK;
    *value = thaw_graph_find_value(graph, name);
    return *value ? THAW_OK : thaw_graph_add_value(graph, name, value);
}

/* How many names there are without the empty ones at the end. */
static size_t used_names(char *const *names, size_t count)
{
    while (count && !*names[count - 1])
        count--;
    return count;
}

static thaw_status connect_output(thaw_node *node, size_t index, const char *name)
{
    thaw_value *value;
    THAW_TRY(find_or_add(node->graph, name, &value));
    if (value && (value->producer || value->constant || value->is_input))
        return thaw_node_fail(node, THAW_ERR_MODEL, "makes '%s', which exists already", name);
    thaw_node_set_output_value(node, index, value);
    return THAW_OK;
}

static thaw_status read_node(thaw_graph *graph, const onnx_node *file, size_t place)
{
    const size_t inputs = used_names(file->input, file->n_input), outputs = used_names(file->output, file->n_output);
    thaw_node *node;
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find(file->op_type), text_of(file->name), inputs, outputs, &node));
    node->source = place + 1;
    for (size_t i = 0; i < inputs; i++) {
        thaw_value *value;
        THAW_TRY(find_or_add(graph, file->input[i], &value));
        thaw_node_set_input(node, i, value);
    }
    for (size_t i = 0; i < outputs; i++)
        THAW_TRY(connect_output(node, i, file->output[i]));
    for (size_t i = 0; i < file->n_attribute; i++)
        THAW_TRY(thaw_onnx_read_attribute(node, file->attribute[i]));
    return THAW_OK;
}

static thaw_status read_outputs(thaw_graph *graph, const onnx_graph *file)
{
    for (size_t i = 0; i < file->n_output; i++) {
        const char *name = text_of(file->output[i]->name);
        thaw_value *value = thaw_graph_find_value(graph, name);
        if (!value)
            return thaw_fail(graph->context, THAW_ERR_MODEL, "nothing makes the output '%s'", name);
        for (size_t j = 0; j < graph->output_count; j++)
            if (graph->outputs[j] == value)
                return thaw_fail(graph->context, THAW_ERR_MODEL, "the output '%s' is listed twice", name);
        THAW_TRY(thaw_graph_add_output(graph, value));
    }
    return THAW_OK;
}

/* What the file says about values that nodes make. */
static void read_infos(thaw_graph *graph, onnx_value_info *const *infos, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        thaw_value *value = thaw_graph_find_value(graph, text_of(infos[i]->name));
        thaw_dtype dtype;
        thaw_shape shape;
        bool shape_known;
        if (!value || !value->producer || !thaw_onnx_read_type(infos[i], &dtype, &shape, &shape_known))
            continue;
        value->dtype = dtype;
        value->shape = shape;
        value->shape_known = shape_known;
    }
}

thaw_status thaw_onnx_read_graph(thaw_model *model, onnx_source *source)
{
    thaw_context *context = model->context;
    const onnx_graph *file = source->file->graph;
    if (!file)
        return thaw_fail(context, THAW_ERR_MODEL, "not an ONNX file, or cut short: there is no graph in it");
    if (!file->n_node || !file->n_output)
        return thaw_fail(context, THAW_ERR_MODEL, "its graph has no %s", file->n_node ? "outputs" : "nodes");
    THAW_TRY(thaw_graph_create(context, &model->graph));
    THAW_TRY(read_opset(model->graph, source->file));
    THAW_TRY(thaw_onnx_check_operators(context, file));
    THAW_TRY(read_weights(model, source));
    THAW_TRY(read_inputs(model->graph, file));
    for (size_t i = 0; i < file->n_node; i++)
        THAW_TRY(read_node(model->graph, file->node[i], i));
    THAW_TRY(read_outputs(model->graph, file));
    read_infos(model->graph, file->value_info, file->n_value_info);
    read_infos(model->graph, file->output, file->n_output);
    return thaw_graph_finish(model->graph);
}
