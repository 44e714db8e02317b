/* PNG through libpng: every colour type and depth to 8-bit RGB. Samples of 16 bits lose their low byte, as in Pillow;
 * gamma and background are ignored, as in Pillow; alpha is laid over white. */
#include "data/image.h"

#include "data/orientation.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* One image being decoded. libpng leaves by longjmp, so everything that must be freed lives here. */
typedef struct png_reader {
    const uint8_t *bytes;
    size_t size, position;
    thaw_image_error *error;
    png_structp png;
    png_infop info;
    int32_t width, height;
    size_t channels;
    uint8_t *pixels; /* [height][width][channels] */
    int orientation;
} png_reader;

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 8 && png_sig_cmp(bytes, 0, 8) == 0;
}

static void on_error(png_structp png, png_const_charp message)
{
    const png_reader *reader = png_get_error_ptr(png);
    thaw_image_fail(reader->error, "damaged PNG: %s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep out, size_t size)
{
    png_reader *reader = png_get_io_ptr(png);
    if (size > reader->size - reader->position)
        png_error(png, "the file ends too early");
    memcpy(out, reader->bytes + reader->position, size);
    reader->position += size;
}

/* Of the chunks that don't change the pixels only the orientation is read: the others are no reason to refuse an
 * image, nor to unpack text and profiles of any size. */
static void ignore_ancillary_chunks(png_structp png)
{
    static const png_byte exif[] = "eXIf";
    png_set_benign_errors(png, 1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
}

/* Deflate makes at most 1032 bytes of one, so a short file that claims to be large is refused before its pixels are
 * allocated. */
static bool plausible(const png_reader *reader)
{
    const uint64_t bits_per_pixel = png_get_bit_depth(reader->png, reader->info) * reader->channels;
    const uint64_t bytes = (uint64_t)reader->width * (uint64_t)reader->height * bits_per_pixel / 8;
    return bytes <= reader->size * (uint64_t)1032;
}

/* Reads up to the first image data and asks libpng for 8-bit RGB or RGBA. */
static bool read_header(png_reader *reader)
{
    png_structp png = reader->png;
    png_set_user_limits(png, THAW_IMAGE_MAX_SIDE, THAW_IMAGE_MAX_SIDE);
    ignore_ancillary_chunks(png);
    png_read_info(png, reader->info);
    reader->width = (int32_t)png_get_image_width(png, reader->info);
    reader->height = (int32_t)png_get_image_height(png, reader->info);
    reader->channels = png_get_channels(png, reader->info);
    if (!plausible(reader))
        return thaw_image_fail(reader->error, "damaged PNG: %zu bytes can't hold %d x %d pixels", reader->size,
                               reader->width, reader->height);
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    return true;
}

static bool read_pixels(png_reader *reader)
{
    const int passes = png_set_interlace_handling(reader->png);
    png_read_update_info(reader->png, reader->info);
    reader->channels = png_get_channels(reader->png, reader->info);
    if (!thaw_image_allocate(reader->width, reader->height, reader->channels, &reader->pixels, reader->error))
        return false;
    const size_t row_bytes = reader->width * reader->channels;
    if (png_get_rowbytes(reader->png, reader->info) != row_bytes || (reader->channels != 3 && reader->channels != 4))
        return thaw_image_fail(reader->error, "damaged PNG: its rows don't fit its header");
    for (int pass = 0; pass < passes; pass++) {
        for (int32_t y = 0; y < reader->height; y++)
            png_read_row(reader->png, reader->pixels + y * row_bytes, NULL);
    }
    png_read_end(reader->png, reader->info);
    return true;
}

static int read_orientation(const png_reader *reader)
{
    png_uint_32 size;
    png_bytep tiff;
    if (!png_get_eXIf_1(reader->png, reader->info, &size, &tiff) || size > UINT16_MAX)
        return 1;
    uint8_t *exif = malloc(6 + size); /* PNG leaves the header out */
    if (!exif)
        return 1;
    memcpy(exif, "Exif\0\0", 6);
    memcpy(exif + 6, tiff, size);
    const int orientation = thaw_orientation_read(exif, 6 + size);
    free(exif);
    return orientation;
}

/* Everything that may leave by longjmp. */
static bool read_image(png_reader *reader)
{
    if (setjmp(png_jmpbuf(reader->png)))
        return false;
    png_set_read_fn(reader->png, reader, read_bytes);
    if (!read_header(reader) || !read_pixels(reader))
        return false;
    reader->orientation = read_orientation(reader);
    return true;
}

/* RGBA to RGB in place, over white. */
static void blend_over_white(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned alpha = pixels[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((pixels[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

static bool finish(png_reader *reader, thaw_image *image)
{
    thaw_image made = {reader->width, reader->height, reader->pixels};
    if (reader->channels == 4) {
        const size_t count = (size_t)made.width * (size_t)made.height;
        blend_over_white(made.pixels, count);
        uint8_t *shorter = realloc(made.pixels, count * 3);
        made.pixels = shorter ? shorter : made.pixels;
    }
    const bool ok = thaw_orientation_apply(reader->orientation, &made, reader->error);
    reader->pixels = made.pixels;
    if (ok) {
        *image = made;
        reader->pixels = NULL;
    }
    return ok;
}

static bool decode(const uint8_t *bytes, size_t size, thaw_image *image, thaw_image_error *error)
{
    png_reader reader = {.bytes = bytes, .size = size, .error = error, .orientation = 1};
    reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
    const bool ok = reader.info ? read_image(&reader) && finish(&reader, image)
                                : thaw_image_fail(error, "out of memory for a PNG decoder");
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    free(reader.pixels);
    return ok;
}

const thaw_codec thaw_codec_png = {"PNG", probe, decode};
