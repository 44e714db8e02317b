/* The folders of the user's cache, looked at from outside: what they hold, and taking it away. */
#include <thaw/cache.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/feature_cache.h"
#include "data/feature_segment.h"

#define PATH_BYTES       4352
#define TEXT_LIMIT_BYTES (16u << 20)

static const char *const names[] = {
#define CACHE_NAME(name, text) text,
    THAW_CACHE_LIST(CACHE_NAME)
#undef CACHE_NAME
};

/* A tuning file has a line for itself, then one for each choice. */
static uint64_t count_lines(thaw_context *context, const char *path)
{
    uint8_t *bytes;
    size_t size;
    uint64_t lines = 0;
    if (thaw_file_read(context, path, TEXT_LIMIT_BYTES, &bytes, &size) != THAW_OK)
        return 0;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    free(bytes);
    return lines ? lines - 1 : 0;
}

static uint64_t count_entries(thaw_context *context, thaw_cache_kind kind, const char *path)
{
    uint64_t rows;
    if (kind == THAW_CACHE_OF_TUNING)
        return count_lines(context, path);
    if (kind == THAW_CACHE_OF_PROGRAMS)
        return 1;
    return thaw_feature_segment_look(path, &rows) ? rows : 0;
}

/* Files directly in the folder, in the form that sets of features have. */
static thaw_status list_plain(thaw_context *context, const char *folder, thaw_feature_files *files)
{
    char path[PATH_BYTES];
    struct stat facts;
    DIR *listing = opendir(folder);
    thaw_status status = THAW_OK;
    *files = (thaw_feature_files){0};
    for (const struct dirent *entry; listing && status == THAW_OK && (entry = readdir(listing)) != NULL;) {
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path ||
            stat(path, &facts) != 0 || !S_ISREG(facts.st_mode))
            continue;
        status = thaw_reserve(context, &files->files, &files->capacity, files->count + 1, sizeof *files->files);
        if (status != THAW_OK)
            break;
        thaw_feature_file file = {.bytes = (uint64_t)facts.st_size, .seconds = facts.st_mtim.tv_sec};
        status = thaw_copy_text(context, path, &file.path);
        if (status == THAW_OK)
            files->files[files->count++] = file;
        files->bytes += file.bytes;
    }
    if (listing)
        closedir(listing);
    if (status != THAW_OK)
        thaw_feature_files_free(files);
    return status;
}

static thaw_status list(thaw_context *context, thaw_cache_kind kind, char *folder, size_t size,
                        thaw_feature_files *files)
{
    THAW_TRY(thaw_cache_folder(context, "", folder, size - sizeof "/programs"));
    strcat(strcat(folder, "/"), names[kind]);
    return kind == THAW_CACHE_OF_FEATURES ? thaw_feature_files_list(context, folder, files)
                                          : list_plain(context, folder, files);
}

thaw_status thaw_cache_info(thaw_context *context, thaw_cache_kind kind, thaw_cache_facts *facts)
{
    char folder[PATH_BYTES];
    thaw_feature_files files;
    *facts = (thaw_cache_facts){.name = names[kind]};
    THAW_TRY(list(context, kind, folder, sizeof folder, &files));
    for (size_t i = 0; i < files.count; i++)
        facts->entries += count_entries(context, kind, files.files[i].path);
    facts->files = files.count;
    facts->bytes = files.bytes;
    if (kind == THAW_CACHE_OF_FEATURES)
        facts->limit_bytes = thaw_feature_cache_limit(folder, files.bytes);
    thaw_feature_files_free(&files);
    return thaw_copy_text(context, folder, &facts->folder);
}

void thaw_cache_facts_free(thaw_cache_facts *facts)
{
    free(facts->folder);
    *facts = (thaw_cache_facts){0};
}

thaw_status thaw_cache_clear(thaw_context *context, thaw_cache_kind kind, size_t *count, uint64_t *bytes)
{
    char folder[PATH_BYTES];
    thaw_feature_files files;
    *count = 0;
    *bytes = 0;
    if (kind == THAW_CACHE_OF_TUNING)
        THAW_TRY(thaw_cache_clear(context, THAW_CACHE_OF_FEATURES, count, bytes));
    THAW_TRY(list(context, kind, folder, sizeof folder, &files));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < files.count; i++) {
        const thaw_feature_file *file = &files.files[i];
        const bool removed = kind == THAW_CACHE_OF_FEATURES ? thaw_feature_file_remove(file)
                                                            : unlink(file->path) == 0 || errno == ENOENT;
        if (!removed)
            status = thaw_fail(context, THAW_ERR_IO, "%s: can't remove: %s", file->path, strerror(errno));
        *count += removed;
        *bytes += removed ? file->bytes : 0;
    }
    thaw_feature_files_free(&files);
    return status;
}
