/* PNG and JPEG files made on the spot, for the suites that read images. */
#ifndef THAW_TESTS_IMAGE_FILES_H
#define THAW_TESTS_IMAGE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct file_bytes {
    uint8_t *data; /* freed with free() */
    size_t size;
} file_bytes;

/* A PNG as libpng writes it; members left 0 are not used. */
typedef struct png_recipe {
    int32_t width, height;
    int colour_type, depth; /* PNG_COLOR_TYPE_..., bits per sample */
    bool interlaced;
    const uint8_t *rows; /* packed as in the file, one after the other */
    size_t row_bytes;
    const uint8_t *palette; /* [palette_count][3] */
    int palette_count;
    const uint8_t *palette_alpha; /* [palette_alpha_count] */
    int palette_alpha_count;
    const uint16_t *transparent; /* the sample (grey) or the three samples (RGB) that are transparent */
    int orientation;             /* written into an eXIf chunk */
} png_recipe;

file_bytes make_png(const png_recipe *recipe);
/* `format` and `subsampling` are TurboJPEG's TJPF_... and TJSAMP_...; quality 95. */
file_bytes make_jpeg(const uint8_t *pixels, int32_t width, int32_t height, int format, int subsampling,
                     bool progressive);
/* The JPEG with an EXIF segment behind its start; frees the old bytes. */
file_bytes add_orientation(file_bytes jpeg, int orientation);
/* Makes the checksum right of the chunk that begins at `offset` of a PNG. */
void repair_checksum(file_bytes png, size_t offset);

/* A picture that compresses well but not to nothing, RGB, freed with free(). */
uint8_t *make_picture(int32_t width, int32_t height);
/* FNV-1a, 64 bits: what the values recorded from Pillow were hashed with. */
uint64_t fnv_hash(const uint8_t *bytes, size_t size);

#endif
