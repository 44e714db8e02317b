/* A file of rows that one process writes and any number of them read: a header, then records of one size, each with a
 * hash over itself. Rows are only ever added at its end, so that a writer that is killed leaves at most one that is cut
 * off, and what is damaged is found out when it is read. */
#ifndef THAW_DATA_FEATURE_SEGMENT_H
#define THAW_DATA_FEATURE_SEGMENT_H

#include <thaw/status.h>
#include "base/hash.h"

#define THAW_SEGMENT_SUFFIX       ".rows"
#define THAW_SEGMENT_HEADER_BYTES 64

/* Mapped for reading, or open for writing. */
typedef struct thaw_feature_segment {
    char *path;
    int descriptor; /* -1: only read */
    size_t row_bytes;
    uint64_t written_bytes;
    uint8_t *map; /* [map_bytes]; NULL: not mapped */
    size_t map_bytes;
    size_t count; /* of records in the map */
    bool used;    /* its time was set to now */
} thaw_feature_segment;

/* What a record of rows of so many bytes takes in the file. */
uint64_t thaw_feature_segment_stride(size_t row_bytes);
/* The bytes of a row in that file, by its header alone; 0 if it is none of ours. *count: how many there are. */
size_t thaw_feature_segment_look(const char *path, uint64_t *count);

/* A new file in `folder` for the rows of a set. On failure errno tells why, and nothing is left behind. */
bool thaw_feature_segment_create(const char *folder, thaw_hash set, size_t row_bytes, thaw_feature_segment *segment);
/* Adds one row; `error` is a number that it carries. On failure errno tells why, and the file is as it was before. */
bool thaw_feature_segment_append(thaw_feature_segment *segment, thaw_hash key, float error, const void *row);
/* Maps a file, or again what was written meanwhile. False if it is not the set's, or can't be mapped. */
bool thaw_feature_segment_map(const char *path, thaw_hash set, size_t row_bytes, thaw_feature_segment *segment);
bool thaw_feature_segment_map_again(thaw_feature_segment *segment);
void thaw_feature_segment_close(thaw_feature_segment *segment);

/* Record `index` < count: the key as it stands there. */
thaw_hash thaw_feature_segment_key(const thaw_feature_segment *segment, size_t index);
/* Its row, as long as the segment is open, if record and hash agree; else NULL. */
const void *thaw_feature_segment_row(const thaw_feature_segment *segment, size_t index, float *error);

#endif
