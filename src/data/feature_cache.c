#include "data/feature_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/feature_segment.h"

#define PATH_BYTES 4352

/* Where a row is. */
typedef struct entry {
    thaw_hash key;
    size_t segment, index;
} entry;

struct thaw_feature_cache {
    thaw_context *context;
    thaw_hash set;
    size_t row_bytes;
    char all[PATH_BYTES], folder[PATH_BYTES + THAW_HASH_TEXT]; /* of all sets, and of this one, made when written */
    thaw_feature_segment *segments;                            /* [segment_count] */
    size_t segment_count, segment_capacity;
    entry *entries; /* [entry_count], sorted by key */
    size_t entry_count, entry_capacity;
    /* What is written: */
    thaw_feature_segment own;  /* descriptor -1: nothing yet */
    size_t own_place;          /* in segments, once it was published; SIZE_MAX */
    thaw_feature_files others; /* that may go, [next_to_go ..) */
    size_t next_to_go;
    uint64_t limit_bytes, room_bytes;
    bool measured; /* that room */
    bool closed;   /* to new rows */
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int compare_hashes(thaw_hash a, thaw_hash b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

static int compare_entries(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    const int order = compare_hashes(a->key, b->key);
    if (order)
        return order;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Records [from ..) of a segment become findable. */
static thaw_status add_entries(thaw_feature_cache *c, size_t segment, size_t from)
{
    const thaw_feature_segment *s = &c->segments[segment];
    THAW_TRY(thaw_reserve(c->context, &c->entries, &c->entry_capacity, c->entry_count + s->count - from,
                          sizeof *c->entries));
    for (size_t i = from; i < s->count; i++)
        c->entries[c->entry_count++] = (entry){thaw_feature_segment_key(s, i), segment, i};
    return THAW_OK;
}

static void sort_entries(thaw_feature_cache *c)
{
    if (c->entry_count)
        qsort(c->entries, c->entry_count, sizeof *c->entries, compare_entries);
}

static thaw_status add_segment(thaw_feature_cache *c, const thaw_feature_segment *segment)
{
    THAW_TRY(thaw_reserve(c->context, &c->segments, &c->segment_capacity, c->segment_count + 1, sizeof *segment));
    c->segments[c->segment_count++] = *segment;
    return add_entries(c, c->segment_count - 1, 0);
}

static thaw_status read_set(thaw_feature_cache *c)
{
    char path[2 * PATH_BYTES];
    DIR *listing = opendir(c->folder);
    thaw_status status = THAW_OK;
    for (const struct dirent *file; listing && status == THAW_OK && (file = readdir(listing)) != NULL;) {
        thaw_feature_segment segment;
        if (file->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof path, "%s/%s", c->folder, file->d_name) >= sizeof path ||
            !thaw_feature_segment_map(path, c->set, c->row_bytes, &segment))
            continue;
        status = add_segment(c, &segment);
    }
    if (listing)
        closedir(listing);
    sort_entries(c);
    return status;
}

/* The first entry that is not below the key. */
static size_t first_of(const thaw_feature_cache *c, thaw_hash key)
{
    size_t low = 0, high = c->entry_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_hashes(c->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The time of the last use decides who has to go. */
static void mark_used(thaw_feature_segment *segment)
{
    if (!segment->used)
        utimensat(AT_FDCWD, segment->path, NULL, 0);
    segment->used = true;
}

const void *thaw_feature_cache_find(thaw_feature_cache *c, thaw_hash key, float *error)
{
    for (size_t i = first_of(c, key); i < c->entry_count && thaw_hash_equal(c->entries[i].key, key); i++) {
        thaw_feature_segment *segment = &c->segments[c->entries[i].segment];
        const void *row = thaw_feature_segment_row(segment, c->entries[i].index, error);
        if (!row) {
            thaw_log(c->context, THAW_LOG_DEBUG, "%s: a damaged row, computed again", segment->path);
            continue;
        }
        mark_used(segment);
        return row;
    }
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool stop_writing(thaw_feature_cache *c, const char *what, const char *why)
{
    thaw_log(c->context, THAW_LOG_WARNING, "%s: %s: %s; going on without keeping more features for later runs",
             c->folder, what, why);
    c->closed = true;
    return false;
}

static bool is_used(const thaw_feature_cache *c, const char *path)
{
    for (size_t i = 0; i < c->segment_count; i++)
        if (c->segments[i].used && strcmp(c->segments[i].path, path) == 0)
            return true;
    return false;
}

/* Until there is room for that many bytes, files go that were not used for the longest time. */
static bool make_room(thaw_feature_cache *c, uint64_t bytes)
{
    while (c->room_bytes < bytes && c->next_to_go < c->others.count) {
        const thaw_feature_file *file = &c->others.files[c->next_to_go++];
        if (!is_used(c, file->path) && thaw_feature_file_remove(file)) {
            c->room_bytes += file->bytes;
            thaw_log(c->context, THAW_LOG_DEBUG, "%s: removed, to make room", file->path);
        }
    }
    return c->room_bytes >= bytes;
}

/* The room is what the limit leaves; where others take more than it already, none, until some of them are gone. */
static bool measure_room(thaw_feature_cache *c)
{
    if (c->measured)
        return true;
    c->measured = true;
    if (thaw_feature_files_list(c->context, c->all, &c->others) != THAW_OK)
        return stop_writing(c, "can't be listed", thaw_error_message(c->context));
    if (!c->limit_bytes)
        c->limit_bytes = thaw_feature_cache_limit(c->all, c->others.bytes);
    while (c->others.bytes > c->limit_bytes && c->next_to_go < c->others.count) {
        const thaw_feature_file *file = &c->others.files[c->next_to_go++];
        if (!is_used(c, file->path) && thaw_feature_file_remove(file))
            c->others.bytes -= file->bytes;
    }
    c->room_bytes = c->others.bytes < c->limit_bytes ? c->limit_bytes - c->others.bytes : 0;
    return true;
}

bool thaw_feature_cache_has_room(thaw_feature_cache *c, size_t rows)
{
    return !c->closed && measure_room(c) && rows <= c->limit_bytes / thaw_feature_segment_stride(c->row_bytes);
}

/* The set's folder may vanish at any time: with its last file that somebody takes away. */
static bool create_file(thaw_feature_cache *c)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        if (thaw_feature_segment_create(c->folder, c->set, c->row_bytes, &c->own)) {
            c->room_bytes -= c->own.written_bytes;
            return true;
        }
        if (errno != ENOENT || (mkdir(c->folder, 0777) != 0 && errno != EEXIST))
            break;
    }
    return stop_writing(c, "can't create a file", strerror(errno));
}

bool thaw_feature_cache_put(thaw_feature_cache *c, thaw_hash key, float error, const void *row)
{
    const uint64_t bytes = thaw_feature_segment_stride(c->row_bytes);
    const bool begun = c->own.descriptor >= 0;
    if (c->closed || !measure_room(c))
        return false;
    if (!make_room(c, bytes + (begun ? 0 : THAW_SEGMENT_HEADER_BYTES))) {
        thaw_log(c->context, THAW_LOG_INFO, "the features kept on disk have reached their limit of %llu MB",
                 (unsigned long long)(c->limit_bytes >> 20));
        c->closed = true;
        return false;
    }
    if (!begun && !create_file(c))
        return false;
    if (!thaw_feature_segment_append(&c->own, key, error, row))
        return stop_writing(c, "can't write", strerror(errno));
    c->room_bytes -= bytes;
    return true;
}

thaw_status thaw_feature_cache_publish(thaw_feature_cache *c)
{
    const size_t before = c->own.count;
    if (!thaw_feature_segment_map_again(&c->own))
        return THAW_OK;
    thaw_feature_segment reader = c->own;
    if (c->own_place == SIZE_MAX) {
        THAW_TRY(thaw_reserve(c->context, &c->segments, &c->segment_capacity, c->segment_count + 1, sizeof reader));
        c->own_place = c->segment_count++;
    }
    reader.used = true;
    c->segments[c->own_place] = reader;
    THAW_TRY(add_entries(c, c->own_place, before));
    sort_entries(c);
    return THAW_OK;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static thaw_status open_set(thaw_feature_cache *c)
{
    char name[THAW_HASH_TEXT];
    if (thaw_cache_folder(c->context, "features", c->all, sizeof c->all - THAW_HASH_TEXT) != THAW_OK) {
        thaw_log(c->context, THAW_LOG_WARNING, "%s; going on without keeping features for later runs",
                 thaw_error_message(c->context));
        c->closed = true;
        return THAW_OK;
    }
    thaw_hash_text(c->set, name);
    snprintf(c->folder, sizeof c->folder, "%s/%s", c->all, name);
    return read_set(c);
}

thaw_status thaw_feature_cache_open(thaw_context *context, thaw_hash set, size_t row_bytes, uint64_t limit_bytes,
                                    thaw_feature_cache **cache)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **cache, cache));
    thaw_feature_cache *c = *cache;
    c->context = context;
    c->set = set;
    c->row_bytes = row_bytes;
    c->limit_bytes = limit_bytes;
    c->own.descriptor = -1;
    c->own_place = SIZE_MAX;
    const thaw_status status = open_set(c);
    if (status != THAW_OK)
        thaw_feature_cache_close(cache);
    return status;
}

void thaw_feature_cache_close(thaw_feature_cache **cache)
{
    thaw_feature_cache *c = *cache;
    if (!c)
        return;
    for (size_t i = 0; i < c->segment_count; i++)
        if (i != c->own_place)
            thaw_feature_segment_close(&c->segments[i]);
    thaw_feature_segment_close(&c->own);
    thaw_feature_files_free(&c->others);
    free(c->segments);
    free(c->entries);
    free(c);
    *cache = NULL;
}
