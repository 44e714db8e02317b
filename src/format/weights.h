/* The tensors of a model as safetensors keep them: in one file, or in several with an index. */
#ifndef THAW_FORMAT_WEIGHTS_H
#define THAW_FORMAT_WEIGHTS_H

#include "format/safetensors.h"

typedef struct thaw_weights {
    thaw_safetensors *files; /* [file_count] */
    size_t file_count;
    const thaw_safetensor **tensors; /* [count], by name; they live in the files */
    size_t count;
} thaw_weights;

/* Takes `bytes`, a whole safetensors file, over whatever happens. THAW_ERR_MODEL. */
THAW_MUST_CHECK thaw_status thaw_weights_read_file(thaw_context *context, uint8_t *bytes, size_t size,
                                                   thaw_weights *weights);
/* The same for an index: {"weight_map": {tensor: file beside the index}}. Every tensor must be where the index says,
 * and every tensor of these files in the index. THAW_ERR_MODEL; THAW_ERR_IO where a file can't be read. */
THAW_MUST_CHECK thaw_status thaw_weights_read_index(thaw_context *context, const char *path, uint8_t *bytes,
                                                    size_t size, thaw_weights *weights);
void thaw_weights_free(thaw_weights *weights);
/* Its place in weights->tensors; weights->count where there is none of that name. */
size_t thaw_weights_find(const thaw_weights *weights, const char *name);

#endif
