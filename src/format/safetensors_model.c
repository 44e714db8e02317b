/* Safetensors as a model file format: bare weights, whose architecture is recognised or named. What is saved from such
 * a model is ONNX, like from any other. */
#include "format/architectures/architecture.h"
#include "format/format.h"
#include "format/hub_config.h"
#include "format/metadata.h"
#include "format/onnx.h"
#include "format/weights.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* A length below 2^40 and the brace that a header must begin with: no ONNX file looks like that. */
static bool probe_file(const uint8_t *bytes, size_t size)
{
    return size > LENGTH_BYTES && !bytes[5] && !bytes[6] && !bytes[7] && bytes[LENGTH_BYTES] == '{';
}

static bool probe_index(const uint8_t *bytes, size_t size)
{
    size_t i = 0;
    while (i < size && strchr(" \t\r\n", bytes[i]) && bytes[i])
        i++;
    return i < size && bytes[i] == '{';
}

static void release(void *source)
{
    thaw_weights *weights = source;
    if (weights)
        thaw_weights_free(weights);
    free(weights);
}

/* PyTorch's own note says that the file is PyTorch's: the model is Thaw's by now. */
static thaw_status read_notes(thaw_model *model, const thaw_weights *weights)
{
    for (size_t i = 0; i < weights->files[0].note_count; i++) {
        const thaw_safetensors_note *note = &weights->files[0].notes[i];
        if (strcmp(note->key, THAW_WEIGHTS_FORMAT_NOTE) != 0 && *note->key)
            THAW_TRY(thaw_model_set_metadata(model, note->key, note->value));
    }
    return THAW_OK;
}

static thaw_status build(thaw_model *model, const thaw_weights *weights, const thaw_hub_config *config,
                         const char *architecture)
{
    const thaw_architecture *found;
    thaw_scheme scheme;
    if (!architecture)
        THAW_TRY(thaw_hub_config_architecture(config, &architecture));
    THAW_TRY(thaw_architecture_build(model->context, weights, architecture, &model->graph, &found, &scheme));
    thaw_log(model->context, THAW_LOG_INFO, "%s: %s, %s's names", model->path, found->name, thaw_scheme_text(scheme));
    THAW_TRY(read_notes(model, weights));
    THAW_TRY(thaw_model_set_metadata(model, THAW_ARCHITECTURE_KEY, found->name));
    THAW_TRY(thaw_model_set_metadata(model, THAW_SCHEME_KEY, thaw_scheme_text(scheme)));
    THAW_TRY(thaw_metadata_parse(model));
    return thaw_hub_config_apply(config, model);
}

static thaw_status build_from(thaw_model *model, const char *architecture)
{
    thaw_hub_config *config;
    THAW_TRY(thaw_hub_config_read(model->context, model->path, &config));
    const thaw_status status = build(model, model->source, config, architecture);
    thaw_hub_config_free(&config);
    return status;
}

static thaw_status make_source(thaw_model *model, uint8_t *bytes, thaw_weights **weights)
{
    const thaw_status status = thaw_allocate(model->context, 1, sizeof **weights, weights);
    if (status != THAW_OK)
        free(bytes);
    model->source = *weights;
    return status;
}

static thaw_status read_file(thaw_model *model, uint8_t *bytes, size_t size, const char *architecture)
{
    thaw_weights *weights;
    THAW_TRY(make_source(model, bytes, &weights));
    THAW_TRY(thaw_weights_read_file(model->context, bytes, size, weights));
    return build_from(model, architecture);
}

static thaw_status read_index(thaw_model *model, uint8_t *bytes, size_t size, const char *architecture)
{
    thaw_weights *weights;
    THAW_TRY(make_source(model, bytes, &weights));
    THAW_TRY(thaw_weights_read_index(model->context, model->path, bytes, size, weights));
    return build_from(model, architecture);
}

const thaw_format thaw_format_safetensors = {
    .name = "safetensors", .probe = probe_file, .read = read_file, .write = thaw_onnx_write_new, .release = release};
const thaw_format thaw_format_safetensors_index = {.name = "safetensors index",
                                                   .probe = probe_index,
                                                   .read = read_index,
                                                   .write = thaw_onnx_write_new,
                                                   .release = release};

static thaw_status make_up(thaw_model *model, const char *architecture, uint64_t seed)
{
    model->format = &thaw_format_safetensors;
    THAW_TRY(thaw_copy_text(model->context, architecture, &model->path));
    return thaw_architecture_invent(model->context, architecture, seed, &model->graph);
}

thaw_status thaw_model_invent(thaw_context *context, const char *architecture, uint64_t seed, thaw_model **model)
{
    thaw_model *made;
    *model = NULL;
    THAW_TRY(thaw_allocate(context, 1, sizeof *made, &made));
    made->context = context;
    const thaw_status status = make_up(made, architecture, seed);
    if (status != THAW_OK)
        thaw_model_close(&made);
    *model = made;
    return status;
}
