#include "image_files.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

static void append(png_structp png, png_bytep data, size_t size)
{
    file_bytes *out = png_get_io_ptr(png);
    out->data = realloc(out->data, out->size + size);
    if (!out->data)
        abort();
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void flush(png_structp png)
{
    (void)png;
}

/* TIFF, little endian, with one entry: the orientation. */
static void fill_tiff(uint8_t tiff[26], int orientation)
{
    static const uint8_t fixed[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1};
    memcpy(tiff, fixed, sizeof fixed);
    tiff[18] = (uint8_t)orientation;
}

static void write_extras(png_structp png, png_infop info, const png_recipe *recipe)
{
    png_color palette[256];
    for (int i = 0; i < recipe->palette_count; i++)
        palette[i] = (png_color){recipe->palette[3 * i], recipe->palette[3 * i + 1], recipe->palette[3 * i + 2]};
    if (recipe->palette_count)
        png_set_PLTE(png, info, palette, recipe->palette_count);
    if (recipe->palette_alpha_count)
        png_set_tRNS(png, info, recipe->palette_alpha, recipe->palette_alpha_count, NULL);
    if (recipe->transparent) {
        const bool grey = recipe->colour_type == PNG_COLOR_TYPE_GRAY;
        const uint16_t *value = recipe->transparent;
        png_color_16 colour = {.gray = value[0]};
        if (!grey)
            colour = (png_color_16){.red = value[0], .green = value[1], .blue = value[2]};
        png_set_tRNS(png, info, NULL, 0, &colour);
    }
    if (recipe->orientation) {
        uint8_t tiff[26];
        fill_tiff(tiff, recipe->orientation);
        png_set_eXIf_1(png, info, sizeof tiff, tiff);
    }
}

file_bytes make_png(const png_recipe *recipe)
{
    file_bytes out = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, append, flush);
    png_set_IHDR(png, info, (png_uint_32)recipe->width, (png_uint_32)recipe->height, recipe->depth, recipe->colour_type,
                 recipe->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    write_extras(png, info, recipe);
    png_write_info(png, info);
    const int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++) {
        for (int32_t y = 0; y < recipe->height; y++)
            png_write_row(png, recipe->rows + y * recipe->row_bytes);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return out;
}

file_bytes make_jpeg(const uint8_t *pixels, int32_t width, int32_t height, int format, int subsampling,
                     bool progressive)
{
    unsigned char *data = NULL;
    unsigned long size = 0;
    tjhandle handle = tjInitCompress();
    if (tjCompress2(handle, pixels, width, 0, height, format, &data, &size, subsampling, 95,
                    progressive ? TJFLAG_PROGRESSIVE : 0) != 0)
        abort();
    tjDestroy(handle);
    file_bytes out = {malloc(size), size};
    memcpy(out.data, data, size);
    tjFree(data);
    return out;
}

file_bytes add_orientation(file_bytes jpeg, int orientation)
{
    uint8_t segment[36] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f'};
    fill_tiff(segment + 10, orientation);
    file_bytes out = {malloc(jpeg.size + sizeof segment), jpeg.size + sizeof segment};
    memcpy(out.data, jpeg.data, 2);
    memcpy(out.data + 2, segment, sizeof segment);
    memcpy(out.data + 2 + sizeof segment, jpeg.data + 2, jpeg.size - 2);
    free(jpeg.data);
    return out;
}

static uint32_t read_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void repair_checksum(file_bytes png, size_t offset)
{
    const size_t length = read_be32(png.data + offset);
    if (offset + 12 + length > png.size)
        return;
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = offset + 4; i < offset + 8 + length; i++) {
        crc ^= png.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        png.data[offset + 8 + length + i] = (uint8_t)(~crc >> (24 - 8 * i));
}

uint8_t *make_picture(int32_t width, int32_t height)
{
    uint8_t *pixels = malloc((size_t)width * height * 3);
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            for (int32_t c = 0; c < 3; c++)
                pixels[(y * width + x) * 3 + c] = (uint8_t)(x * 37 + y * 101 + c * 59 + ((x * y * 7) ^ (x + y)));
        }
    }
    return pixels;
}

uint64_t fnv_hash(const uint8_t *bytes, size_t size)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash;
}
