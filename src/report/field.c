#include "report/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"

thaw_status thaw_fields_fail(const thaw_fields *fields, const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return thaw_fail(fields->context, THAW_ERR_DATA, "%s: %s%s%s", fields->path, fields->place,
                     fields->place[0] ? ": " : "", reason);
}

/* NULL where the file has nothing, or nothing on purpose. */
static json_t *field(const thaw_fields *fields, const char *name)
{
    json_t *value = json_object_get(fields->object, name);
    return json_is_null(value) ? NULL : value;
}

thaw_status thaw_field_object(const thaw_fields *fields, const char *name, thaw_fields *inner)
{
    json_t *object = field(fields, name);
    if (object && !json_is_object(object))
        return thaw_fields_fail(fields, "'%s' is no object", name);
    *inner = (thaw_fields){.context = fields->context, .path = fields->path, .object = object};
    snprintf(inner->place, sizeof inner->place, "%s", name);
    return THAW_OK;
}

thaw_status thaw_field_list(const thaw_fields *fields, const char *name, size_t most, json_t **list)
{
    *list = field(fields, name);
    if (*list && !json_is_array(*list))
        return thaw_fields_fail(fields, "'%s' is no list", name);
    if (json_array_size(*list) > most)
        return thaw_fields_fail(fields, "'%s' has %zu items, more than %zu", name, json_array_size(*list), most);
    return THAW_OK;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

/* Lengths of the control character that begins here: one byte, or two for U+0080 to U+009F, which some terminals obey;
 * 0 for any other. */
static size_t control_bytes(const unsigned char *c)
{
    if (*c < 0x20 || *c == 0x7f)
        return 1;
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0;
}

/* Such characters would break a line, or move a terminal's cursor. */
static thaw_status tidy(const thaw_fields *fields, json_t *value)
{
    const char *text = json_string_value(value);
    size_t first = 0;
    while (text[first] && !control_bytes((const unsigned char *)text + first))
        first++;
    if (!text[first])
        return THAW_OK;
    char *tidied;
    THAW_TRY(thaw_copy_text(fields->context, text, &tidied));
    for (unsigned char *c = (unsigned char *)tidied; *c; c++)
        for (size_t bytes = control_bytes(c), i = 0; i < bytes; i++)
            c[i] = ' ';
    const int set = json_string_set(value, tidied);
    free(tidied);
    return set == 0 ? THAW_OK : thaw_fail(fields->context, THAW_ERR_MEMORY, "%s: out of memory", fields->path);
}

static thaw_status read_text(const thaw_fields *fields, const char *name, json_t *value, const char **text)
{
    if (!json_is_string(value))
        return thaw_fields_fail(fields, "'%s' is no text", name);
    if (json_string_length(value) > THAW_FIELD_TEXT_BYTES)
        return thaw_fields_fail(fields, "'%s' has %zu bytes, more than %d", name, json_string_length(value),
                                THAW_FIELD_TEXT_BYTES);
    THAW_TRY(tidy(fields, value));
    *text = json_string_value(value);
    return THAW_OK;
}

thaw_status thaw_field_text(const thaw_fields *fields, const char *name, const char **text)
{
    json_t *value = field(fields, name);
    if (!value || (json_is_string(value) && json_string_length(value) == 0))
        return THAW_OK;
    return read_text(fields, name, value, text);
}

thaw_status thaw_field_texts(const thaw_fields *fields, const char *name, size_t most, const char ***texts,
                             size_t *count)
{
    json_t *list, *value;
    size_t i;
    THAW_TRY(thaw_field_list(fields, name, most, &list));
    THAW_TRY(thaw_allocate(fields->context, json_array_size(list), sizeof **texts, texts));
    json_array_foreach(list, i, value) THAW_TRY(read_text(fields, name, value, &(*texts)[i]));
    *count = json_array_size(list);
    return THAW_OK;
}

/* Names are keys of the document, which can't be changed: those with control characters are refused. */
static thaw_status check_name(const thaw_fields *fields, const char *name)
{
    if (strlen(name) > THAW_REPORT_ID_BYTES)
        return thaw_fields_fail(fields, "the name '%.40s...' is too long", name);
    for (const char *c = name; *c; c++)
        if (control_bytes((const unsigned char *)c))
            return thaw_fields_fail(fields, "the name '%s' has a control character", name);
    return THAW_OK;
}

thaw_status thaw_field_pairs(const thaw_fields *fields, const char *name, size_t most, thaw_report_pair **pairs,
                             size_t *count)
{
    thaw_fields inner;
    const char *key;
    json_t *value;
    size_t used = 0;
    THAW_TRY(thaw_field_object(fields, name, &inner));
    if (json_object_size(inner.object) > most)
        return thaw_fields_fail(fields, "'%s' has %zu fields, more than %zu", name, json_object_size(inner.object),
                                most);
    THAW_TRY(thaw_allocate(fields->context, json_object_size(inner.object), sizeof **pairs, pairs));
    json_object_foreach(inner.object, key, value)
    {
        if (json_is_null(value))
            continue;
        THAW_TRY(check_name(&inner, key));
        THAW_TRY(read_text(&inner, key, value, &(*pairs)[used].value));
        (*pairs)[used++].name = key;
    }
    *count = used;
    return THAW_OK;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

thaw_status thaw_field_number(const thaw_fields *fields, const char *name, double least, double most, double *number)
{
    json_t *value = field(fields, name);
    if (!value)
        return THAW_OK;
    if (!json_is_number(value))
        return thaw_fields_fail(fields, "'%s' is no number", name);
    const double found = json_number_value(value);
    if (!(found >= least && found <= most)) /* also false for NaN */
        return thaw_fields_fail(fields, "'%s' is %g, not from %g to %g", name, found, least, most);
    *number = found;
    return THAW_OK;
}

thaw_status thaw_field_integer(const thaw_fields *fields, const char *name, int64_t *number)
{
    json_t *value = field(fields, name);
    if (!value)
        return THAW_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return thaw_fields_fail(fields, "'%s' is no integer from 0 up", name);
    *number = json_integer_value(value);
    return THAW_OK;
}

thaw_status thaw_field_flag(const thaw_fields *fields, const char *name, int *flag)
{
    json_t *value = field(fields, name);
    if (!value)
        return THAW_OK;
    if (!json_is_boolean(value))
        return thaw_fields_fail(fields, "'%s' is neither true nor false", name);
    *flag = json_is_true(value);
    return THAW_OK;
}

thaw_status thaw_field_require(const thaw_fields *fields, const char *name, const void *there)
{
    return there ? THAW_OK : thaw_fields_fail(fields, "'%s' is missing", name);
}
