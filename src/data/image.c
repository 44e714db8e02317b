/* Image files: read whole, recognised by their first bytes, decoded by the codec that knows them. */
#include "data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const thaw_codec *const codecs[] = {&thaw_codec_png, &thaw_codec_jpeg};

bool thaw_image_fail(thaw_image_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->reason, sizeof error->reason, format, arguments);
    va_end(arguments);
    return false;
}

bool thaw_image_allocate(uint64_t width, uint64_t height, size_t channels, uint8_t **pixels, thaw_image_error *error)
{
    *pixels = NULL;
    if (width == 0 || height == 0)
        return thaw_image_fail(error, "it has no pixels");
    if (width > THAW_IMAGE_MAX_SIDE || height > THAW_IMAGE_MAX_SIDE || width * height > THAW_IMAGE_MAX_PIXELS)
        return thaw_image_fail(error, "too large: %llu x %llu pixels, the limits are %d a side and %d in all",
                               (unsigned long long)width, (unsigned long long)height, THAW_IMAGE_MAX_SIDE,
                               THAW_IMAGE_MAX_PIXELS);
    *pixels = calloc((size_t)(width * height), channels);
    return *pixels ? true
                   : thaw_image_fail(error, "out of memory for %llu x %llu pixels", (unsigned long long)width,
                                     (unsigned long long)height);
}

/* Reads `size` bytes; a file that shrinks meanwhile is an error. */
static bool read_all(int descriptor, uint8_t *bytes, size_t size, thaw_image_error *error)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(descriptor, bytes + done, size - done);
        if (got == 0)
            return thaw_image_fail(error, "it became shorter while it was read");
        if (got < 0 && errno != EINTR)
            return thaw_image_fail(error, "%s", strerror(errno));
        if (got > 0)
            done += (size_t)got;
    }
    return true;
}

static bool read_open_file(int descriptor, uint8_t **bytes, size_t *size, thaw_image_error *error)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0)
        return thaw_image_fail(error, "%s", strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return thaw_image_fail(error, S_ISDIR(facts.st_mode) ? "it is a folder" : "not a regular file");
    if (facts.st_size == 0)
        return thaw_image_fail(error, "empty file");
    if ((uint64_t)facts.st_size > THAW_IMAGE_MAX_FILE_BYTES)
        return thaw_image_fail(error, "too large: %lld bytes, the limit is %u", (long long)facts.st_size,
                               THAW_IMAGE_MAX_FILE_BYTES);
    *size = (size_t)facts.st_size;
    *bytes = malloc(*size);
    if (!*bytes)
        return thaw_image_fail(error, "out of memory for a file of %zu bytes", *size);
    if (read_all(descriptor, *bytes, *size, error))
        return true;
    free(*bytes);
    return false;
}

/* Not thaw_file_read(): that one's reason goes into a context and repeats the path. */
static bool read_file(const char *path, uint8_t **bytes, size_t *size, thaw_image_error *error)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
    if (descriptor < 0)
        return thaw_image_fail(error, "%s", strerror(errno));
    const bool ok = read_open_file(descriptor, bytes, size, error);
    close(descriptor);
    return ok;
}

static bool decode(const uint8_t *bytes, size_t size, thaw_image *image, thaw_image_error *error)
{
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (codecs[i]->probe(bytes, size))
            return codecs[i]->decode(bytes, size, image, error);
    }
    return thaw_image_fail(error, "not a PNG or JPEG file");
}

bool thaw_image_read(const char *path, thaw_image *image, thaw_image_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (!read_file(path, &bytes, &size, error))
        return false;
    const bool ok = decode(bytes, size, image, error);
    free(bytes);
    return ok;
}

bool thaw_image_read_hashed(const char *path, thaw_image *image, thaw_hash *content, thaw_image_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    *content = (thaw_hash){0};
    if (!read_file(path, &bytes, &size, error))
        return false;
    *content = thaw_hash_bytes(bytes, size, 0);
    const bool ok = decode(bytes, size, image, error);
    free(bytes);
    return ok;
}

bool thaw_image_hash_file(const char *path, thaw_hash *content)
{
    thaw_image_error error;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (!read_file(path, &bytes, &size, &error))
        return false;
    *content = thaw_hash_bytes(bytes, size, 0);
    free(bytes);
    return true;
}
