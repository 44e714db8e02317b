/* Tensors whose data lies in a file beside the model's (external data). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/onnx.h"

/* What a tensor says about where its data is. */
typedef struct place {
    const char *location; /* relative to the model's folder */
    uint64_t offset, length;
    bool has_length;
} place;

/* Digits only: no sign, no blank, nothing behind. */
static thaw_status read_number(thaw_context *context, const onnx_pair *pair, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    *number = pair->value && *pair->value >= '0' && *pair->value <= '9' ? strtoull(pair->value, &end, 10) : 0;
    if (!end || *end || errno)
        return thaw_fail(context, THAW_ERR_MODEL, "the %s of its external data is '%s'", pair->key,
                         pair->value ? pair->value : "");
    return THAW_OK;
}

static thaw_status read_place(thaw_context *context, const onnx_tensor *message, place *where)
{
    *where = (place){0};
    for (size_t i = 0; i < message->n_external_data; i++) {
        const onnx_pair *pair = message->external_data[i];
        const char *key = pair->key ? pair->key : "";
        if (strcmp(key, "location") == 0)
            where->location = pair->value;
        else if (strcmp(key, "offset") == 0)
            THAW_TRY(read_number(context, pair, &where->offset));
        else if (strcmp(key, "length") == 0) {
            THAW_TRY(read_number(context, pair, &where->length));
            where->has_length = true;
        }
    }
    if (!where->location || !*where->location)
        return thaw_fail(context, THAW_ERR_MODEL, "its external data has no location");
    return THAW_OK;
}

/* The path may come from a stranger: it must not lead out of the model's folder. */
static thaw_status check_location(thaw_context *context, const char *location)
{
    bool leaves = *location == '/' || strchr(location, '\\') || strchr(location, ':');
    for (const char *at = location; at && !leaves; at = strchr(at, '/')) {
        at += *at == '/';
        leaves = strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0');
    }
    if (leaves)
        return thaw_fail(context, THAW_ERR_MODEL, "its external data is '%s', not below the model's folder", location);
    return THAW_OK;
}

/* Does the real path `inner` lie below the real path `folder`? */
static bool is_below(const char *folder, const char *inner)
{
    const size_t length = strlen(folder);
    return strncmp(folder, inner, length) == 0 && (inner[length] == '/' || strcmp(folder, "/") == 0);
}

/* Opens `location` in `folder`, wherever symbolic links lead, as long as that is still in the folder. */
static thaw_status open_below(thaw_context *context, const char *folder, const char *location, int *file)
{
    thaw_text path = {0};
    thaw_status status = THAW_OK;
    thaw_text_append(&path, "%s/%s", folder, location);
    char *real_folder = realpath(folder, NULL), *real = path.failed ? NULL : realpath(path.data, NULL);
    *file = -1;
    if (!real_folder || !real)
        status =
            thaw_fail(context, THAW_ERR_IO, "its external data '%s' can't be opened: %s", location, strerror(errno));
    else if (!is_below(real_folder, real))
        status = thaw_fail(context, THAW_ERR_MODEL,
                           "its external data '%s' is a link that leads out of the model's folder", location);
    else if ((*file = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
        status =
            thaw_fail(context, THAW_ERR_IO, "its external data '%s' can't be opened: %s", location, strerror(errno));
    thaw_text_free(&path);
    free(real_folder);
    free(real);
    return status;
}

/* The tensor's bytes, all of which must be there. */
static thaw_status read_bytes(thaw_context *context, int file, const place *where, const thaw_tensor *tensor)
{
    struct stat facts;
    const uint64_t wanted = tensor->bytes;
    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))
        return thaw_fail(context, THAW_ERR_IO, "its external data '%s' is no file", where->location);
    const uint64_t size = (uint64_t)facts.st_size;
    if (where->has_length && where->length != wanted)
        return thaw_fail(context, THAW_ERR_MODEL, "its external data has %llu bytes where %llu are wanted",
                         (unsigned long long)where->length, (unsigned long long)wanted);
    if (where->offset > size || size - where->offset < wanted)
        return thaw_fail(context, THAW_ERR_MODEL, "%llu bytes from byte %llu on are more than '%s' has, which is %llu",
                         (unsigned long long)wanted, (unsigned long long)where->offset, where->location,
                         (unsigned long long)size);
    for (uint64_t done = 0; done < wanted;) {
        const ssize_t got =
            pread(file, (char *)tensor->data + done, (size_t)(wanted - done), (off_t)(where->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return thaw_fail(context, THAW_ERR_IO, "its external data '%s' can't be read: %s", where->location,
                             got < 0 ? strerror(errno) : "it became shorter");
        done += (uint64_t)got;
    }
    return THAW_OK;
}

thaw_status thaw_onnx_read_external(thaw_context *context, const char *folder, const onnx_tensor *message,
                                    thaw_dtype dtype, const thaw_shape *shape, thaw_tensor **tensor)
{
    place where;
    int file;
    *tensor = NULL;
    if (message->raw_data.len)
        return thaw_fail(context, THAW_ERR_MODEL, "its data is in the file and in another one");
    THAW_TRY(read_place(context, message, &where));
    THAW_TRY(check_location(context, where.location));
    THAW_TRY(open_below(context, folder, where.location, &file));
    struct stat facts;
    thaw_status status = THAW_OK;
    int64_t count;
    if (fstat(file, &facts) == 0 && thaw_shape_count(context, shape, &count) == THAW_OK &&
        (uint64_t)count > (uint64_t)facts.st_size)
        status = thaw_fail(context, THAW_ERR_MODEL, "%lld elements are more than '%s' has, which is %lld bytes",
                           (long long)count, where.location, (long long)facts.st_size); /* before memory is asked for */
    if (status == THAW_OK)
        status = thaw_tensor_create(context, dtype, shape, tensor);
    if (status == THAW_OK)
        status = read_bytes(context, file, &where, *tensor);
    if (status != THAW_OK)
        thaw_tensor_release(tensor);
    close(file);
    return status;
}
