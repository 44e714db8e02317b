/* Images in host memory: 8-bit RGB, rows without padding. */
#ifndef THAW_DATA_IMAGE_H
#define THAW_DATA_IMAGE_H

#include <thaw/data.h>
#include "base/context.h"
#include "base/hash.h"

typedef struct thaw_image {
    int32_t width, height;
    uint8_t *pixels; /* [height][width][3], freed with free() */
} thaw_image;

#define THAW_IMAGE_MAX_SIDE       (65535)     /* pixels; a JPEG can't be longer */
#define THAW_IMAGE_MAX_PIXELS     (178956970) /* Pillow's own limit against decompression bombs, doubled */
#define THAW_IMAGE_MAX_FILE_BYTES (256u << 20)

/* A failure inside a worker thread: the loader gives it back with the image; contexts are not used for it. */
typedef struct thaw_image_error {
    char reason[256];
} thaw_image_error;

/* Writes the reason and gives false, so that callers write `return thaw_image_fail(...)`. */
bool thaw_image_fail(thaw_image_error *error, const char *format, ...) THAW_PRINTF(2, 3);
/* Room for [height][width][channels] once the sides are within the limits above; freed with free(). */
bool thaw_image_allocate(uint64_t width, uint64_t height, size_t channels, uint8_t **pixels, thaw_image_error *error);

/* A codec: tells by the first bytes, decodes to RGB as Pillow's convert("RGB") after exif_transpose would (alpha over
 * white). */
typedef struct thaw_codec {
    const char *name;
    bool (*probe)(const uint8_t *bytes, size_t size);
    bool (*decode)(const uint8_t *bytes, size_t size, thaw_image *image, thaw_image_error *error);
} thaw_codec;
extern const thaw_codec thaw_codec_png, thaw_codec_jpeg;

/* Reads, recognises and decodes a file. False with the reason in *error; *image is untouched then. Thread-safe. */
bool thaw_image_read(const char *path, thaw_image *image, thaw_image_error *error);
/* The same, with the hash of the file's bytes, also of those that can't be decoded; zero if it can't be read. */
bool thaw_image_read_hashed(const char *path, thaw_image *image, thaw_hash *content, thaw_image_error *error);
/* The hash alone. False if the file can't be read, or not as an image. */
bool thaw_image_hash_file(const char *path, thaw_hash *content);

/* Scales the box (left, top, right, bottom, in pixels of the source) to width x height, as Pillow's Image.resize(size,
 * resample, box) for 8-bit images does, bit for bit: antialiased, two passes, rounded between. False if memory runs
 * out. */
bool thaw_image_resize(const thaw_image *source, const double box[4], int32_t width, int32_t height,
                       thaw_interpolation interpolation, thaw_image *out);

/* The geometry of thaw_preprocess (all but the arithmetic, which the device does): result is [height][width][3], in
 * `pixels`. */
bool thaw_image_prepare(const thaw_image *source, const thaw_preprocess *preprocess, uint8_t *pixels,
                        thaw_image_error *error);

#endif
