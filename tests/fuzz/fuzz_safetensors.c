/* The safetensors reader: whatever it accepts must lie inside the file. */
#include "fuzz_file.h"

#include "format/safetensors.h"

#include <stdlib.h>

enum { MOST_BYTES = 1 << 24 };

static unsigned sum_of(const thaw_safetensor *tensor)
{
    unsigned sum = 0;
    for (size_t i = 0; i < tensor->bytes; i++)
        sum += ((const uint8_t *)tensor->data)[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    thaw_safetensors file;
    volatile unsigned sum = 0;
    if (thaw_safetensors_read(fuzz_context(), fuzz_file(bytes, size), MOST_BYTES, &file) != THAW_OK)
        return 0;
    for (size_t i = 0; i < file.count; i++) {
        sum += sum_of(&file.tensors[i]);
        if (!thaw_safetensors_find(&file, file.tensors[i].name))
            abort();
    }
    thaw_safetensors_free(&file);
    return 0;
}
