/* Saving: the file as it was read, with what has changed in the graph since. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/onnx.h"

/* Before this version of the format, every initializer had to be listed as an input too. */
#define IR_WITH_BARE_INITIALIZERS 4

typedef struct writer {
    onnx_arena arena;
    thaw_model *model;
    const onnx_source *source;
    const onnx_graph *original; /* source->file->graph */
    onnx_model file;            /* what will be written: shares all that has not changed with the source */
    onnx_graph graph;
    size_t first_new;     /* place of the first initializer that the source does not have */
    onnx_tensor **stored; /* [value_count]: the initializer, or NULL */
    bool *changed;        /* [value_count]: its shape may no longer be what the file says */
    thaw_dtype real_type; /* what the file's own weights are made of: new ones follow */
} writer;

/* The one floating type of the file's initializers; float32 if they have none or several. */
static thaw_dtype common_real_type(const onnx_source *source)
{
    bool found = false;
    thaw_dtype common = THAW_FLOAT32;
    for (size_t i = 0; i < source->file->graph->n_initializer; i++) {
        const thaw_dtype dtype = source->tensors[i]->dtype;
        if (!thaw_dtype_is_float(dtype))
            continue;
        if (found && dtype != common)
            return THAW_FLOAT32;
        common = dtype;
        found = true;
    }
    return common;
}

/* The file's own initializers, if they are still read: as they were, or with the tensor that took their place, or
 * that lay in another file. */
static thaw_status keep_initializers(writer *w)
{
    for (size_t i = 0; i < w->original->n_initializer; i++) {
        onnx_tensor *message = w->original->initializer[i];
        const thaw_tensor *before = w->source->tensors[i];
        const thaw_value *value = thaw_graph_find_value(w->model->graph, message->name);
        if (!value || !value->constant || !value->uses)
            continue;
        if (value->constant != before || thaw_onnx_is_external(message)) { /* all goes into one file */
            const bool both_real = thaw_dtype_is_float(before->dtype) && thaw_dtype_is_float(value->constant->dtype);
            const thaw_dtype dtype = both_real ? before->dtype : value->constant->dtype;
            THAW_TRY(thaw_onnx_make_tensor(&w->arena, value->name, value->constant, dtype, &message));
            w->changed[value->index] = !thaw_shape_equal(&before->shape, &value->constant->shape);
        }
        w->graph.initializer[w->graph.n_initializer++] = message;
        w->stored[value->index] = message;
    }
    return THAW_OK;
}

static thaw_dtype written_type(const writer *w, thaw_dtype dtype)
{
    return dtype == THAW_FLOAT32 ? w->real_type : dtype;
}

static thaw_status write_initializers(writer *w)
{
    const thaw_graph *graph = w->model->graph;
    const size_t most = w->original->n_initializer + graph->value_count;
    w->graph.n_initializer = 0;
    THAW_TRY(thaw_onnx_allocate(&w->arena, most, sizeof *w->graph.initializer, &w->graph.initializer));
    THAW_TRY(keep_initializers(w));
    w->first_new = w->graph.n_initializer;
    for (size_t i = 0; i < graph->value_count; i++) {
        const thaw_value *value = graph->values[i];
        if (!value->constant || value->producer || !value->uses || w->stored[i])
            continue;
        THAW_TRY(thaw_onnx_make_tensor(&w->arena, value->name, value->constant, written_type(w, value->constant->dtype),
                                       &w->stored[i]));
        w->graph.initializer[w->graph.n_initializer++] = w->stored[i];
    }
    return THAW_OK;
}

static bool same_inputs(const onnx_node *a, const onnx_node *b)
{
    const size_t count = a->n_input > b->n_input ? a->n_input : b->n_input;
    for (size_t i = 0; i < count; i++)
        if (strcmp(i < a->n_input ? a->input[i] : "", i < b->n_input ? b->input[i] : "") != 0)
            return false;
    return true;
}

/* A new node, one that reads something else than before, and all that hangs on these make values of new shapes. */
static void mark_changed(writer *w, const thaw_node *node, const onnx_node *before, const onnx_node *now)
{
    bool changed = !before || !same_inputs(now, before);
    for (size_t i = 0; i < node->input_count; i++)
        changed |= node->inputs[i] && w->changed[node->inputs[i]->index];
    for (size_t i = 0; i < node->output_count; i++)
        if (node->outputs[i])
            w->changed[node->outputs[i]->index] = changed;
}

static thaw_status write_nodes(writer *w)
{
    const thaw_graph *graph = w->model->graph;
    w->graph.n_node = 0;
    THAW_TRY(thaw_onnx_allocate(&w->arena, graph->node_count, sizeof *w->graph.node, &w->graph.node));
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        const onnx_node *before = node->source ? w->original->node[node->source - 1] : NULL;
        onnx_node **now = &w->graph.node[w->graph.n_node++];
        THAW_TRY(thaw_onnx_make_node(&w->arena, node, before, now));
        mark_changed(w, node, before, *now);
    }
    return THAW_OK;
}

/* What an initializer looks like as an input. */
static thaw_status describe_initializer(writer *w, const onnx_tensor *initializer, onnx_value_info **info)
{
    const thaw_value *value = thaw_graph_find_value(w->model->graph, initializer->name);
    thaw_dtype dtype = value->constant->dtype;
    const bool known = thaw_dtype_from_onnx(initializer->data_type, &dtype);
    assert(known); /* it was read, or made from a tensor */
    (void)known;
    return thaw_onnx_make_value_info(&w->arena, value->name, dtype, &value->constant->shape, info);
}

/* An input of another shape than the file's: what it makes may have another one, too. */
static void mark_inputs(writer *w)
{
    for (size_t i = 0; i < w->original->n_input; i++) {
        const thaw_value *value = thaw_graph_find_value(w->model->graph, w->original->input[i]->name);
        thaw_dtype dtype;
        thaw_shape shape;
        bool shape_known;
        if (value && value->is_input && thaw_onnx_read_type(w->original->input[i], &dtype, &shape, &shape_known) &&
            shape_known && !thaw_shape_equal(&shape, &value->shape))
            w->changed[value->index] = true;
    }
}

/* The file's inputs, without those that named an initializer that is gone. */
static thaw_status write_inputs(writer *w)
{
    const size_t most = w->original->n_input + w->graph.n_initializer;
    w->graph.n_input = 0;
    THAW_TRY(thaw_onnx_allocate(&w->arena, most, sizeof *w->graph.input, &w->graph.input));
    for (size_t i = 0; i < w->original->n_input; i++) {
        onnx_value_info *info = w->original->input[i];
        const thaw_value *value = thaw_graph_find_value(w->model->graph, info->name);
        if (!value || (!value->is_input && !w->stored[value->index]))
            continue;
        if (w->changed[value->index] && value->is_input)
            THAW_TRY(thaw_onnx_make_value_info(&w->arena, value->name, value->dtype, &value->shape, &info));
        else if (w->changed[value->index])
            THAW_TRY(describe_initializer(w, w->stored[value->index], &info));
        w->graph.input[w->graph.n_input++] = info;
    }
    if (w->file.ir_version < IR_WITH_BARE_INITIALIZERS)
        for (size_t i = w->first_new; i < w->graph.n_initializer; i++)
            THAW_TRY(describe_initializer(w, w->graph.initializer[i], &w->graph.input[w->graph.n_input++]));
    return THAW_OK;
}

static onnx_value_info *find_output(const onnx_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (graph->output[i]->name && strcmp(graph->output[i]->name, name) == 0)
            return graph->output[i];
    return NULL;
}

/* The file's own description of an output as long as it is still true. */
static thaw_status write_output(writer *w, const thaw_value *value, onnx_value_info **info)
{
    *info = find_output(w->original, value->name);
    thaw_dtype dtype = written_type(w, value->dtype);
    thaw_shape shape;
    bool shape_known;
    if (*info && thaw_onnx_read_type(*info, &dtype, &shape, &shape_known) && shape_known == value->shape_known &&
        thaw_shape_equal(&shape, &value->shape))
        return THAW_OK;
    return thaw_onnx_make_value_info(&w->arena, value->name, dtype, value->shape_known ? &value->shape : NULL, info);
}

static thaw_status write_outputs(writer *w)
{
    const thaw_graph *graph = w->model->graph;
    w->graph.n_output = graph->output_count;
    THAW_TRY(thaw_onnx_allocate(&w->arena, graph->output_count, sizeof *w->graph.output, &w->graph.output));
    for (size_t i = 0; i < graph->output_count; i++)
        THAW_TRY(write_output(w, graph->outputs[i], &w->graph.output[i]));
    return THAW_OK;
}

/* Notes on shapes inside the graph, without those that are no longer true. */
static thaw_status write_value_infos(writer *w)
{
    w->graph.n_value_info = 0;
    THAW_TRY(
        thaw_onnx_allocate(&w->arena, w->original->n_value_info, sizeof *w->graph.value_info, &w->graph.value_info));
    for (size_t i = 0; i < w->original->n_value_info; i++) {
        onnx_value_info *info = w->original->value_info[i];
        const thaw_value *value = info->name ? thaw_graph_find_value(w->model->graph, info->name) : NULL;
        if (value && !w->changed[value->index])
            w->graph.value_info[w->graph.n_value_info++] = info;
    }
    return THAW_OK;
}

static thaw_status write_metadata(writer *w)
{
    const thaw_model *model = w->model;
    w->file.n_metadata_props = 0;
    THAW_TRY(
        thaw_onnx_allocate(&w->arena, model->metadata_count, sizeof *w->file.metadata_props, &w->file.metadata_props));
    for (size_t i = 0; i < model->metadata_count; i++) {
        onnx_pair *pair;
        THAW_TRY(thaw_onnx_allocate(&w->arena, 1, sizeof *pair, &pair));
        onnx__string_string_entry_proto__init(pair);
        pair->key = model->metadata[i].key;
        pair->value = model->metadata[i].value;
        w->file.metadata_props[w->file.n_metadata_props++] = pair;
    }
    return THAW_OK;
}

static thaw_status write_messages(writer *w)
{
    const size_t values = w->model->graph->value_count;
    THAW_TRY(thaw_onnx_allocate(&w->arena, values, sizeof *w->stored, &w->stored));
    THAW_TRY(thaw_onnx_allocate(&w->arena, values, sizeof *w->changed, &w->changed));
    thaw_graph_count_uses(w->model->graph);
    w->real_type = common_real_type(w->source);
    THAW_TRY(write_initializers(w));
    mark_inputs(w);
    THAW_TRY(write_nodes(w));
    THAW_TRY(write_inputs(w));
    THAW_TRY(write_outputs(w));
    THAW_TRY(write_value_infos(w));
    return write_metadata(w);
}

/* Packed bytes go straight into the file: a model is never held twice in memory. */
typedef struct file_buffer {
    ProtobufCBuffer base;
    thaw_new_file *file;
    thaw_status status; /* of the first write that failed */
    size_t used;
    uint8_t bytes[1 << 16];
} file_buffer;

static void flush_buffer(file_buffer *buffer)
{
    if (buffer->status == THAW_OK)
        buffer->status = thaw_new_file_write(buffer->file, buffer->bytes, buffer->used);
    buffer->used = 0;
}

static void append_bytes(ProtobufCBuffer *base, size_t size, const uint8_t *bytes)
{
    file_buffer *buffer = (file_buffer *)base;
    if (size > sizeof buffer->bytes - buffer->used)
        flush_buffer(buffer);
    if (size > sizeof buffer->bytes) {
        if (buffer->status == THAW_OK)
            buffer->status = thaw_new_file_write(buffer->file, bytes, size);
    } else if (size) {
        memcpy(buffer->bytes + buffer->used, bytes, size);
        buffer->used += size;
    }
}

static thaw_status pack(writer *w, const char *path)
{
    const uint64_t size = onnx__model_proto__get_packed_size(&w->file);
    if (size > ONNX_MOST_BYTES)
        return thaw_fail(w->arena.context, THAW_ERR_SIZE,
                         "%s: %" PRIu64 " bytes are more than the 2 GiB that an ONNX file can hold", path, size);
    file_buffer *buffer;
    THAW_TRY(thaw_onnx_allocate(&w->arena, 1, sizeof *buffer, &buffer));
    buffer->base.append = append_bytes;
    THAW_TRY(thaw_new_file_open(w->arena.context, path, &buffer->file));
    onnx__model_proto__pack_to_buffer(&w->file, &buffer->base);
    flush_buffer(buffer);
    if (buffer->status == THAW_OK)
        return thaw_new_file_commit(&buffer->file);
    thaw_new_file_abandon(&buffer->file);
    return buffer->status;
}

thaw_status thaw_onnx_write(thaw_model *model, const char *path)
{
    const onnx_source *source = model->source;
    assert(source && source->file->graph);
    return thaw_onnx_write_from(model, source, path);
}

thaw_status thaw_onnx_write_from(thaw_model *model, const onnx_source *source, const char *path)
{
    writer w = {.arena = {.context = model->context},
                .model = model,
                .source = source,
                .original = source->file->graph,
                .file = *source->file,
                .graph = *source->file->graph};
    w.file.graph = &w.graph;
    thaw_status status = write_messages(&w);
    if (status == THAW_OK)
        status = pack(&w, path);
    thaw_onnx_arena_free(&w.arena);
    return status;
}
