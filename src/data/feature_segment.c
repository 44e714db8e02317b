#include "data/feature_segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

#define ALIGNMENT THAW_SEGMENT_HEADER_BYTES /* bytes: rows begin at lines of the processor's caches */

/* In this machine's byte order: rows are for this machine's device only. */
typedef struct file_header {
    char magic[8];
    thaw_hash set;
    uint64_t row_bytes;
    thaw_hash content; /* over what stands before it */
    uint8_t spare[16];
} file_header;

typedef struct record {
    thaw_hash key;
    thaw_hash content; /* over key, error and row */
    float error;
    uint8_t spare[28];
} record;

static_assert(sizeof(file_header) == ALIGNMENT && sizeof(record) == ALIGNMENT, "rows stay aligned");

static const char magic[8] = "THAWROW";

uint64_t thaw_feature_segment_stride(size_t row_bytes)
{
    const uint64_t bytes = sizeof(record) + (uint64_t)row_bytes;
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static file_header make_header(thaw_hash set, size_t row_bytes)
{
    file_header header = {.set = set, .row_bytes = row_bytes};
    memcpy(header.magic, magic, sizeof magic);
    header.content = thaw_hash_bytes(&header, offsetof(file_header, content), 0);
    return header;
}

static thaw_hash hash_record(thaw_hash key, float error, const void *row, size_t row_bytes)
{
    const thaw_hash head = thaw_hash_extend(key, &error, sizeof error);
    return thaw_hash_extend(head, row, row_bytes);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* All of it or, with errno, nothing that counts: what was written of it is cut off again. */
static bool write_whole(thaw_feature_segment *s, struct iovec *parts, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    size_t done = 0;
    while (done < total) {
        const ssize_t written = writev(s->descriptor, parts, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            const int reason = written < 0 ? errno : ENOSPC;
            if (ftruncate(s->descriptor, (off_t)s->written_bytes) != 0)
                close(s->descriptor), s->descriptor = -1; /* what is cut off there stays at the end */
            errno = reason;
            return false;
        }
        done += (size_t)written;
        for (size_t left = (size_t)written; left > 0;) {
            const size_t here = left < parts->iov_len ? left : parts->iov_len;
            parts->iov_base = (char *)parts->iov_base + here;
            parts->iov_len -= here;
            left -= here;
            if (parts->iov_len == 0 && count > 1)
                parts++, count--;
        }
    }
    s->written_bytes += total;
    return true;
}

/* A name that nobody else takes. */
static bool open_new(const char *folder, thaw_feature_segment *s)
{
    const size_t size = strlen(folder) + sizeof "/0123456789abcdef" THAW_SEGMENT_SUFFIX;
    s->path = malloc(size);
    if (!s->path)
        return false;
    thaw_random random = {(uint64_t)getpid() << 32 ^ (uint64_t)(thaw_clock_seconds() * 1e9)};
    for (int attempt = 0; attempt < 100 && s->descriptor < 0; attempt++) {
        snprintf(s->path, size, "%s/%016llx%s", folder, (unsigned long long)thaw_random_next(&random),
                 THAW_SEGMENT_SUFFIX);
        s->descriptor = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (s->descriptor < 0 && errno != EEXIST)
            break;
    }
    return s->descriptor >= 0;
}

bool thaw_feature_segment_create(const char *folder, thaw_hash set, size_t row_bytes, thaw_feature_segment *s)
{
    file_header header = make_header(set, row_bytes);
    struct iovec part = {&header, sizeof header};
    *s = (thaw_feature_segment){.descriptor = -1, .row_bytes = row_bytes};
    const bool opened = open_new(folder, s);
    if (opened && write_whole(s, &part, 1))
        return true;
    const int reason = errno;
    if (opened)
        unlink(s->path);
    thaw_feature_segment_close(s);
    errno = reason;
    return false;
}

bool thaw_feature_segment_append(thaw_feature_segment *s, thaw_hash key, float error, const void *row)
{
    static const uint8_t zeros[ALIGNMENT];
    record head = {.key = key, .content = hash_record(key, error, row, s->row_bytes), .error = error};
    const size_t filled = thaw_feature_segment_stride(s->row_bytes) - sizeof head - s->row_bytes;
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)(uintptr_t)row, s->row_bytes}, {(void *)(uintptr_t)zeros, filled}};
    if (s->descriptor >= 0)
        return write_whole(s, parts, 3);
    errno = EBADF;
    return false;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool read_header(int descriptor, file_header *header)
{
    if (pread(descriptor, header, sizeof *header, 0) != (ssize_t)sizeof *header)
        return false;
    const file_header wanted = make_header(header->set, (size_t)header->row_bytes);
    return memcmp(header, &wanted, sizeof wanted) == 0;
}

static uint64_t records_in(uint64_t bytes, size_t row_bytes)
{
    return bytes < sizeof(file_header) ? 0 : (bytes - sizeof(file_header)) / thaw_feature_segment_stride(row_bytes);
}

size_t thaw_feature_segment_look(const char *path, uint64_t *count)
{
    file_header header;
    struct stat facts;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *count = 0;
    if (descriptor < 0)
        return 0;
    const bool ours = fstat(descriptor, &facts) == 0 && read_header(descriptor, &header);
    close(descriptor);
    if (!ours)
        return 0;
    *count = records_in((uint64_t)facts.st_size, (size_t)header.row_bytes);
    return (size_t)header.row_bytes;
}

static bool map(thaw_feature_segment *s, int descriptor)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0 || (uint64_t)facts.st_size > SIZE_MAX)
        return false;
    const size_t count = (size_t)records_in((uint64_t)facts.st_size, s->row_bytes);
    const size_t bytes = sizeof(file_header) + count * (size_t)thaw_feature_segment_stride(s->row_bytes);
    if (!count)
        return false;
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED)
        return false;
    if (s->map)
        munmap(s->map, s->map_bytes);
    s->map = mapped;
    s->map_bytes = bytes;
    s->count = count;
    return true;
}

bool thaw_feature_segment_map(const char *path, thaw_hash set, size_t row_bytes, thaw_feature_segment *s)
{
    *s = (thaw_feature_segment){.descriptor = -1, .row_bytes = row_bytes, .path = strdup(path)};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    file_header header;
    bool good = s->path && descriptor >= 0 && read_header(descriptor, &header) && thaw_hash_equal(header.set, set) &&
                header.row_bytes == row_bytes;
    good = good && map(s, descriptor);
    if (descriptor >= 0)
        close(descriptor);
    if (!good)
        thaw_feature_segment_close(s);
    return good;
}

bool thaw_feature_segment_map_again(thaw_feature_segment *s)
{
    return s->descriptor >= 0 && map(s, s->descriptor);
}

void thaw_feature_segment_close(thaw_feature_segment *s)
{
    if (s->map)
        munmap(s->map, s->map_bytes);
    if (s->descriptor >= 0)
        close(s->descriptor);
    free(s->path);
    *s = (thaw_feature_segment){.descriptor = -1};
}

static const record *record_at(const thaw_feature_segment *s, size_t index)
{
    return (const record *)(const void *)(s->map + sizeof(file_header) +
                                          index * (size_t)thaw_feature_segment_stride(s->row_bytes));
}

thaw_hash thaw_feature_segment_key(const thaw_feature_segment *s, size_t index)
{
    return record_at(s, index)->key;
}

const void *thaw_feature_segment_row(const thaw_feature_segment *s, size_t index, float *error)
{
    const record *head = record_at(s, index);
    const void *row = head + 1;
    *error = head->error;
    return thaw_hash_equal(head->content, hash_record(head->key, head->error, row, s->row_bytes)) ? row : NULL;
}
