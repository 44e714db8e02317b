/* A model's weights as safetensors: without the graph, as PyTorch keeps its models. */
#include "format/architectures/architecture.h"
#include "format/metadata.h"
#include "format/weights.h"

#include <stdlib.h>
#include <string.h>

#define NEW_HEAD "thaw_head" /* as model/head.c calls the layer that it makes */

/* Numbers that are no weights (shapes, bounds of a Clip) are integers or single. */
static bool is_weight(const thaw_value *value)
{
    return value->constant && !value->producer && value->uses && thaw_dtype_is_float(value->constant->dtype) &&
           value->constant->shape.rank > 0;
}

/* A head that Thaw has put in is called what the architecture calls its own, so that the file can be read as one of
 * that architecture again: `head` is that name, or "". */
static thaw_status written_name(thaw_context *context, const thaw_value *value, const char *head, char **name)
{
    const size_t length = strlen(NEW_HEAD ".");
    thaw_text text = {0};
    if (!*head || strncmp(value->name, NEW_HEAD ".", length) != 0)
        return thaw_copy_text(context, value->name, name);
    thaw_text_append(&text, "%s.%s", head, value->name + length);
    *name = text.data;
    return text.failed ? thaw_fail(context, THAW_ERR_MEMORY, "out of memory") : THAW_OK;
}

static thaw_status find_head(const thaw_model *model, char head[THAW_HEAD_BYTES])
{
    const char *name = thaw_model_metadata(model, THAW_ARCHITECTURE_KEY);
    const char *scheme = thaw_model_metadata(model, THAW_SCHEME_KEY);
    head[0] = '\0';
    return name && scheme ? thaw_architecture_head(model->context, name, scheme, head) : THAW_OK;
}

/* Names are the caller's to free. */
static thaw_status collect(const thaw_model *model, thaw_safetensor *tensors, char **names, size_t *count)
{
    char head[THAW_HEAD_BYTES];
    THAW_TRY(find_head(model, head));
    for (size_t i = 0; i < model->graph->value_count; i++) {
        const thaw_value *value = model->graph->values[i];
        if (!is_weight(value))
            continue;
        const thaw_tensor *tensor = value->constant;
        THAW_TRY(written_name(model->context, value, head, &names[*count]));
        tensors[*count] = (thaw_safetensor){names[*count], tensor->dtype, tensor->shape, tensor->data, tensor->bytes};
        (*count)++;
    }
    return *count ? THAW_OK : thaw_fail(model->context, THAW_ERR_MODEL, "%s: it has no weights", model->path);
}

static thaw_status write(thaw_model *model, const char *path, const thaw_safetensor *tensors, size_t count)
{
    thaw_safetensors_note *notes;
    size_t note_count = 0;
    THAW_TRY(thaw_allocate(model->context, model->metadata_count + 1, sizeof *notes, &notes));
    notes[note_count++] = (thaw_safetensors_note){THAW_WEIGHTS_FORMAT_NOTE, "pt"}; /* what other readers ask for */
    for (size_t i = 0; i < model->metadata_count; i++)
        if (strcmp(model->metadata[i].key, THAW_WEIGHTS_FORMAT_NOTE) != 0)
            notes[note_count++] = (thaw_safetensors_note){model->metadata[i].key, model->metadata[i].value};
    const thaw_status status = thaw_safetensors_write(model->context, path, tensors, count, notes, note_count);
    free(notes);
    return status;
}

thaw_status thaw_model_save_weights(thaw_model *model, const char *path)
{
    const size_t most = model->graph->value_count;
    thaw_safetensor *tensors = NULL;
    char **names = NULL;
    size_t count = 0;
    thaw_graph_count_uses(model->graph);
    thaw_status status = thaw_allocate(model->context, most, sizeof *tensors, &tensors);
    if (status == THAW_OK)
        status = thaw_allocate(model->context, most, sizeof *names, &names);
    if (status == THAW_OK)
        status = collect(model, tensors, names, &count);
    if (status == THAW_OK)
        status = write(model, path, tensors, count);
    for (size_t i = 0; names && i < most; i++)
        free(names[i]);
    free(names);
    free(tensors);
    return status;
}
