/* seeds SAFETENSORS_FOLDER IMAGE_FOLDER: writes files to start from. */
#include "format/safetensors.h"
#include "image_files.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <turbojpeg.h>

static void write_image(const char *folder, const char *name, file_bytes image)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(image.data, 1, image.size, file) != image.size || fclose(file) != 0)
        abort();
    free(image.data);
}

/* Grey, colours, palettes with transparency, 16 bits, interlaced; JPEG plain, progressive, turned. */
static void write_images(const char *folder)
{
    enum { WIDTH = 9, HEIGHT = 7 };
    static const uint8_t palette[][3] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {9, 9, 255}}, alpha[] = {255, 0, 128};
    uint8_t *picture = make_picture(WIDTH, HEIGHT), indices[WIDTH * HEIGHT];
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        indices[i] = (uint8_t)(i % 4);
    const png_recipe recipes[] = {
        {WIDTH, HEIGHT, PNG_COLOR_TYPE_RGB, 8, .rows = picture, .row_bytes = 3 * WIDTH, .orientation = 6},
        {WIDTH, HEIGHT, PNG_COLOR_TYPE_GRAY, 8, .interlaced = true, .rows = picture, .row_bytes = WIDTH},
        {4, 7, PNG_COLOR_TYPE_GRAY, 16, .rows = picture, .row_bytes = 8},
        {4, 7, PNG_COLOR_TYPE_RGB_ALPHA, 8, .rows = picture, .row_bytes = 16},
        {WIDTH, HEIGHT, PNG_COLOR_TYPE_PALETTE, 8, .rows = indices, .row_bytes = WIDTH, .palette = palette[0],
         .palette_count = 4, .palette_alpha = alpha, .palette_alpha_count = 3},
    };
    char name[32];
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        snprintf(name, sizeof name, "%zu.png", i);
        write_image(folder, name, make_png(&recipes[i]));
    }
    write_image(folder, "plain.jpg", make_jpeg(picture, WIDTH, HEIGHT, TJPF_RGB, TJSAMP_420, false));
    write_image(folder, "progressive.jpg", make_jpeg(picture, WIDTH, HEIGHT, TJPF_RGB, TJSAMP_444, true));
    write_image(folder, "turned.jpg",
                add_orientation(make_jpeg(picture, WIDTH, HEIGHT, TJPF_RGB, TJSAMP_422, false), 5));
    free(picture);
}

static thaw_status write_safetensors(thaw_context *context, const char *folder)
{
    static const float numbers[] = {0, 1, -2.5f, 3, 4, 5};
    static const int64_t integers[] = {7, -8};
    static const uint8_t bytes[] = {1, 2, 3};
    const thaw_safetensor tensors[] = {
        {"conv.weight", THAW_FLOAT32, {4, {1, 1, 2, 3}}, numbers, sizeof numbers},
        {"steps", THAW_INT64, {1, {2}}, integers, sizeof integers},
        {"mask", THAW_UINT8, {1, {3}}, bytes, sizeof bytes},
        {"scalar", THAW_FLOAT32, {0, {0}}, numbers, sizeof *numbers},
        {"empty", THAW_FLOAT16, {2, {0, 4}}, numbers, 0},
    };
    const thaw_safetensors_note notes[] = {{"format", "pt"}, {"a \"key\"", "\xc3\xa4\n"}};
    const size_t count = sizeof tensors / sizeof *tensors;
    char path[1024];
    thaw_status status = THAW_OK;
    for (size_t i = 0; i <= count && status == THAW_OK; i++) {
        snprintf(path, sizeof path, "%s/%zu.safetensors", folder, i);
        status = thaw_safetensors_write(context, path, tensors, i, notes, i % 3);
    }
    return status;
}

int main(int argc, char **argv)
{
    thaw_context *context;
    if (argc != 3 || thaw_context_create(&context) != THAW_OK)
        return 2;
    write_images(argv[2]);
    const thaw_status status = write_safetensors(context, argv[1]);
    if (status != THAW_OK)
        fprintf(stderr, "%s\n", thaw_error_message(context));
    thaw_context_destroy(&context);
    return status == THAW_OK ? 0 : 1;
}
