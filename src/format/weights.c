#include "format/weights.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SHARDS     4096
#define MOST_FILE_BYTES ((uint64_t)INT32_MAX)

static int compare_names(const void *a, const void *b)
{
    const thaw_safetensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static thaw_status sort_tensors(thaw_context *context, thaw_weights *weights)
{
    size_t count = 0;
    for (size_t i = 0; i < weights->file_count; i++)
        count += weights->files[i].count;
    THAW_TRY(thaw_allocate(context, count, sizeof(thaw_safetensor *), &weights->tensors));
    for (size_t i = 0; i < weights->file_count; i++)
        for (size_t j = 0; j < weights->files[i].count; j++)
            weights->tensors[weights->count++] = &weights->files[i].tensors[j];
    qsort(weights->tensors, weights->count, sizeof(thaw_safetensor *), compare_names);
    for (size_t i = 1; i < weights->count; i++)
        if (strcmp(weights->tensors[i]->name, weights->tensors[i - 1]->name) == 0)
            return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' is in two files", weights->tensors[i]->name);
    return THAW_OK;
}

size_t thaw_weights_find(const thaw_weights *weights, const char *name)
{
    const thaw_safetensor wanted = {.name = name}, *const key = &wanted;
    if (!weights->count)
        return 0;
    const thaw_safetensor *const *found =
        bsearch(&key, weights->tensors, weights->count, sizeof(thaw_safetensor *), compare_names);
    return found ? (size_t)(found - (const thaw_safetensor *const *)weights->tensors) : weights->count;
}

void thaw_weights_free(thaw_weights *weights)
{
    for (size_t i = 0; i < weights->file_count; i++)
        thaw_safetensors_free(&weights->files[i]);
    free(weights->files);
    free(weights->tensors);
    *weights = (thaw_weights){0};
}

thaw_status thaw_weights_read_file(thaw_context *context, uint8_t *bytes, size_t size, thaw_weights *weights)
{
    *weights = (thaw_weights){0};
    thaw_status status = thaw_allocate(context, 1, sizeof *weights->files, &weights->files);
    if (status != THAW_OK) {
        free(bytes);
        return status;
    }
    status = thaw_safetensors_parse(context, bytes, size, &weights->files[0]);
    weights->file_count = status == THAW_OK;
    if (status == THAW_OK)
        status = sort_tensors(context, weights);
    if (status != THAW_OK)
        thaw_weights_free(weights);
    return status;
}

/* --- several files ------------------------------------------------------------------------------------------------ */

/* An index that comes from elsewhere names files beside it and nowhere else. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

/* The different files of the map, in the order in which they come: names[] borrow from it. */
static thaw_status list_files(thaw_context *context, json_t *map, const char **names, size_t *count)
{
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || !is_plain_name(name))
            return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s': its file must be the name of one beside the index",
                             tensor);
        size_t i = 0;
        while (i < *count && strcmp(names[i], name) != 0)
            i++;
        if (i == MOST_SHARDS)
            return thaw_fail(context, THAW_ERR_MODEL, "more than %d files", MOST_SHARDS);
        if (i == *count)
            names[(*count)++] = name;
    }
    return THAW_OK;
}

static thaw_status read_shard(thaw_context *context, const char *index, const char *name, thaw_safetensors *file)
{
    const char *slash = strrchr(index, '/');
    thaw_text path = {0};
    thaw_text_append(&path, "%.*s%s", slash ? (int)(slash - index) + 1 : 0, index, name);
    const thaw_status status = path.failed ? thaw_fail(context, THAW_ERR_MEMORY, "out of memory")
                                           : thaw_safetensors_read(context, path.data, MOST_FILE_BYTES, file);
    thaw_text_free(&path);
    return status;
}

/* The map and the files say the same. */
static thaw_status check_map(thaw_context *context, json_t *map, const char *const *names, const thaw_weights *weights)
{
    for (size_t i = 0; i < weights->file_count; i++)
        for (size_t j = 0; j < weights->files[i].count; j++) {
            const char *tensor = weights->files[i].tensors[j].name;
            const char *file = json_string_value(json_object_get(map, tensor));
            if (!file || strcmp(file, names[i]) != 0)
                return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' is in %s, but the index says %s", tensor,
                                 names[i], file ? file : "nothing about it");
        }
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        if (thaw_weights_find(weights, tensor) == weights->count)
            return thaw_fail(context, THAW_ERR_MODEL, "tensor '%s' is not in %s", tensor, json_string_value(value));
    }
    return THAW_OK;
}

static thaw_status read_map(thaw_context *context, const char *path, json_t *map, const char **names,
                            thaw_weights *weights)
{
    size_t count = 0;
    THAW_TRY(list_files(context, map, names, &count));
    THAW_TRY(thaw_allocate(context, count, sizeof *weights->files, &weights->files));
    for (; weights->file_count < count; weights->file_count++)
        THAW_TRY(read_shard(context, path, names[weights->file_count], &weights->files[weights->file_count]));
    THAW_TRY(sort_tensors(context, weights));
    return check_map(context, map, names, weights);
}

thaw_status thaw_weights_read_index(thaw_context *context, const char *path, uint8_t *bytes, size_t size,
                                    thaw_weights *weights)
{
    *weights = (thaw_weights){0};
    json_error_t error;
    json_t *index = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
    free(bytes);
    if (!index)
        return thaw_fail(context, THAW_ERR_MODEL, "the index is no JSON: %s", error.text);
    json_t *map = json_object_get(index, "weight_map");
    const char **names = NULL;
    thaw_status status = json_object_size(map) > 0
                             ? thaw_allocate(context, MOST_SHARDS, sizeof *names, &names)
                             : thaw_fail(context, THAW_ERR_MODEL, "the index has no weight_map, or an empty one");
    if (status == THAW_OK)
        status = read_map(context, path, map, names, weights);
    free(names);
    json_decref(index);
    if (status != THAW_OK)
        thaw_weights_free(weights);
    return status;
}
