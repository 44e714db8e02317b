/* Allocation with overflow checks and a reason on failure. Memory comes zeroed and goes with free(). */
#ifndef THAW_BASE_MEMORY_H
#define THAW_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <thaw/status.h>

/* count * size bytes, zeroed; count 0 gives one unused byte, never NULL. *out is NULL on failure.
 * THAW_ERR_SIZE on overflow, THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_allocate(thaw_context *context, size_t count, size_t size, void *out);

/* Grows *array (element `size`) so that it holds at least `needed` elements; *capacity is kept up to date. */
THAW_MUST_CHECK thaw_status thaw_reserve(thaw_context *context, void *array, size_t *capacity, size_t needed,
                                         size_t size);

/* A copy of the text. */
THAW_MUST_CHECK thaw_status thaw_copy_text(thaw_context *context, const char *text, char **out);

/* False on overflow or a negative factor. */
bool thaw_multiply(int64_t a, int64_t b, int64_t *product);
static inline int64_t thaw_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
/* a / b rounded up, for a >= 0 and b > 0. */
static inline int64_t thaw_divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

#endif
