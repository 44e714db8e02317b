#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"

/* A file that claims more is damaged; no machine of today has it. */
#define MOST_BYTES ((size_t)(PTRDIFF_MAX < 1ll << 40 ? PTRDIFF_MAX : 1ll << 40))

thaw_status thaw_allocate(thaw_context *context, size_t count, size_t size, void *out)
{
    void *memory = NULL;
    memcpy(out, &memory, sizeof memory); /* `out` is a T **: memcpy keeps within the aliasing rules */
    if (size && count > MOST_BYTES / size)
        return thaw_fail(context, THAW_ERR_SIZE, "%zu elements of %zu bytes are more than memory can hold", count,
                         size);
    memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        return thaw_fail(context, THAW_ERR_MEMORY, "out of memory: %zu bytes were asked for", count * size);
    memcpy(out, &memory, sizeof memory);
    return THAW_OK;
}

thaw_status thaw_reserve(thaw_context *context, void *array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return THAW_OK;
    size_t wanted = *capacity > SIZE_MAX / 2 ? needed : *capacity * 2;
    if (wanted < needed)
        wanted = needed;
    if (wanted < 8)
        wanted = 8;
    if (wanted > MOST_BYTES / size)
        return thaw_fail(context, THAW_ERR_SIZE, "%zu elements of %zu bytes are more than memory can hold", needed,
                         size);
    char *memory;
    memcpy(&memory, array, sizeof memory);
    const bool fresh = memory == NULL; /* then calloc knows what is zero without touching it */
    memory = fresh ? calloc(wanted, size) : realloc(memory, wanted * size);
    if (!memory)
        return thaw_fail(context, THAW_ERR_MEMORY, "out of memory: %zu bytes were asked for", wanted * size);
    if (!fresh)
        memset(memory + *capacity * size, 0, (wanted - *capacity) * size);
    memcpy(array, &memory, sizeof memory);
    *capacity = wanted;
    return THAW_OK;
}

thaw_status thaw_copy_text(thaw_context *context, const char *text, char **out)
{
    const size_t bytes = strlen(text) + 1;
    THAW_TRY(thaw_allocate(context, bytes, 1, out));
    memcpy(*out, text, bytes);
    return THAW_OK;
}

bool thaw_multiply(int64_t a, int64_t b, int64_t *product)
{
    if (a < 0 || b < 0 || (b > 0 && a > INT64_MAX / b))
        return false;
    *product = a * b;
    return true;
}
