#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define NEAR_COUNT 3
#define NEAR_BYTES 128 /* longer names are compared by their beginning */

void thaw_text_append(thaw_text *text, const char *format, ...)
{
    if (text->failed)
        return;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    const size_t needed = text->length + (length < 0 ? 0 : (size_t)length) + 1;
    text->failed = length < 0 || thaw_reserve(NULL, &text->data, &text->capacity, needed, 1) != THAW_OK;
    if (!text->failed) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void thaw_text_free(thaw_text *text)
{
    free(text->data);
    *text = (thaw_text){0};
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t near_length(const char *name)
{
    const size_t length = strlen(name);
    return length < NEAR_BYTES ? length : NEAR_BYTES;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein's distance, upper and lower case alike. */
static size_t edit_distance(const char *a, const char *b)
{
    const size_t a_length = near_length(a), b_length = near_length(b);
    size_t row[NEAR_BYTES + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            const size_t replaced = diagonal + !same_letter(a[i - 1], b[j - 1]);
            diagonal = row[j];
            row[j] = smallest(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b_length];
}

void thaw_text_append_near(thaw_text *text, const char *wanted, const char *const *names, size_t count)
{
    const size_t limit = near_length(wanted) < 6 ? 1 : near_length(wanted) / 3;
    size_t distances[NEAR_COUNT], best[NEAR_COUNT], found = 0;
    for (size_t i = 0; i < count; i++) {
        const bool contains = *wanted && strstr(names[i], wanted);
        const size_t distance = contains ? 1 : edit_distance(wanted, names[i]);
        if (distance > limit || (found == NEAR_COUNT && distance >= distances[found - 1]))
            continue;
        size_t place = found < NEAR_COUNT ? found++ : NEAR_COUNT - 1;
        for (; place > 0 && distances[place - 1] > distance; place--) {
            distances[place] = distances[place - 1];
            best[place] = best[place - 1];
        }
        distances[place] = distance;
        best[place] = i;
    }
    for (size_t i = 0; i < found; i++)
        thaw_text_append(text, "%s%s", i ? ", " : "", names[best[i]]);
}
