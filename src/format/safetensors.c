#include "format/safetensors.h"
#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_KEY      "__metadata__"
#define MOST_HEADER_BYTES UINT64_C(100000000) /* the format's own limit */

enum { LENGTH_BYTES = 8 };

/* --- types -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    thaw_dtype dtype;
} types[] = {
    {"BOOL", THAW_BOOL},   {"U8", THAW_UINT8},   {"I8", THAW_INT8},       {"I16", THAW_INT16},   {"U16", THAW_UINT16},
    {"F16", THAW_FLOAT16}, {"I32", THAW_INT32},  {"U32", THAW_UINT32},    {"F32", THAW_FLOAT32}, {"F64", THAW_FLOAT64},
    {"I64", THAW_INT64},   {"U64", THAW_UINT64}, {"BF16", THAW_BFLOAT16},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

static const char *text_of_type(thaw_dtype dtype)
{
    size_t i = 0;
    while (types[i].dtype != dtype)
        i++;
    return types[i].text;
}

static bool type_of_text(const char *text, thaw_dtype *dtype)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (strcmp(types[i].text, text) == 0) {
            *dtype = types[i].dtype;
            return true;
        }
    return false;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static uint64_t read_length(const uint8_t *bytes)
{
    uint64_t length = 0;
    for (int i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | bytes[i];
    return length;
}

static bool read_shape(json_t *list, thaw_tensor *facts)
{
    if (!json_is_array(list) || json_array_size(list) > THAW_MAX_RANK)
        return false;
    facts->shape.rank = (int32_t)json_array_size(list);
    facts->count = 1;
    for (int32_t i = 0; i < facts->shape.rank; i++) {
        json_t *dimension = json_array_get(list, (size_t)i);
        if (!json_is_integer(dimension) || json_integer_value(dimension) < 0)
            return false;
        facts->shape.dims[i] = json_integer_value(dimension);
        if (!thaw_multiply(facts->count, facts->shape.dims[i], &facts->count))
            return false;
    }
    return true;
}

/* Offsets are checked against the size of what follows the header; whether they join is seen once all are known. */
static thaw_status read_tensor(thaw_context *context, json_t *entry, const uint8_t *data, size_t size,
                               thaw_safetensor *tensor)
{
    const char *dtype;
    json_t *shape;
    json_int_t begin, end;
    thaw_tensor facts = {0};
    int64_t bytes;
    if (json_unpack(entry, "{s:s, s:o, s:[I,I!]!}", "dtype", &dtype, "shape", &shape, "data_offsets", &begin, &end) !=
        0)
        return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' lacks dtype, shape or data_offsets, or has more",
                         tensor->name);
    if (!type_of_text(dtype, &tensor->dtype))
        return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' is of the unknown type '%s'", tensor->name, dtype);
    if (!read_shape(shape, &facts) || !thaw_multiply(facts.count, (int64_t)thaw_dtype_bytes(tensor->dtype), &bytes))
        return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' has a shape that can't be", tensor->name);
    if (begin < 0 || end < begin || (uint64_t)end > size || end - begin != bytes)
        return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' lies at %lld to %lld of %zu bytes and needs %lld",
                         tensor->name, (long long)begin, (long long)end, size, (long long)bytes);
    tensor->shape = facts.shape;
    tensor->data = data + begin;
    tensor->bytes = (size_t)bytes;
    return THAW_OK;
}

static thaw_status read_notes(thaw_context *context, json_t *metadata, thaw_safetensors *file)
{
    const char *key;
    json_t *value;
    THAW_TRY(thaw_allocate(context, json_object_size(metadata), sizeof *file->notes, &file->notes));
    if (!json_is_object(metadata))
        return thaw_fail(context, THAW_ERR_MODEL, "%s is no object", METADATA_KEY);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return thaw_fail(context, THAW_ERR_MODEL, "%s '%s' is no text", METADATA_KEY, key);
        file->notes[file->note_count++] = (thaw_safetensors_note){key, json_string_value(value)};
    }
    return THAW_OK;
}

/* By place; of empty ones at the same place, any order will do. */
static int compare_places(const void *a, const void *b)
{
    const thaw_safetensor *x = a, *y = b;
    const uint8_t *x_data = x->data, *y_data = y->data;
    if (x_data != y_data)
        return x_data < y_data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static thaw_status check_places(thaw_context *context, const thaw_safetensors *file, const uint8_t *data, size_t size)
{
    const uint8_t *end = data;
    for (size_t i = 0; i < file->count; i++) {
        if (file->tensors[i].data != end)
            return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' does not begin where the one before it ends",
                             file->tensors[i].name);
        end += file->tensors[i].bytes;
    }
    if (end != data + size)
        return thaw_fail(context, THAW_ERR_MODEL, "%zu bytes belong to no tensor", (size_t)(data + size - end));
    return THAW_OK;
}

static thaw_status read_entries(thaw_context *context, thaw_safetensors *file, const uint8_t *data, size_t size)
{
    json_t *header = file->header, *entry;
    const char *name;
    THAW_TRY(thaw_allocate(context, json_object_size(header), sizeof *file->tensors, &file->tensors));
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, METADATA_KEY) == 0) {
            THAW_TRY(read_notes(context, entry, file));
            continue;
        }
        file->tensors[file->count].name = name;
        THAW_TRY(read_tensor(context, entry, data, size, &file->tensors[file->count++]));
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    return check_places(context, file, data, size);
}

static thaw_status parse(thaw_context *context, thaw_safetensors *file, size_t size)
{
    if (size < LENGTH_BYTES)
        return thaw_fail(context, THAW_ERR_MODEL, "%zu bytes are too few", size);
    const uint64_t length = read_length(file->bytes);
    if (length > MOST_HEADER_BYTES || length > size - LENGTH_BYTES)
        return thaw_fail(context, THAW_ERR_MODEL, "a header of %llu bytes in a file of %zu", (unsigned long long)length,
                         size);
    const char *text = (const char *)file->bytes + LENGTH_BYTES;
    json_error_t error;
    if (!length || *text != '{')
        return thaw_fail(context, THAW_ERR_MODEL, "the header does not begin with '{'");
    file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!file->header)
        return thaw_fail(context, THAW_ERR_MODEL, "the header is no JSON: %s", error.text);
    const size_t before = LENGTH_BYTES + (size_t)length;
    return read_entries(context, file, file->bytes + before, size - before);
}

thaw_status thaw_safetensors_parse(thaw_context *context, uint8_t *bytes, size_t size, thaw_safetensors *file)
{
    *file = (thaw_safetensors){.bytes = bytes};
    const thaw_status status = parse(context, file, size);
    if (status != THAW_OK)
        thaw_safetensors_free(file);
    return status;
}

thaw_status thaw_safetensors_read(thaw_context *context, const char *path, uint64_t limit_bytes, thaw_safetensors *file)
{
    size_t size;
    uint8_t *bytes;
    *file = (thaw_safetensors){0};
    THAW_TRY(thaw_file_read(context, path, limit_bytes, &bytes, &size));
    const thaw_status status = thaw_safetensors_parse(context, bytes, size, file);
    return status == THAW_OK ? THAW_OK : thaw_fail_within(context, status, "%s", path);
}

void thaw_safetensors_free(thaw_safetensors *file)
{
    json_decref(file->header);
    free(file->tensors);
    free(file->notes);
    free(file->bytes);
    *file = (thaw_safetensors){0};
}

const thaw_safetensor *thaw_safetensors_find(const thaw_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *thaw_safetensors_note_of(const thaw_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->note_count; i++)
        if (strcmp(file->notes[i].key, key) == 0)
            return file->notes[i].value;
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int compare_written(const void *a, const void *b)
{
    const thaw_safetensor *x = a, *y = b;
    const size_t x_size = thaw_dtype_bytes(x->dtype), y_size = thaw_dtype_bytes(y->dtype);
    if (x_size != y_size)
        return x_size > y_size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int compare_notes(const void *a, const void *b)
{
    return strcmp(((const thaw_safetensors_note *)a)->key, ((const thaw_safetensors_note *)b)->key);
}

/* Adds a new entry; takes `value`, which is NULL where a text was not UTF-8. */
static bool add(json_t *object, const char *key, json_t *value)
{
    if (value && !json_object_get(object, key))
        return json_object_set_new(object, key, value) == 0;
    json_decref(value);
    return false;
}

static json_t *describe(const thaw_safetensor *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (int32_t i = 0; i < tensor->shape.rank; i++)
        json_array_append_new(shape, json_integer(tensor->shape.dims[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", text_of_type(tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

/* The header as text, freed with free(); NULL with the name at fault in *bad. `tensors` and `notes` are sorted. */
static char *make_header(const thaw_safetensor *tensors, size_t count, const thaw_safetensors_note *notes,
                         size_t note_count, const char **bad)
{
    json_t *header = json_object(), *metadata = json_object();
    bool good = header && metadata;
    for (size_t i = 0; i < note_count && good; i++) {
        *bad = notes[i].key;
        good = add(metadata, notes[i].key, json_string(notes[i].value));
    }
    good = note_count ? add(header, METADATA_KEY, json_incref(metadata)) && good : good;
    size_t begin = 0;
    for (size_t i = 0; i < count && good; i++) {
        *bad = tensors[i].name;
        good = add(header, tensors[i].name, describe(&tensors[i], begin));
        begin += tensors[i].bytes;
    }
    char *text = good ? json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(metadata);
    json_decref(header);
    return text;
}

static thaw_status write_all(thaw_new_file *file, const char *header, const thaw_safetensor *tensors, size_t count)
{
    const size_t length = strlen(header), padding = (8 - length % 8) % 8;
    uint8_t prefix[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        prefix[i] = (uint8_t)((uint64_t)(length + padding) >> (8 * i));
    THAW_TRY(thaw_new_file_write(file, prefix, sizeof prefix));
    THAW_TRY(thaw_new_file_write(file, header, length));
    THAW_TRY(thaw_new_file_write(file, "        ", padding));
    for (size_t i = 0; i < count; i++)
        THAW_TRY(thaw_new_file_write(file, tensors[i].data, tensors[i].bytes));
    return THAW_OK;
}

static thaw_status write_sorted(thaw_context *context, const char *path, thaw_safetensor *tensors, size_t count,
                                thaw_safetensors_note *notes, size_t note_count)
{
    const char *bad = "";
    qsort(tensors, count, sizeof *tensors, compare_written);
    qsort(notes, note_count, sizeof *notes, compare_notes);
    char *header = make_header(tensors, count, notes, note_count, &bad);
    if (!header)
        return thaw_fail(context, THAW_ERR_DATA, "%s: the name '%s' is no UTF-8 text, or used twice", path, bad);
    thaw_new_file *file;
    thaw_status status = thaw_new_file_open(context, path, &file);
    if (status == THAW_OK) {
        status = write_all(file, header, tensors, count);
        if (status == THAW_OK)
            status = thaw_new_file_commit(&file);
        else
            thaw_new_file_abandon(&file);
    }
    free(header);
    return status;
}

thaw_status thaw_safetensors_write(thaw_context *context, const char *path, const thaw_safetensor *tensors,
                                   size_t count, const thaw_safetensors_note *notes, size_t note_count)
{
    thaw_safetensor *sorted = NULL;
    thaw_safetensors_note *sorted_notes = NULL;
    thaw_status status = thaw_allocate(context, count, sizeof *sorted, &sorted);
    if (status == THAW_OK)
        status = thaw_allocate(context, note_count, sizeof *sorted_notes, &sorted_notes);
    if (status == THAW_OK) {
        if (count)
            memcpy(sorted, tensors, count * sizeof *sorted);
        if (note_count)
            memcpy(sorted_notes, notes, note_count * sizeof *sorted_notes);
        status = write_sorted(context, path, sorted, count, sorted_notes, note_count);
    }
    free(sorted);
    free(sorted_notes);
    return status;
}
