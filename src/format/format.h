/* Model file formats. A format is one table entry; content decides which. */
#ifndef THAW_FORMAT_FORMAT_H
#define THAW_FORMAT_FORMAT_H

#include "model/model.h"

typedef struct thaw_format {
    const char *name;
    /* Could these first bytes be such a file? */
    bool (*probe)(const uint8_t *bytes, size_t size);
    /* Fills model->graph (finished), metadata and source from the file's bytes. Takes `bytes` over whatever happens
     * (freed with free()). */
    thaw_status (*read)(thaw_model *model, uint8_t *bytes, size_t size);
    /* Writes the model: nodes and values of model->graph that are not in the source are new, source nodes that are not
     * in model->graph are dropped, constants and metadata are brought up to date; all else as it was read. */
    thaw_status (*write)(thaw_model *model, const char *path);
    void (*release)(void *source);
} thaw_format;

extern const thaw_format thaw_format_onnx;

#endif
