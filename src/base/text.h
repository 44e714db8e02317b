/* Growing text, and near matches for error messages. */
#ifndef THAW_BASE_TEXT_H
#define THAW_BASE_TEXT_H

#include <stddef.h>
#include <thaw/status.h>

/* Starts as {0}; `data` is NUL-terminated once anything was appended; freed with thaw_text_free(). After a failed
 * allocation `failed` is set and further appends do nothing. */
typedef struct thaw_text {
    char *data;
    size_t length, capacity;
    bool failed;
} thaw_text;

void thaw_text_append(thaw_text *text, const char *format, ...) THAW_PRINTF(2, 3);
void thaw_text_free(thaw_text *text);

/* Appends up to three of `names` that look most like `wanted` as "a, b, c"; nothing if none is near. */
void thaw_text_append_near(thaw_text *text, const char *wanted, const char *const *names, size_t count);

#endif
