/* Models from files and back, whatever the format. */
#include <stdlib.h>

#include "base/file.h"
#include "format/format.h"
#include "format/metadata.h"

#define MOST_FILE_BYTES ((uint64_t)INT32_MAX) /* ONNX files can't be larger */

static const thaw_format *const formats[] = {&thaw_format_onnx};

static const thaw_format *find_format(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->probe(bytes, size))
            return formats[i];
    return NULL;
}

/* Takes `bytes` over. */
static thaw_status read_bytes(thaw_model *model, uint8_t *bytes, size_t size)
{
    model->format = find_format(bytes, size);
    if (!model->format) {
        free(bytes);
        return thaw_fail(model->context, THAW_ERR_MODEL, size ? "not an ONNX file" : "the file is empty");
    }
    THAW_TRY(model->format->read(model, bytes, size));
    return thaw_metadata_parse(model);
}

thaw_status thaw_model_load(thaw_context *context, const char *path, thaw_model **model)
{
    *model = NULL;
    uint8_t *bytes;
    size_t size;
    THAW_TRY(thaw_file_read(context, path, MOST_FILE_BYTES, &bytes, &size));
    thaw_model *made;
    thaw_status status = thaw_allocate(context, 1, sizeof *made, &made);
    if (status != THAW_OK) {
        free(bytes);
        return status;
    }
    made->context = context;
    status = thaw_copy_text(context, path, &made->path); /* a format may look for files beside it */
    if (status == THAW_OK)
        status = read_bytes(made, bytes, size);
    else
        free(bytes);
    if (status != THAW_OK) {
        thaw_model_close(&made);
        return thaw_fail_within(context, status, "%s", path);
    }
    *model = made;
    return THAW_OK;
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
