/* Safetensors: named arrays with a JSON header. Read strictly, written so that the same content gives the same bytes.
 *
 * A file is an unsigned 64-bit length (little endian), that many bytes of JSON, and the arrays' bytes. The header maps
 * each name to {"dtype", "shape", "data_offsets": [begin, end]}, and "__metadata__" to texts. */
#ifndef THAW_FORMAT_SAFETENSORS_H
#define THAW_FORMAT_SAFETENSORS_H

#include "tensor/tensor.h"

typedef struct thaw_safetensor {
    const char *name;
    thaw_dtype dtype;
    thaw_shape shape;
    const void *data; /* little endian, row-major; in a file that was read perhaps not aligned */
    size_t bytes;
} thaw_safetensor;

typedef struct thaw_safetensors_note {
    const char *key, *value;
} thaw_safetensors_note;

/* A file that was read: everything in it lives as long as it does. */
typedef struct thaw_safetensors {
    thaw_safetensor *tensors; /* [count], in the order of their bytes */
    size_t count;
    thaw_safetensors_note *notes; /* [note_count]: __metadata__ */
    size_t note_count;
    uint8_t *bytes; /* the file */
    void *header;   /* parsed, private */
} thaw_safetensors;

/* Refuses what breaks the format's rules: duplicate or unknown keys, a header longer than the file or than 100 MB,
 * offsets that overlap, leave gaps or do not end with the file, sizes that do not fit type and shape. THAW_ERR_IO if it
 * can't be read, THAW_ERR_MODEL with the reason if it is no such file, THAW_ERR_SIZE beyond `limit_bytes`. *file is
 * empty then. */
THAW_MUST_CHECK thaw_status thaw_safetensors_read(thaw_context *context, const char *path, uint64_t limit_bytes,
                                                  thaw_safetensors *file);
/* The same from bytes in memory, without a path in the reason. `bytes` is taken over whatever happens. */
THAW_MUST_CHECK thaw_status thaw_safetensors_parse(thaw_context *context, uint8_t *bytes, size_t size,
                                                   thaw_safetensors *file);
void thaw_safetensors_free(thaw_safetensors *file);
/* NULL where there is none of that name. */
const thaw_safetensor *thaw_safetensors_find(const thaw_safetensors *file, const char *name);
const char *thaw_safetensors_note_of(const thaw_safetensors *file, const char *key);

/* Writes beside `path` and renames. Tensors go by the size of their elements, falling, then by name; the arrays begin
 * at a multiple of 8. THAW_ERR_IO; THAW_ERR_DATA for names that are not UTF-8 or occur twice. */
THAW_MUST_CHECK thaw_status thaw_safetensors_write(thaw_context *context, const char *path,
                                                   const thaw_safetensor *tensors, size_t count,
                                                   const thaw_safetensors_note *notes, size_t note_count);

#endif
