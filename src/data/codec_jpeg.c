/* JPEG through libjpeg-turbo: grey, YCbCr, RGB, CMYK and YCCK to RGB with Pillow's settings (accurate DCT, smooth
 * chroma upsampling). Damage that libjpeg only warns of is let pass, as Pillow does; a file without its end is not. */
#include "data/image.h"

#include "data/orientation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

enum { START_OF_SCAN = 0xDA, END_OF_IMAGE = 0xD9, APP1 = 0xE1 };

/* What the decoder does not tell. */
typedef struct jpeg_outline {
    bool has_end;
    const uint8_t *exif; /* from "Exif" on; NULL if there is none */
    size_t exif_size;
} jpeg_outline;

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

/* Markers that stand alone: stuffed zeros and fill bytes in the coded data, TEM, restarts and start of image. */
static bool stands_alone(uint8_t marker)
{
    return marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8) || marker == 0xFF;
}

/* Walks from marker to marker up to the end of the image. Coded data needs no care of its own: there 0xFF is always
 * followed by a zero or a restart. */
static jpeg_outline outline_read(const uint8_t *bytes, size_t size)
{
    jpeg_outline outline = {false, NULL, 0};
    bool in_header = true;
    for (size_t at = 2; at + 1 < size;) {
        const uint8_t marker = bytes[at + 1];
        if (bytes[at] != 0xFF || stands_alone(marker)) {
            at += bytes[at] == 0xFF && marker != 0xFF ? 2 : 1;
            continue;
        }
        outline.has_end = marker == END_OF_IMAGE;
        if (outline.has_end || at + 4 > size)
            break;
        const size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        in_header = in_header && marker != START_OF_SCAN;
        if (in_header && marker == APP1 && !outline.exif && length >= 8 && at + 2 + length <= size &&
            memcmp(bytes + at + 4, "Exif\0\0", 6) == 0) {
            outline.exif = bytes + at + 4;
            outline.exif_size = length - 2;
        }
        at += 2 + length;
    }
    return outline;
}

/* a * b / 255, rounded. */
static unsigned multiply_255(unsigned a, unsigned b)
{
    const unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

/* Inks to RGB in place. JPEG files store them inverted, as Adobe began it: 255 is no ink, so black scales what the
 * others leave. */
static void cmyk_to_rgb(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned light = pixels[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)(light - multiply_255(255 - pixels[4 * i + c], light));
    }
}

static bool decode_error(tjhandle handle, thaw_image_error *error)
{
    return thaw_image_fail(error, "damaged or unsupported JPEG: %s", tjGetErrorStr2(handle));
}

/* The header fails for chroma subsamplings that TurboJPEG has no name for; those decode all the same, so what counts is
 * that size and colour space were found. */
static bool read_header(tjhandle handle, const uint8_t *bytes, size_t size, thaw_image *image, bool *cmyk,
                        thaw_image_error *error)
{
    int width = 0, height = 0, subsampling = -1, colours = -1;
    (void)tjDecompressHeader3(handle, bytes, (unsigned long)size, &width, &height, &subsampling, &colours);
    if (width < 1 || height < 1 || colours < 0)
        return decode_error(handle, error);
    *image = (thaw_image){width, height, NULL};
    *cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
    return true;
}

static bool decompress(tjhandle handle, const uint8_t *bytes, size_t size, const thaw_image *image, bool cmyk,
                       int flags)
{
    return tjDecompress2(handle, bytes, (unsigned long)size, image->pixels, image->width, 0, image->height,
                         cmyk ? TJPF_CMYK : TJPF_RGB, flags | TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) == 0;
}

/* Damage that the decoder can get over is a warning. TurboJPEG calls an error that follows a warning a warning too, but
 * keeps the first warning's text unless an error replaces it: so the file is decoded up to the first warning, and if
 * there is one, again to see whether the text stays. */
static bool decompress_damaged(tjhandle handle, const uint8_t *bytes, size_t size, const thaw_image *image, bool cmyk,
                               thaw_image_error *error)
{
    char warning[sizeof error->reason];
    if (decompress(handle, bytes, size, image, cmyk, TJFLAG_STOPONWARNING))
        return true;
    snprintf(warning, sizeof warning, "%s", tjGetErrorStr2(handle));
    if (tjGetErrorCode(handle) != TJERR_WARNING)
        return decode_error(handle, error);
    return decompress(handle, bytes, size, image, cmyk, 0) || strcmp(warning, tjGetErrorStr2(handle)) == 0 ||
           decode_error(handle, error);
}

/* Leaves image->pixels to be freed after a failure too. */
static bool read_pixels(tjhandle handle, const uint8_t *bytes, size_t size, thaw_image *image, thaw_image_error *error)
{
    bool cmyk = false;
    if (!read_header(handle, bytes, size, image, &cmyk, error) ||
        !thaw_image_allocate(image->width, image->height, cmyk ? 4 : 3, &image->pixels, error) ||
        !decompress_damaged(handle, bytes, size, image, cmyk, error))
        return false;
    if (cmyk) {
        const size_t count = (size_t)image->width * (size_t)image->height;
        cmyk_to_rgb(image->pixels, count);
        uint8_t *shorter = realloc(image->pixels, count * 3);
        image->pixels = shorter ? shorter : image->pixels;
    }
    return true;
}

static bool decode(const uint8_t *bytes, size_t size, thaw_image *image, thaw_image_error *error)
{
    const jpeg_outline outline = outline_read(bytes, size);
    if (!outline.has_end)
        return thaw_image_fail(error, "damaged JPEG: the file ends too early");
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return thaw_image_fail(error, "out of memory for a JPEG decoder");
    thaw_image made = {0, 0, NULL};
    const int orientation = outline.exif ? thaw_orientation_read(outline.exif, outline.exif_size) : 1;
    const bool ok = read_pixels(handle, bytes, size, &made, error) && thaw_orientation_apply(orientation, &made, error);
    tjDestroy(handle);
    if (ok)
        *image = made;
    else
        free(made.pixels);
    return ok;
}

const thaw_codec thaw_codec_jpeg = {"JPEG", probe, decode};
