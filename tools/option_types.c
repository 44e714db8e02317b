/* The kinds of values that options take: each reads one text whole, or refuses it. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXTENT_MOST 16384 /* pixels: the library's own limit */

static bool in_range(const cli_option *option, double number)
{
    return number >= option->least && number <= option->most;
}

/* A whole number without sign, blanks or anything behind it. */
static bool parse_whole(const char *text, uint64_t *number)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_finite(const char *text, const char **end, double *number)
{
    if (!strchr("+-.0123456789", text[0]) || strchr(text, 'x') || strchr(text, 'X'))
        return false;
    char *stop;
    *number = strtod(text, &stop);
    *end = stop;
    return stop != text && isfinite(*number);
}

static bool flag_parse(const cli_option *option, const char *text, void *field)
{
    (void)option, (void)text;
    *(bool *)field = true;
    return true;
}

static bool counter_parse(const cli_option *option, const char *text, void *field)
{
    (void)option, (void)text;
    ++*(int *)field;
    return true;
}

static bool text_parse(const cli_option *option, const char *text, void *field)
{
    (void)option;
    *(const char **)field = text;
    return text[0] != '\0';
}

static bool text_print(const cli_option *option, const void *field, char *text, size_t size)
{
    (void)option;
    const char *value = *(const char *const *)field;
    if (value)
        snprintf(text, size, "%s", value);
    return value != NULL;
}

static bool texts_parse(const cli_option *option, const char *text, void *field)
{
    (void)option;
    cli_text_list *list = field;
    if (text[0] == '\0' || list->count == CLI_TEXTS_MAX)
        return false;
    list->items[list->count++] = text;
    return true;
}

static bool texts_print(const cli_option *option, const void *field, char *text, size_t size)
{
    (void)option;
    const cli_text_list *list = field;
    if (list->count > 0)
        snprintf(text, size, "%s", list->items[0]);
    return list->count > 0;
}

static bool int32_parse(const cli_option *option, const char *text, void *field)
{
    uint64_t number;
    if (!parse_whole(text, &number) || !in_range(option, (double)number))
        return false;
    *(int32_t *)field = (int32_t)number;
    return true;
}

static bool int32_print(const cli_option *option, const void *field, char *text, size_t size)
{
    const int32_t number = *(const int32_t *)field;
    snprintf(text, size, "%d", number);
    return number >= option->least;
}

static bool size_parse(const cli_option *option, const char *text, void *field)
{
    uint64_t number;
    if (!parse_whole(text, &number) || !in_range(option, (double)number))
        return false;
    *(size_t *)field = (size_t)number;
    return true;
}

static bool size_print(const cli_option *option, const void *field, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "%zu", *(const size_t *)field);
    return true;
}

static bool seed_parse(const cli_option *option, const char *text, void *field)
{
    (void)option;
    return parse_whole(text, field);
}

static bool seed_print(const cli_option *option, const void *field, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)field);
    return true;
}

/* "0.5" or a fraction, "1/255". */
static bool number_parse(const cli_option *option, const char *text, void *field)
{
    const char *end;
    double number, divisor;
    if (!parse_finite(text, &end, &number))
        return false;
    if (*end == '/') {
        if (!parse_finite(end + 1, &end, &divisor) || divisor == 0)
            return false;
        number /= divisor;
    }
    if (*end != '\0' || !in_range(option, number))
        return false;
    *(double *)field = number;
    return true;
}

static bool number_print(const cli_option *option, const void *field, char *text, size_t size)
{
    (void)option;
    const double number = *(const double *)field;
    snprintf(text, size, "%g", number);
    return !isnan(number);
}

static bool choice_parse(const cli_option *option, const char *text, void *field)
{
    for (int i = 0; option->choices[i]; i++)
        if (strcmp(option->choices[i], text) == 0) {
            *(int *)field = i;
            return true;
        }
    return false;
}

static bool choice_print(const cli_option *option, const void *field, char *text, size_t size)
{
    const int chosen = *(const int *)field;
    if (chosen >= 0)
        snprintf(text, size, "%s", option->choices[chosen]);
    return chosen >= 0;
}

/* "a,b,c", or "a" for all three. */
static bool triple_parse(const cli_option *option, const char *text, void *field)
{
    double *triple = field;
    int count = 0;
    for (const char *end = text;; end++) {
        if (count == 3 || !parse_finite(end, &end, &triple[count]) || !in_range(option, triple[count]))
            return false;
        count++;
        if (*end == '\0')
            break;
        if (*end != ',')
            return false;
    }
    if (count == 1)
        triple[1] = triple[2] = triple[0];
    return count != 2;
}

/* "N", or "HxW". */
static bool extent_parse(const cli_option *option, const char *text, void *field)
{
    (void)option;
    int32_t *extent = field;
    char height[8];
    const char *width = strchr(text, 'x');
    const size_t length = width ? (size_t)(width - text) : strlen(text);
    uint64_t h, w;
    if (length >= sizeof height)
        return false;
    memcpy(height, text, length);
    height[length] = '\0';
    if (!parse_whole(height, &h) || !parse_whole(width ? width + 1 : height, &w))
        return false;
    if (h < 1 || h > EXTENT_MOST || w < 1 || w > EXTENT_MOST)
        return false;
    extent[0] = (int32_t)h;
    extent[1] = (int32_t)w;
    return true;
}

const cli_type cli_flag = {"no value", false, flag_parse, NULL};
const cli_type cli_counter = {"no value", false, counter_parse, NULL};
const cli_type cli_text = {"a name", false, text_parse, text_print};
const cli_type cli_texts = {"a name, 64 times at most", false, texts_parse, texts_print};
const cli_type cli_int32 = {"a whole number", true, int32_parse, int32_print};
const cli_type cli_size = {"a whole number", true, size_parse, size_print};
const cli_type cli_seed = {"a whole number from 0 to 18446744073709551615", false, seed_parse, seed_print};
const cli_type cli_number = {"a number", true, number_parse, number_print};
const cli_type cli_choice = {NULL, false, choice_parse, choice_print};
const cli_type cli_triple = {"one number, or three with commas,", true, triple_parse, NULL};
const cli_type cli_extent = {"N or HxW, in pixels from 1 to 16384", false, extent_parse, NULL};
