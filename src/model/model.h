/* The model: a graph as it stands in its file, and what the file says beside it. */
#ifndef THAW_MODEL_MODEL_H
#define THAW_MODEL_MODEL_H

#include <thaw/model.h>
#include "model/graph.h"

/* A change to be made in the file when it is saved: see format/format.h. */
typedef struct thaw_metadata {
    char *key, *value;
} thaw_metadata;

struct thaw_model {
    thaw_context *context;
    char *path; /* as loaded, for messages */
    thaw_graph *graph;
    thaw_metadata *metadata; /* [metadata_count], from the file and set since */
    size_t metadata_count, metadata_capacity;
    char **classes; /* parsed from metadata "thaw.classes" */
    size_t class_count;
    bool has_preprocess;
    thaw_preprocess preprocess;       /* parsed from metadata "thaw.preprocess" */
    const struct thaw_format *format; /* who read it, and will write it */
    void *source;                     /* the format's own: the file's content, kept for saving */
};

const char *thaw_model_metadata(const thaw_model *model, const char *key); /* NULL where absent */
THAW_MUST_CHECK thaw_status thaw_model_set_metadata(thaw_model *model, const char *key, const char *value);

#endif
