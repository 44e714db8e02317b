#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/memory.h"

static thaw_status fail_errno(thaw_context *context, const char *path, const char *what)
{
    return thaw_fail(context, THAW_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* Reads until the end, or until `capacity` bytes are there; signals only delay it. -1 on failure. */
static ssize_t read_fully(int descriptor, uint8_t *bytes, size_t capacity)
{
    size_t done = 0;
    while (done < capacity) {
        const ssize_t got = read(descriptor, bytes + done, capacity - done);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The announced size is only where reading starts: pipes have none, and files grow. A zero byte comes behind. */
static thaw_status read_descriptor(thaw_context *context, const char *path, int descriptor, uint64_t announced_bytes,
                                   uint64_t limit_bytes, uint8_t **bytes, size_t *capacity, size_t *size)
{
    if (announced_bytes > limit_bytes)
        return thaw_fail(context, THAW_ERR_SIZE, "%s: %llu bytes are more than the limit of %llu", path,
                         (unsigned long long)announced_bytes, (unsigned long long)limit_bytes);
    size_t used = 0;
    uint64_t wanted = announced_bytes;
    for (;;) {
        THAW_TRY(thaw_reserve(context, bytes, capacity, (size_t)wanted + 2, 1));
        const ssize_t got = read_fully(descriptor, *bytes + used, *capacity - 1 - used);
        if (got < 0)
            return fail_errno(context, path, "can't read");
        used += (size_t)got;
        if (used > limit_bytes)
            return thaw_fail(context, THAW_ERR_SIZE, "%s: more bytes than the limit of %llu", path,
                             (unsigned long long)limit_bytes);
        if (used < *capacity - 1)
            break;
        wanted = *capacity;
    }
    (*bytes)[used] = 0;
    *size = used;
    return THAW_OK;
}

/* Into a buffer that may be there already. */
static thaw_status read_path(thaw_context *context, const char *path, uint64_t limit_bytes, uint8_t **bytes,
                             size_t *capacity, size_t *size)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_errno(context, path, "can't open");
    thaw_status status;
    struct stat facts;
    if (fstat(descriptor, &facts) != 0)
        status = fail_errno(context, path, "can't open");
    else if (S_ISDIR(facts.st_mode))
        status = thaw_fail(context, THAW_ERR_IO, "%s: is a folder, not a file", path);
    else
        status = read_descriptor(context, path, descriptor, S_ISREG(facts.st_mode) ? (uint64_t)facts.st_size : 0,
                                 limit_bytes, bytes, capacity, size);
    close(descriptor);
    return status;
}

thaw_status thaw_file_read(thaw_context *context, const char *path, uint64_t limit_bytes, uint8_t **bytes, size_t *size)
{
    size_t capacity = 0;
    *bytes = NULL;
    *size = 0;
    const thaw_status status = read_path(context, path, limit_bytes, bytes, &capacity, size);
    if (status != THAW_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

thaw_status thaw_file_hash(thaw_context *context, const char *path, uint64_t limit_bytes, uint8_t **buffer,
                           size_t *buffer_bytes, thaw_hash *hash)
{
    size_t size = 0;
    THAW_TRY(read_path(context, path, limit_bytes, buffer, buffer_bytes, &size));
    *hash = thaw_hash_bytes(*buffer, size, 0);
    return THAW_OK;
}

/* Makes `path` and the folders above it. False with errno. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    if (mkdir(path, 0777) == 0)
        return true;
    struct stat facts;
    if (errno != EEXIST || stat(path, &facts) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(facts.st_mode);
}

thaw_status thaw_folder_make(thaw_context *context, char *path)
{
    return make_folders(path) ? THAW_OK : fail_errno(context, path, "can't make the folder");
}

thaw_status thaw_cache_folder(thaw_context *context, const char *part, char *path, size_t path_size)
{
    const char *base = getenv("THAW_CACHE_DIR"), *inside = "";
    if (!base || !*base) {
        base = getenv("XDG_CACHE_HOME");
        inside = "/thaw";
    }
    if (!base || !*base) {
        base = getenv("HOME");
        inside = "/.cache/thaw";
    }
    if (!base || !*base)
        return thaw_fail(context, THAW_ERR_IO, "no cache folder: set THAW_CACHE_DIR or HOME");
    const int length = snprintf(path, path_size, "%s%s%s%s", base, inside, *part ? "/" : "", part);
    if (length < 0 || (size_t)length >= path_size)
        return thaw_fail(context, THAW_ERR_IO, "%s: the path of the cache folder is too long", base);
    if (!make_folders(path))
        return fail_errno(context, path, "can't make the cache folder");
    return THAW_OK;
}
