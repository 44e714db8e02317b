#include "train/image_contents.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/image.h"

typedef struct thaw_file_stamp {
    int64_t bytes, seconds, nanoseconds;
} thaw_file_stamp;

static thaw_file_stamp stamp_of(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0)
        return (thaw_file_stamp){-1, 0, 0};
    return (thaw_file_stamp){facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
}

thaw_status thaw_image_contents_read(thaw_context *context, const char *const *paths, size_t count,
                                     thaw_image_contents *c)
{
    uint8_t *buffer = NULL;
    size_t buffer_bytes = 0, i = 0;
    *c = (thaw_image_contents){.paths = paths, .count = count};
    THAW_TRY(thaw_allocate(context, count, sizeof *c->hashes, &c->hashes));
    THAW_TRY(thaw_allocate(context, count, sizeof *c->stamps, &c->stamps));
    for (; i < count && !thaw_context_interrupted(context); i++) {
        c->stamps[i] = stamp_of(paths[i]);
        if (thaw_file_hash(context, paths[i], THAW_IMAGE_MAX_FILE_BYTES, &buffer, &buffer_bytes, &c->hashes[i]) !=
            THAW_OK)
            c->hashes[i] = (thaw_hash){0, 0};
    }
    free(buffer);
    if (i < count)
        return thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped after a look at %zu of %zu images", i, count);
    return THAW_OK;
}

void thaw_image_contents_free(thaw_image_contents *c)
{
    free(c->hashes);
    free(c->stamps);
    *c = (thaw_image_contents){0};
}

bool thaw_image_contents_known(const thaw_image_contents *c, size_t image)
{
    return c->hashes && !thaw_hash_equal(c->hashes[image], (thaw_hash){0, 0});
}

bool thaw_image_contents_unchanged(const thaw_image_contents *c, size_t image)
{
    const thaw_file_stamp now = stamp_of(c->paths[image]), *before = &c->stamps[image];
    return now.bytes == before->bytes && now.seconds == before->seconds && now.nanoseconds == before->nanoseconds;
}
