/* The files that an index of safetensors names. */
#include <string.h>

#include "base/context.h"
#include "hub/pull.h"

#define MOST_SHARDS 4096

static bool is_known(const thaw_pull *pull, const char *name)
{
    for (size_t i = 0; i < pull->count; i++)
        if (strcmp(pull->files[i].name, name) == 0)
            return true;
    return false;
}

/* An index comes from elsewhere: what it names must lie beside it, and be nothing but weights. */
static bool is_shard(const char *name)
{
    static const char end[] = ".safetensors";
    const size_t length = strlen(name);
    return thaw_hub_file_allowed(name, true) && length >= sizeof end &&
           strcmp(name + length - (sizeof end - 1), end) == 0;
}

static thaw_status look_at_each(thaw_pull *pull, json_t *map, uint64_t most_bytes)
{
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        bool found;
        const char *name = json_string_value(value);
        if (!name || !is_shard(name))
            return thaw_fail(pull->context, THAW_ERR_MODEL,
                             "tensor '%s': its file must be the name of a safetensors file beside the index", tensor);
        if (is_known(pull, name))
            continue;
        if (pull->count > MOST_SHARDS)
            return thaw_fail(pull->context, THAW_ERR_MODEL, "the index names more than %d files", MOST_SHARDS);
        THAW_TRY(thaw_remote_look(pull, name, most_bytes, &found));
        if (!found)
            return thaw_fail(pull->context, THAW_ERR_MODEL, "the index names %s, which the hub does not have", name);
    }
    return THAW_OK;
}

thaw_status thaw_shards_look(thaw_pull *pull, const uint8_t *bytes, size_t size, uint64_t most_bytes)
{
    json_error_t error;
    json_t *index = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!index)
        return thaw_fail(pull->context, THAW_ERR_MODEL, "the index is no JSON: %s", error.text);
    json_t *map = json_object_get(index, "weight_map");
    thaw_status status;
    if (json_object_size(map) == 0)
        status = thaw_fail(pull->context, THAW_ERR_MODEL, "the index has no weight_map, or an empty one");
    else
        status = look_at_each(pull, map, most_bytes);
    json_decref(index);
    return status;
}
