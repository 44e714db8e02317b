/* Whole files: bounded reading, atomic writing. */
#ifndef THAW_BASE_FILE_H
#define THAW_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <thaw/status.h>
#include "base/hash.h"

/* The file's bytes, freed with free(). A zero byte, not counted, is put behind them. THAW_ERR_IO with the path and the
 * reason (a folder counts as unreadable), THAW_ERR_SIZE if it has more than `limit_bytes`, THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_file_read(thaw_context *context, const char *path, uint64_t limit_bytes,
                                           uint8_t **bytes, size_t *size);

/* One hash of the file's bytes, which go through `buffer` as a whole; it is grown as needed, to be used for the next
 * file and freed with free(). As above. */
THAW_MUST_CHECK thaw_status thaw_file_hash(thaw_context *context, const char *path, uint64_t limit_bytes,
                                           uint8_t **buffer, size_t *buffer_bytes, thaw_hash *hash);

/* A file being written beside its target. Between open and commit the target is untouched; commit syncs and renames,
 * and both commit and abandon close and set *file to NULL. Abandon accepts NULL. */
typedef struct thaw_new_file thaw_new_file;
THAW_MUST_CHECK thaw_status thaw_new_file_open(thaw_context *context, const char *path, thaw_new_file **file);
THAW_MUST_CHECK thaw_status thaw_new_file_write(thaw_new_file *file, const void *bytes, size_t size);
THAW_MUST_CHECK thaw_status thaw_new_file_commit(thaw_new_file **file);
void thaw_new_file_abandon(thaw_new_file **file);

/* Opens, writes all of it, commits; leaves nothing behind on failure. */
THAW_MUST_CHECK thaw_status thaw_file_write(thaw_context *context, const char *path, const void *bytes, size_t size);

/* Makes the folder `path` and those above it, where they are missing; `path` is changed meanwhile. THAW_ERR_IO. */
THAW_MUST_CHECK thaw_status thaw_folder_make(thaw_context *context, char *path);
/* Makes renames of files to `path` last through a power cut, where the file system can. */
void thaw_folder_sync(const char *path);

/* The folder for what can be made again: $THAW_CACHE_DIR, else $XDG_CACHE_HOME/thaw, else ~/.cache/thaw, with `part`
 * behind it; made if missing. THAW_ERR_IO if it can't be. */
THAW_MUST_CHECK thaw_status thaw_cache_folder(thaw_context *context, const char *part, char *path, size_t path_size);

#endif
