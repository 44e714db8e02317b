#include "hub/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/record.h"

#define MOST_JSON_BYTES  UINT64_C(64000000)    /* as the reader of config.json takes it */
#define MOST_MODEL_BYTES ((uint64_t)INT32_MAX) /* as the readers of models take it */
#define INDEX_NAME       "model.safetensors.index.json"

thaw_hub_options thaw_hub_defaults(void)
{
    return (thaw_hub_options){.retries = 5, .retry_seconds = 1, .stall_seconds = 60};
}

const char *thaw_hub_check_text(thaw_hub_check check)
{
    static const char *const texts[] = {
#define CHECK_TEXT(name, text) text,
        THAW_HUB_CHECK_LIST(CHECK_TEXT)
#undef CHECK_TEXT
    };
    return texts[check];
}

/* --- which files -------------------------------------------------------------------------------------------------- */

/* An index is needed before the files that it names are known. */
static thaw_status read_index(thaw_pull *pull)
{
    uint8_t *bytes;
    size_t size;
    char path[THAW_HUB_PATH_BYTES];
    thaw_remote *index = &pull->files[pull->count - 1];
    THAW_TRY(thaw_remote_compare(pull, index));
    if (index->there) {
        THAW_TRY(thaw_file_path(pull->context, pull->folder, index->name, path));
    } else {
        THAW_TRY(thaw_download(pull, index));
        THAW_TRY(thaw_remote_part(pull, index, path));
        pull->done_bytes = 0; /* counted when the rest is */
    }
    THAW_TRY(thaw_file_read(pull->context, path, MOST_JSON_BYTES, &bytes, &size));
    const thaw_status status = thaw_shards_look(pull, bytes, size, MOST_MODEL_BYTES);
    free(bytes);
    return status == THAW_OK ? THAW_OK : thaw_fail_within(pull->context, status, INDEX_NAME);
}

/* The weights, in the order in which a folder is looked through for them. */
static thaw_status look_at_model(thaw_pull *pull)
{
    bool found;
    THAW_TRY(thaw_remote_look(pull, "config.json", MOST_JSON_BYTES, &found));
    THAW_TRY(thaw_remote_look(pull, "model.safetensors", MOST_MODEL_BYTES, &found));
    if (found)
        return THAW_OK;
    THAW_TRY(thaw_remote_look(pull, INDEX_NAME, MOST_JSON_BYTES, &found));
    if (found)
        return read_index(pull);
    THAW_TRY(thaw_remote_look(pull, "model.onnx", MOST_MODEL_BYTES, &found));
    if (found)
        return THAW_OK;
    return thaw_fail(
        pull->context, THAW_ERR_MODEL,
        "the hub has no such model, or neither model.safetensors nor model.onnx in it: --file names another");
}

static thaw_status look_at_file(thaw_pull *pull, const char *name)
{
    bool found;
    THAW_TRY(thaw_remote_look(pull, name, MOST_MODEL_BYTES, &found));
    return found ? THAW_OK : thaw_fail(pull->context, THAW_ERR_MODEL, "the hub has no %s there", name);
}

/* --- bringing them ------------------------------------------------------------------------------------------------ */

/* What is missing against what is free: better now than an hour later. */
static thaw_status check_room(const thaw_pull *pull, uint64_t missing_bytes)
{
    struct statvfs facts;
    char folder[THAW_HUB_PATH_BYTES]; /* the model's own may not exist yet */
    THAW_TRY(thaw_model_folder(pull->context, "", folder));
    if (statvfs(folder, &facts) != 0)
        return THAW_OK;
    const uint64_t free_bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
    if (missing_bytes <= free_bytes)
        return THAW_OK;
    return thaw_fail(pull->context, THAW_ERR_IO, "%s: no room on the disk: %.1f MB are needed, %.1f MB are free",
                     folder, (double)missing_bytes / 1e6, (double)free_bytes / 1e6);
}

static thaw_status compare_all(thaw_pull *pull)
{
    struct stat facts;
    char part[THAW_HUB_PATH_BYTES];
    uint64_t missing = 0;
    for (size_t i = 0; i < pull->count; i++) {
        thaw_remote *remote = &pull->files[i];
        if (!remote->there)
            THAW_TRY(thaw_remote_compare(pull, remote));
        const uint64_t bytes = remote->bytes < 0 ? 0 : (uint64_t)remote->bytes;
        pull->total_bytes += bytes;
        pull->done_bytes += remote->there ? bytes : 0;
        THAW_TRY(thaw_remote_part(pull, remote, part));
        const uint64_t have = stat(part, &facts) == 0 ? (uint64_t)facts.st_size : 0;
        missing += remote->there || have > bytes ? 0 : bytes - have;
    }
    return check_room(pull, missing);
}

static thaw_status download_all(thaw_pull *pull)
{
    for (size_t i = 0; i < pull->count; i++) {
        if (!pull->files[i].there)
            THAW_TRY(thaw_download(pull, &pull->files[i]));
    }
    return THAW_OK;
}

/* All are whole and checked: they take their places, one right after the other. */
static thaw_status publish(thaw_pull *pull)
{
    char part[THAW_HUB_PATH_BYTES], path[THAW_HUB_PATH_BYTES];
    struct stat facts;
    for (size_t i = 0; i < pull->count; i++) {
        thaw_remote *remote = &pull->files[i];
        if (remote->there)
            continue;
        THAW_TRY(thaw_remote_part(pull, remote, part));
        THAW_TRY(thaw_file_path(pull->context, pull->folder, remote->name, path));
        if (stat(part, &facts) != 0 || rename(part, path) != 0)
            return thaw_fail(pull->context, THAW_ERR_IO, "%s: can't be put in place", path);
        thaw_folder_sync(path);
        remote->bytes = facts.st_size;
    }
    const bool beside = pull->options->file != NULL;
    if (!beside)
        thaw_record_remove_stale(pull);
    return thaw_record_write(pull, beside);
}

/* The folder is ours alone. */
static thaw_status pull_locked(thaw_pull *pull)
{
    THAW_TRY(thaw_record_read(pull->context, pull->folder, &pull->record));
    THAW_TRY(pull->options->file ? look_at_file(pull, pull->options->file) : look_at_model(pull));
    THAW_TRY(compare_all(pull));
    THAW_TRY(download_all(pull));
    THAW_TRY(publish(pull));
    thaw_pull_tell(pull, true);
    return THAW_OK;
}

static thaw_status describe(const thaw_pull *pull, thaw_hub_model *model)
{
    THAW_TRY(thaw_record_model(pull->context, pull->record, pull->folder, model));
    for (size_t i = 0; i < model->file_count; i++)
        for (size_t j = 0; j < pull->count; j++)
            if (strcmp(pull->files[j].name, model->files[i].name) == 0)
                model->files[i].downloaded = !pull->files[j].there;
    return THAW_OK;
}

/* The token that belongs to the hub: that of the usual one is nobody else's business. */
static const char *find_token(const char *hub)
{
    const char *token = getenv("THAW_HUB_TOKEN");
    if (token && *token)
        return token;
    return strcmp(hub, THAW_HUB_USUAL) == 0 ? getenv("HF_TOKEN") : NULL;
}

static thaw_status open_session(thaw_pull *pull)
{
    const char *hub = pull->options->hub ? pull->options->hub : getenv("THAW_HUB");
    if (!hub || !*hub)
        hub = THAW_HUB_USUAL;
    return thaw_hub_session_open(pull->context, hub, find_token(hub), pull->options->stall_seconds, &pull->session);
}

static thaw_status open_folder(thaw_pull *pull)
{
    char part[2 * THAW_HUB_NAME_MOST + 3 * THAW_HUB_REVISION_MOST + 4];
    thaw_hub_name_folder(&pull->name, part, sizeof part);
    THAW_TRY(thaw_model_folder(pull->context, part, pull->folder));
    return thaw_folder_lock(pull->context, part, &pull->lock);
}

static thaw_status check_wish(thaw_pull *pull, const char *name)
{
    const char *why;
    const thaw_hub_options *options = pull->options;
    if (!thaw_hub_name_parse(name, options->revision, &pull->name, &why))
        return thaw_fail(pull->context, THAW_ERR_USAGE, "%s", why);
    if (options->file && (!thaw_hub_file_allowed(options->file, false) || strcmp(options->file, THAW_RECORD_NAME) == 0))
        return thaw_fail(pull->context, THAW_ERR_USAGE, "'%s' can't be a model's file", options->file);
    return THAW_OK;
}

static thaw_status run(thaw_pull *pull, const char *name, thaw_hub_model *model)
{
    THAW_TRY(check_wish(pull, name));
    THAW_TRY(open_session(pull));
    THAW_TRY(open_folder(pull));
    THAW_TRY(pull_locked(pull));
    return describe(pull, model);
}

thaw_status thaw_hub_pull(thaw_context *context, const char *name, const thaw_hub_options *options,
                          thaw_hub_model *model)
{
    thaw_pull pull = {.context = context, .options = options, .lock = -1};
    *model = (thaw_hub_model){0};
    thaw_status status = run(&pull, name, model);
    if (status == THAW_ERR_INTERRUPTED)
        status =
            thaw_fail(context, status, "interrupted; what has come is kept, and the same command goes on from there");
    if (status != THAW_OK)
        status = thaw_fail_within(context, status, "%s", name);
    if (pull.lock >= 0)
        close(pull.lock);
    thaw_hub_session_close(&pull.session);
    json_decref(pull.record);
    free(pull.files);
    return status;
}
