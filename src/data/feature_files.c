/* All sets of rows: which files there are, and how much they may take. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/feature_cache.h"
#include "data/feature_segment.h"

#define PATH_BYTES 4352

static bool is_segment(const char *name)
{
    const size_t length = strlen(name), suffix = sizeof THAW_SEGMENT_SUFFIX - 1;
    return length > suffix && strcmp(name + length - suffix, THAW_SEGMENT_SUFFIX) == 0;
}

static thaw_status add_file(thaw_context *context, const char *path, thaw_feature_files *files)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode)) /* somebody else took it away meanwhile */
        return THAW_OK;
    thaw_feature_file file = {
        .bytes = (uint64_t)facts.st_size, .seconds = facts.st_mtim.tv_sec, .nanoseconds = facts.st_mtim.tv_nsec};
    THAW_TRY(thaw_reserve(context, &files->files, &files->capacity, files->count + 1, sizeof file));
    THAW_TRY(thaw_copy_text(context, path, &file.path));
    files->files[files->count++] = file;
    files->bytes += file.bytes;
    return THAW_OK;
}

static thaw_status list_set(thaw_context *context, const char *folder, thaw_feature_files *files)
{
    char path[PATH_BYTES];
    DIR *listing = opendir(folder);
    thaw_status status = THAW_OK;
    for (const struct dirent *entry; listing && status == THAW_OK && (entry = readdir(listing)) != NULL;)
        if (is_segment(entry->d_name) &&
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < sizeof path)
            status = add_file(context, path, files);
    if (listing)
        closedir(listing);
    return status;
}

static int compare_times(const void *left, const void *right)
{
    const thaw_feature_file *a = left, *b = right;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    return a->nanoseconds < b->nanoseconds ? -1 : a->nanoseconds > b->nanoseconds;
}

thaw_status thaw_feature_files_list(thaw_context *context, const char *folder, thaw_feature_files *files)
{
    char path[PATH_BYTES];
    *files = (thaw_feature_files){0};
    DIR *listing = opendir(folder);
    thaw_status status = THAW_OK;
    for (const struct dirent *entry; listing && status == THAW_OK && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.' &&
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < sizeof path)
            status = list_set(context, path, files);
    if (listing)
        closedir(listing);
    if (status != THAW_OK)
        thaw_feature_files_free(files);
    else if (files->count)
        qsort(files->files, files->count, sizeof *files->files, compare_times);
    return status;
}

void thaw_feature_files_free(thaw_feature_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->files[i].path);
    free(files->files);
    *files = (thaw_feature_files){0};
}

bool thaw_feature_file_remove(const thaw_feature_file *file)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(file->path, '/');
    if (unlink(file->path) != 0 && errno != ENOENT)
        return false;
    if ((size_t)snprintf(folder, sizeof folder, "%.*s", (int)(slash - file->path), file->path) < sizeof folder)
        rmdir(folder); /* fails as long as there is something in it */
    return true;
}

uint64_t thaw_feature_cache_limit(const char *folder, uint64_t used_bytes)
{
    const uint64_t most_bytes = UINT64_C(16) << 30;
    const char *wish = getenv("THAW_CACHE_LIMIT");
    struct statvfs disk;
    if (wish && *wish) {
        char *end;
        const double megabytes = strtod(wish, &end);
        if (*end == '\0' && megabytes >= 0 && megabytes < 1e12)
            return (uint64_t)(megabytes * (1 << 20));
    }
    if (statvfs(folder, &disk) != 0)
        return most_bytes;
    const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize, share = (free_bytes + used_bytes) / 10;
    return share < most_bytes ? share : most_bytes;
}
