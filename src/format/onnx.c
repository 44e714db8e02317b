/* ONNX as a model file format. */
#include "format/metadata.h"
#include "format/onnx.h"

#include <stdlib.h>

/* Every field of the outermost message, by its number: 0 a number, 2 bytes. */
static bool is_model_field(unsigned field, unsigned wire_type)
{
    switch (field) {
    case 1: /* ir_version */
    case 5: /* model_version */
        return wire_type == 0;
    case 2:  /* producer_name */
    case 3:  /* producer_version */
    case 4:  /* domain */
    case 6:  /* doc_string */
    case 7:  /* graph */
    case 8:  /* opset_import */
    case 14: /* metadata_props */
        return wire_type == 2;
    default:
        return false;
    }
}

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 2 && is_model_field(bytes[0] >> 3, bytes[0] & 7u);
}

static void release(void *source)
{
    onnx_source *onnx = source;
    if (!onnx)
        return;
    if (onnx->tensors)
        for (size_t i = 0; i < onnx->file->graph->n_initializer; i++)
            thaw_tensor_release(&onnx->tensors[i]);
    free(onnx->tensors);
    if (onnx->file)
        onnx__model_proto__free_unpacked(onnx->file, NULL);
    free(onnx);
}

static thaw_status read_metadata(thaw_model *model, const onnx_model *file)
{
    for (size_t i = 0; i < file->n_metadata_props; i++) {
        const onnx_pair *pair = file->metadata_props[i];
        if (pair->key && *pair->key)
            THAW_TRY(thaw_model_set_metadata(model, pair->key, pair->value ? pair->value : ""));
    }
    return THAW_OK;
}

static thaw_status read_model(thaw_model *model, uint8_t *bytes, size_t size, const char *architecture)
{
    onnx_source *source;
    if (architecture) {
        free(bytes);
        return thaw_fail(model->context, THAW_ERR_USAGE,
                         "an ONNX file says itself what it computes: name no architecture");
    }
    const thaw_status status = thaw_allocate(model->context, 1, sizeof *source, &source);
    if (status == THAW_OK)
        source->file = onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    if (status != THAW_OK)
        return status;
    model->source = source;
    if (!source->file)
        return thaw_fail(model->context, THAW_ERR_MODEL, "not an ONNX file, or a damaged one");
    THAW_TRY(thaw_onnx_read_graph(model, source));
    THAW_TRY(read_metadata(model, source->file));
    return thaw_metadata_parse(model);
}

const thaw_format thaw_format_onnx = {
    .name = "ONNX", .probe = probe, .read = read_model, .write = thaw_onnx_write, .release = release};
