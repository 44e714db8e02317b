/* Rows that are dear to compute, on disk between runs: what the frozen part of a model makes of images. It knows
 * nothing of either: a set is named by a hash of all that its rows depend on besides the image, a row by one of the
 * image and the view of it. Each run that has rows to add writes a file of its own (feature_segment.h) into the set's
 * folder, so that processes never get into each other's way and need no locks; files that were not used for the longest
 * time go where there is a lack of room, and whoever has them mapped keeps them until its end. */
#ifndef THAW_DATA_FEATURE_CACHE_H
#define THAW_DATA_FEATURE_CACHE_H

#include "base/context.h"
#include "base/hash.h"

typedef struct thaw_feature_cache thaw_feature_cache;

/* Opens a set. Whatever is wrong with the folder costs nothing but its rows: THAW_ERR_MEMORY is all that fails.
 * `limit_bytes` is what all sets together may take; 0: thaw_feature_cache_limit(). */
THAW_MUST_CHECK thaw_status thaw_feature_cache_open(thaw_context *context, thaw_hash set, size_t row_bytes,
                                                    uint64_t limit_bytes, thaw_feature_cache **cache);
void thaw_feature_cache_close(thaw_feature_cache **cache);

/* The row, until the cache is closed, and the number that came with it; NULL if there is none, or none that is whole.
 */
const void *thaw_feature_cache_find(thaw_feature_cache *cache, thaw_hash key, float *error);
/* Keeps a row. False if it can't be: the first time the log has a warning, and no more rows are taken. */
bool thaw_feature_cache_put(thaw_feature_cache *cache, thaw_hash key, float error, const void *row);
/* May so many rows in all be kept there, with what has to go for them gone? */
bool thaw_feature_cache_has_room(thaw_feature_cache *cache, size_t rows);
/* Rows put since it was opened are found from now on. What was found before may have moved. */
THAW_MUST_CHECK thaw_status thaw_feature_cache_publish(thaw_feature_cache *cache);

/* What all sets together may take where nobody says otherwise: THAW_CACHE_LIMIT megabytes, else a tenth of the disk's
 * free space with what the sets take already counted as free, 16 GiB at most. */
uint64_t thaw_feature_cache_limit(const char *folder, uint64_t used_bytes);

/* --- all sets ----------------------------------------------------------------------------------------------------- */

/* A file of rows. */
typedef struct thaw_feature_file {
    char *path;
    uint64_t bytes;
    int64_t seconds, nanoseconds; /* when it was used last */
} thaw_feature_file;

typedef struct thaw_feature_files {
    thaw_feature_file *files; /* [count], the one that was not used for the longest time first */
    size_t count, capacity;
    uint64_t bytes;
} thaw_feature_files;

/* Every file of every set below `folder`; none where there is no such folder. */
THAW_MUST_CHECK thaw_status thaw_feature_files_list(thaw_context *context, const char *folder,
                                                    thaw_feature_files *files);
void thaw_feature_files_free(thaw_feature_files *files);
/* Takes the file away, and its folder with the last of them. */
bool thaw_feature_file_remove(const thaw_feature_file *file);

#endif
