/* Model file formats. A format is one table entry; content decides which. */
#ifndef THAW_FORMAT_FORMAT_H
#define THAW_FORMAT_FORMAT_H

#include "model/model.h"

typedef struct thaw_format {
    const char *name;
    /* Could these first bytes be such a file? */
    bool (*probe)(const uint8_t *bytes, size_t size);
    /* Fills model->graph (finished), metadata (parsed) and source from the file's bytes; model->path is set. Takes
     * `bytes` over whatever happens (freed with free()). `architecture` is what bare weights are of, NULL: not said. */
    thaw_status (*read)(thaw_model *model, uint8_t *bytes, size_t size, const char *architecture);
    /* Writes the model: nodes and values of model->graph that are not in the source are new, source nodes that are not
     * in model->graph are dropped, constants and metadata are brought up to date; all else as it was read. */
    thaw_status (*write)(thaw_model *model, const char *path);
    void (*release)(void *source);
} thaw_format;

/* A model of a built-in architecture whose weights are made up from the seed: for measuring. It can be saved as one of
 * bare weights can. THAW_ERR_USAGE for a name that does not exist, with all that do; THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_model_invent(thaw_context *context, const char *architecture, uint64_t seed,
                                              thaw_model **model);

extern const thaw_format thaw_format_safetensors, thaw_format_safetensors_index, thaw_format_onnx;

#endif
