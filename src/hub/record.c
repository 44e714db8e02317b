#include "hub/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "base/memory.h"

#define MOST_RECORD_BYTES UINT64_C(16000000)

thaw_status thaw_record_read(thaw_context *context, const char *folder, json_t **record)
{
    char path[THAW_HUB_PATH_BYTES];
    uint8_t *bytes;
    size_t size;
    *record = NULL;
    THAW_TRY(thaw_file_path(context, folder, THAW_RECORD_NAME, path));
    if (thaw_file_read(context, path, MOST_RECORD_BYTES, &bytes, &size) != THAW_OK)
        return THAW_OK;
    *record = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    return THAW_OK;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool has_file(const thaw_pull *pull, const char *name)
{
    for (size_t i = 0; i < pull->count; i++)
        if (strcmp(pull->files[i].name, name) == 0)
            return true;
    return false;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static json_t *file_json(const thaw_remote *remote)
{
    return json_pack("{s:s, s:I, s:s, s:s, s:s}", "name", remote->name, "bytes", (json_int_t)remote->bytes, "check",
                     thaw_hub_check_text(remote->check), "digest", remote->digest, "etag", remote->etag);
}

static json_t *record_json(const thaw_pull *pull, bool beside)
{
    size_t i;
    json_t *old, *files = json_array();
    for (size_t j = 0; j < pull->count; j++)
        json_array_append_new(files, file_json(&pull->files[j]));
    json_array_foreach(beside ? json_object_get(pull->record, "files") : NULL, i, old)
    {
        const char *name = text_of(old, "name");
        if (name && !has_file(pull, name))
            json_array_append(files, old);
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "name", pull->name.model, "revision", pull->name.revision, "commit",
                     pull->commit, "files", files);
}

thaw_status thaw_record_write(thaw_pull *pull, bool beside)
{
    char path[THAW_HUB_PATH_BYTES];
    THAW_TRY(thaw_file_path(pull->context, pull->folder, THAW_RECORD_NAME, path));
    json_t *record = record_json(pull, beside);
    char *text = record ? json_dumps(record, JSON_INDENT(2)) : NULL;
    thaw_status status = thaw_fail(pull->context, THAW_ERR_MEMORY, "out of memory");
    if (text)
        status = thaw_file_write(pull->context, path, text, strlen(text));
    free(text);
    json_decref(pull->record);
    pull->record = record;
    return status;
}

void thaw_record_remove_stale(const thaw_pull *pull)
{
    size_t i;
    json_t *entry;
    char path[THAW_HUB_PATH_BYTES];
    json_array_foreach(json_object_get(pull->record, "files"), i, entry)
    {
        const char *name = text_of(entry, "name");
        if (name && thaw_hub_file_allowed(name, false) && !has_file(pull, name) &&
            thaw_file_path(pull->context, pull->folder, name, path) == THAW_OK)
            unlink(path);
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static thaw_hub_check check_named(const char *text)
{
    for (int i = THAW_HUB_CHECK_SHA256; i > THAW_HUB_CHECK_SIZE; i--)
        if (strcmp(thaw_hub_check_text((thaw_hub_check)i), text) == 0)
            return (thaw_hub_check)i;
    return THAW_HUB_CHECK_SIZE;
}

static thaw_status read_files(thaw_context *context, const json_t *list, thaw_hub_model *model)
{
    size_t i;
    json_t *entry;
    THAW_TRY(thaw_allocate(context, json_array_size(list), sizeof *model->files, &model->files));
    json_array_foreach(list, i, entry)
    {
        const char *name = text_of(entry, "name"), *check = text_of(entry, "check");
        const json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
        if (!name || !check || bytes < 0 || !thaw_hub_file_allowed(name, false))
            return thaw_fail(context, THAW_ERR_MODEL, "%s/" THAW_RECORD_NAME " is damaged", model->folder);
        thaw_hub_file *file = &model->files[model->file_count];
        THAW_TRY(thaw_copy_text(context, name, &file->name));
        model->file_count++;
        file->bytes = (uint64_t)bytes;
        file->check = check_named(check);
        model->bytes += file->bytes;
    }
    return THAW_OK;
}

static thaw_status read_model(thaw_context *context, const json_t *record, const char *folder, thaw_hub_model *model)
{
    const char *name = text_of(record, "name"), *revision = text_of(record, "revision"), *why;
    const char *commit = text_of(record, "commit");
    thaw_hub_name parsed;
    char own[THAW_HUB_PATH_BYTES];
    THAW_TRY(thaw_copy_text(context, folder, &model->folder));
    if (!name || !revision || !commit || strlen(commit) > 40 || !thaw_hub_name_parse(name, revision, &parsed, &why))
        return thaw_fail(context, THAW_ERR_MODEL, "%s/" THAW_RECORD_NAME " is damaged", folder);
    const bool is_main = strcmp(revision, THAW_HUB_MAIN) == 0;
    snprintf(own, sizeof own, "%s%s%s", parsed.model, is_main ? "" : "@", is_main ? "" : revision);
    THAW_TRY(thaw_copy_text(context, own, &model->name));
    THAW_TRY(thaw_copy_text(context, revision, &model->revision));
    THAW_TRY(thaw_copy_text(context, commit, &model->commit));
    return read_files(context, json_object_get(record, "files"), model);
}

thaw_status thaw_record_model(thaw_context *context, const json_t *record, const char *folder, thaw_hub_model *model)
{
    *model = (thaw_hub_model){0};
    const thaw_status status = read_model(context, record, folder, model);
    if (status != THAW_OK)
        thaw_hub_model_free(model);
    return status;
}

void thaw_hub_model_free(thaw_hub_model *model)
{
    for (size_t i = 0; i < model->file_count; i++)
        free(model->files[i].name);
    free(model->files);
    free(model->name);
    free(model->revision);
    free(model->commit);
    free(model->folder);
    *model = (thaw_hub_model){0};
}
