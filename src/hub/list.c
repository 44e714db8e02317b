/* Models that lie in the model folder already. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/context.h"
#include "base/memory.h"
#include "hub/record.h"

/* --- one that is named -------------------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0;
}

/* The folder of a model, if one was pulled into it. */
static thaw_status find_model(thaw_context *context, const thaw_hub_name *name, char **path)
{
    char part[2 * THAW_HUB_NAME_MOST + 3 * THAW_HUB_REVISION_MOST + 4];
    char folder[THAW_HUB_PATH_BYTES], record[THAW_HUB_PATH_BYTES];
    thaw_hub_name_folder(name, part, sizeof part);
    THAW_TRY(thaw_model_folder(context, part, folder));
    THAW_TRY(thaw_file_path(context, folder, THAW_RECORD_NAME, record));
    return exists(record) ? thaw_copy_text(context, folder, path) : THAW_OK;
}

/* What a user calls a file and not a model. */
static bool looks_like_file(const char *name)
{
    static const char *const ends[] = {".onnx", ".safetensors", ".json"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0)
            return true;
    }
    return false;
}

thaw_status thaw_hub_find(thaw_context *context, const char *name, char **path)
{
    thaw_hub_name parsed;
    const char *why;
    char inside[THAW_HUB_PATH_BYTES];
    *path = NULL;
    if (exists(name))
        return thaw_copy_text(context, name, path);
    if (thaw_hub_name_parse(name, NULL, &parsed, &why)) {
        THAW_TRY(find_model(context, &parsed, path));
        if (*path)
            return THAW_OK;
        if (!looks_like_file(name))
            return thaw_fail(context, THAW_ERR_MODEL,
                             "%s: no such file or folder, and no model of that name was pulled: `thaw pull %s` would "
                             "get it",
                             name, name);
    } else if (thaw_hub_file_allowed(name, false)) {
        THAW_TRY(thaw_model_folder(context, name, inside));
        if (exists(inside))
            return thaw_copy_text(context, inside, path);
    }
    return thaw_copy_text(context, name, path);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static thaw_status add_model(thaw_context *context, const char *folder, thaw_hub_list *list, size_t *capacity)
{
    json_t *record;
    thaw_hub_model model;
    THAW_TRY(thaw_record_read(context, folder, &record));
    if (!record)
        return THAW_OK;
    thaw_status status = thaw_record_model(context, record, folder, &model);
    json_decref(record);
    if (status == THAW_ERR_MODEL) {
        thaw_log(context, THAW_LOG_WARNING, "%s", thaw_error_message(context));
        return THAW_OK;
    }
    THAW_TRY(status);
    status = thaw_reserve(context, &list->models, capacity, list->count + 1, sizeof *list->models);
    if (status != THAW_OK)
        thaw_hub_model_free(&model);
    else
        list->models[list->count++] = model;
    return status;
}

/* Folders below folders: owners, and their models. */
static thaw_status scan(thaw_context *context, const char *folder, int depth, thaw_hub_list *list, size_t *capacity)
{
    char path[THAW_HUB_PATH_BYTES];
    thaw_status status = THAW_OK;
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && status == THAW_OK && (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        status = thaw_file_path(context, folder, entry->d_name, path);
        if (status == THAW_OK)
            status = depth ? scan(context, path, depth - 1, list, capacity) : add_model(context, path, list, capacity);
    }
    if (listing)
        closedir(listing);
    return status;
}

static int compare_models(const void *a, const void *b)
{
    return strcmp(((const thaw_hub_model *)a)->name, ((const thaw_hub_model *)b)->name);
}

thaw_status thaw_hub_list_open(thaw_context *context, thaw_hub_list *list)
{
    size_t capacity = 0;
    char folder[THAW_HUB_PATH_BYTES];
    *list = (thaw_hub_list){0};
    THAW_TRY(thaw_model_folder(context, "", folder));
    thaw_status status = thaw_copy_text(context, folder, &list->folder);
    if (status == THAW_OK)
        status = scan(context, folder, 1, list, &capacity);
    if (status != THAW_OK)
        thaw_hub_list_free(list);
    else if (list->count > 1)
        qsort(list->models, list->count, sizeof *list->models, compare_models);
    return status;
}

void thaw_hub_list_free(thaw_hub_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        thaw_hub_model_free(&list->models[i]);
    free(list->models);
    free(list->folder);
    *list = (thaw_hub_list){0};
}
