/* Models from files and back, whatever the format. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/format.h"
#include "format/metadata.h"

#define MOST_FILE_BYTES ((uint64_t)INT32_MAX) /* ONNX files can't be larger */

static const thaw_format *const formats[] = {&thaw_format_safetensors, &thaw_format_safetensors_index,
                                             &thaw_format_onnx};

/* What a folder from a hub may hold, in the order in which it is looked for. */
static const char *const hub_files[] = {"model.safetensors", "model.safetensors.index.json", "model.onnx"};

static const thaw_format *find_format(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->probe(bytes, size))
            return formats[i];
    return NULL;
}

/* Takes `bytes` over. */
static thaw_status read_bytes(thaw_model *model, uint8_t *bytes, size_t size, const char *architecture)
{
    model->format = find_format(bytes, size);
    if (model->format)
        return model->format->read(model, bytes, size, architecture);
    free(bytes);
    return thaw_fail(model->context, THAW_ERR_MODEL,
                     size ? "neither an ONNX nor a safetensors file" : "the file is empty");
}

/* The model file in a folder; `path` itself where that is none. */
static thaw_status find_file(thaw_context *context, const char *path, char **found)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode))
        return thaw_copy_text(context, path, found);
    for (size_t i = 0; i < sizeof hub_files / sizeof hub_files[0]; i++) {
        thaw_text text = {0};
        const size_t length = strlen(path);
        thaw_text_append(&text, "%s%s%s", path, length && path[length - 1] == '/' ? "" : "/", hub_files[i]);
        if (text.failed)
            return thaw_fail(context, THAW_ERR_MEMORY, "out of memory");
        if (stat(text.data, &facts) == 0) {
            *found = text.data;
            return THAW_OK;
        }
        thaw_text_free(&text);
    }
    return thaw_fail(context, THAW_ERR_IO, "%s: a folder without %s, %s or %s", path, hub_files[0], hub_files[1],
                     hub_files[2]);
}

static thaw_status load(thaw_model *model, const char *path, const char *architecture)
{
    uint8_t *bytes;
    size_t size;
    THAW_TRY(find_file(model->context, path, &model->path));
    THAW_TRY(thaw_file_read(model->context, model->path, MOST_FILE_BYTES, &bytes, &size));
    const thaw_status status = read_bytes(model, bytes, size, architecture);
    return status == THAW_OK ? THAW_OK : thaw_fail_within(model->context, status, "%s", model->path);
}

thaw_status thaw_model_load_as(thaw_context *context, const char *path, const char *architecture, thaw_model **model)
{
    *model = NULL;
    thaw_model *made;
    THAW_TRY(thaw_allocate(context, 1, sizeof *made, &made));
    made->context = context;
    const thaw_status status = load(made, path, architecture);
    if (status != THAW_OK)
        thaw_model_close(&made);
    *model = made;
    return status;
}

thaw_status thaw_model_load(thaw_context *context, const char *path, thaw_model **model)
{
    return thaw_model_load_as(context, path, NULL, model);
}

thaw_status thaw_model_save(thaw_model *model, const char *path)
{
    return model->format->write(model, path);
}

void thaw_model_close(thaw_model **model)
{
    if (!model || !*model)
        return;
    thaw_model *closed = *model;
    thaw_graph_destroy(&closed->graph); /* before the source, whose memory its tensors borrow */
    if (closed->format)
        closed->format->release(closed->source);
    thaw_metadata_free(closed);
    free(closed->path);
    free(closed);
    *model = NULL;
}

size_t thaw_model_input_count(const thaw_model *model)
{
    return model->graph->input_count;
}

const char *thaw_model_input_name(const thaw_model *model, size_t index)
{
    return index < model->graph->input_count ? model->graph->inputs[index]->name : NULL;
}

size_t thaw_model_output_count(const thaw_model *model)
{
    return model->graph->output_count;
}

const char *thaw_model_output_name(const thaw_model *model, size_t index)
{
    return index < model->graph->output_count ? model->graph->outputs[index]->name : NULL;
}
