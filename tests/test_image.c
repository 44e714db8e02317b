/* PNG and JPEG files of every kind, good and bad. */
#include <dirent.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "base/random.h"
#include "data/image.h"
#include "image_files.h"
#include "test.h"

/* Decodes from memory that is exactly as long as the file, so that the sanitizer sees a byte read too many. */
static bool decode(const thaw_codec *codec, const uint8_t *bytes, size_t size, thaw_image *image,
                   thaw_image_error *error)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, bytes, size);
    const bool ok = codec->probe(copy, size) && codec->decode(copy, size, image, error);
    free(copy);
    return ok;
}

static bool is_one_line(const thaw_image_error *error)
{
    return error->reason[0] && !strchr(error->reason, '\n');
}

/* --- PNG: every colour type and depth ------------------------------------------------------------------------------
 */

enum { WIDTH = 13, HEIGHT = 11, ROW_BYTES = WIDTH * 8 };

static unsigned sample_at(const uint8_t *row, size_t index, int depth)
{
    if (depth == 16)
        return (unsigned)(row[2 * index] << 8 | row[2 * index + 1]);
    const size_t bit = index * depth;
    return (row[bit / 8] >> (8 - depth - bit % 8)) & ((1u << depth) - 1);
}

/* What a sample is as 8 bits: the high byte of 16, the full range of fewer than 8. */
static unsigned sample_to_8(unsigned sample, int depth)
{
    return depth == 16 ? sample >> 8 : sample * 255 / ((1u << depth) - 1);
}

static unsigned over_white(unsigned value, unsigned alpha)
{
    return (value * alpha + 255 * (255 - alpha) + 127) / 255;
}

static const uint8_t palette[16 * 3] = {1,   2,   3,   250, 20,  30,  7,   200, 9,   10,  11,  180, 90,  91,  92,  255,
                                        255, 255, 0,   0,   0,   40,  50,  60,  70,  80,  90,  100, 110, 120, 130, 140,
                                        150, 160, 170, 180, 190, 200, 210, 220, 230, 240, 250, 12,  34,  56,  78,  98};
static const uint8_t palette_alpha[3] = {0, 128, 255};
static const uint16_t transparent[3] = {1, 1, 1};

static void expected_pixel(const png_recipe *recipe, const uint8_t *row, int32_t x, uint8_t rgb[3])
{
    const int type = recipe->colour_type, depth = recipe->depth;
    if (type == PNG_COLOR_TYPE_PALETTE) {
        const unsigned index = sample_at(row, x, depth) % 16;
        const unsigned alpha = index < (unsigned)recipe->palette_alpha_count ? recipe->palette_alpha[index] : 255;
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)over_white(palette[3 * index + c], alpha);
        return;
    }
    const int colours = type & PNG_COLOR_MASK_COLOR ? 3 : 1;
    const int channels = colours + (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
    unsigned alpha = 255;
    if (channels > colours)
        alpha = sample_to_8(sample_at(row, (size_t)x * channels + colours, depth), depth);
    bool same = recipe->transparent != NULL;
    for (int c = 0; c < colours; c++)
        same = same && sample_at(row, (size_t)x * channels + c, depth) == recipe->transparent[c];
    for (int c = 0; c < 3; c++) {
        const unsigned sample = sample_at(row, (size_t)x * channels + (colours == 3 ? c : 0), depth);
        rgb[c] = (uint8_t)over_white(sample_to_8(sample, depth), same ? 0 : alpha);
    }
}

static void check_png(const png_recipe *recipe)
{
    const file_bytes file = make_png(recipe);
    thaw_image image;
    thaw_image_error error;
    CU_ASSERT_TRUE_FATAL(decode(&thaw_codec_png, file.data, file.size, &image, &error));
    CU_ASSERT_EQUAL_FATAL(image.width, recipe->width);
    CU_ASSERT_EQUAL_FATAL(image.height, recipe->height);
    int wrong = 0;
    for (int32_t y = 0; y < recipe->height; y++) {
        for (int32_t x = 0; x < recipe->width; x++) {
            uint8_t rgb[3];
            expected_pixel(recipe, recipe->rows + y * recipe->row_bytes, x, rgb);
            wrong += memcmp(rgb, image.pixels + (y * recipe->width + x) * 3, 3) != 0;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(image.pixels);
    free(file.data);
}

static void test_png_kinds(void)
{
    static const struct {
        int colour_type, depth;
    } kinds[] = {{PNG_COLOR_TYPE_GRAY, 1},        {PNG_COLOR_TYPE_GRAY, 2},      {PNG_COLOR_TYPE_GRAY, 4},
                 {PNG_COLOR_TYPE_GRAY, 8},        {PNG_COLOR_TYPE_GRAY, 16},     {PNG_COLOR_TYPE_RGB, 8},
                 {PNG_COLOR_TYPE_RGB, 16},        {PNG_COLOR_TYPE_PALETTE, 1},   {PNG_COLOR_TYPE_PALETTE, 2},
                 {PNG_COLOR_TYPE_PALETTE, 4},     {PNG_COLOR_TYPE_PALETTE, 8},   {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
                 {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_RGB_ALPHA, 8}, {PNG_COLOR_TYPE_RGB_ALPHA, 16}};
    thaw_random random = {7};
    uint8_t rows[HEIGHT * ROW_BYTES];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const bool indexed = kinds[i].colour_type == PNG_COLOR_TYPE_PALETTE;
        for (size_t j = 0; j < sizeof rows; j++)
            rows[j] = (uint8_t)thaw_random_below(&random, indexed && kinds[i].depth == 8 ? 16 : 256);
        for (size_t j = 0; j < 48; j++)
            rows[j] = (uint8_t)(kinds[i].depth == 16 ? j & 1 : 1); /* some of the transparent colour */
        for (int variant = 0; variant < 4; variant++) {
            png_recipe recipe = {.width = WIDTH,
                                 .height = HEIGHT,
                                 .colour_type = kinds[i].colour_type,
                                 .depth = kinds[i].depth,
                                 .interlaced = variant & 1,
                                 .rows = rows,
                                 .row_bytes = ROW_BYTES};
            if (indexed) {
                recipe.palette = palette;
                recipe.palette_count = kinds[i].depth >= 4 ? 16 : 1 << kinds[i].depth;
            }
            if (variant >= 2 && indexed) {
                recipe.palette_alpha = palette_alpha;
                recipe.palette_alpha_count = kinds[i].depth == 1 ? 2 : 3;
            } else if (variant >= 2 && !(kinds[i].colour_type & PNG_COLOR_MASK_ALPHA)) {
                recipe.transparent = transparent;
            }
            check_png(&recipe);
        }
    }
}

/* --- JPEG ----------------------------------------------------------------------------------------------------------
 */

static void check_near(const uint8_t *pixel, int red, int green, int blue)
{
    CU_ASSERT_TRUE(abs(pixel[0] - red) <= 3);
    CU_ASSERT_TRUE(abs(pixel[1] - green) <= 3);
    CU_ASSERT_TRUE(abs(pixel[2] - blue) <= 3);
}

/* One colour in each colour space; inks are stored inverted, as Adobe does. */
static void test_jpeg_colours(void)
{
    static const struct {
        int format, subsampling;
        uint8_t stored[4];
        int rgb[3];
    } cases[] = {
        {TJPF_RGB, TJSAMP_444, {200, 40, 90}, {200, 40, 90}},
        {TJPF_RGB, TJSAMP_420, {10, 240, 30}, {10, 240, 30}},
        {TJPF_RGB, TJSAMP_440, {10, 40, 230}, {10, 40, 230}},
        {TJPF_GRAY, TJSAMP_GRAY, {77}, {77, 77, 77}},
        {TJPF_CMYK, TJSAMP_444, {255, 255, 255, 255}, {255, 255, 255}},
        {TJPF_CMYK, TJSAMP_444, {255, 128, 0, 255}, {255, 128, 0}},
        {TJPF_CMYK, TJSAMP_420, {255, 255, 0, 100}, {100, 100, 0}},
        {TJPF_CMYK, TJSAMP_444, {9, 99, 199, 0}, {0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t pixels[17 * 9 * 4];
        const int size = tjPixelSize[cases[i].format];
        for (int j = 0; j < 17 * 9; j++)
            memcpy(pixels + j * size, cases[i].stored, size);
        const file_bytes file = make_jpeg(pixels, 17, 9, cases[i].format, cases[i].subsampling, i % 2);
        thaw_image image;
        thaw_image_error error;
        CU_ASSERT_TRUE_FATAL(decode(&thaw_codec_jpeg, file.data, file.size, &image, &error));
        CU_ASSERT_EQUAL(image.width, 17);
        CU_ASSERT_EQUAL(image.height, 9);
        for (int j = 0; j < 17 * 9; j += 19)
            check_near(image.pixels + 3 * j, cases[i].rgb[0], cases[i].rgb[1], cases[i].rgb[2]);
        free(image.pixels);
        free(file.data);
    }
}

/* --- orientation ---------------------------------------------------------------------------------------------------
 */

/* The colours of the four corners (left and right of the top, then of the bottom) of an upright image that is stored as
 * red, green, blue, white. */
static const char *const corners[] = {"RGBW", "RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"};

static char colour_of(const uint8_t *pixel)
{
    if (pixel[0] > 128)
        return pixel[1] > 128 ? 'W' : 'R';
    return pixel[1] > 128 ? 'G' : 'B';
}

static void check_corners(const thaw_image *image, int orientation)
{
    const bool turned = orientation >= 5;
    CU_ASSERT_EQUAL_FATAL(image->width, turned ? 16 : 32);
    CU_ASSERT_EQUAL_FATAL(image->height, turned ? 32 : 16);
    const int x[] = {1, image->width - 2}, y[] = {1, image->height - 2};
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(colour_of(image->pixels + (y[i / 2] * image->width + x[i % 2]) * 3), corners[orientation][i]);
}

static void test_orientation(void)
{
    static const uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    uint8_t pixels[16 * 32 * 3];
    for (int i = 0; i < 16 * 32; i++)
        memcpy(pixels + 3 * i, colours[i / 32 / 8 * 2 + i % 32 / 16], 3);
    for (int orientation = 1; orientation <= 8; orientation++) {
        const png_recipe recipe = {.width = 32,
                                   .height = 16,
                                   .colour_type = PNG_COLOR_TYPE_RGB,
                                   .depth = 8,
                                   .rows = pixels,
                                   .row_bytes = 32 * 3,
                                   .orientation = orientation};
        const file_bytes png = make_png(&recipe);
        const file_bytes jpeg = add_orientation(make_jpeg(pixels, 32, 16, TJPF_RGB, TJSAMP_444, false), orientation);
        thaw_image image;
        thaw_image_error error;
        CU_ASSERT_TRUE_FATAL(decode(&thaw_codec_png, png.data, png.size, &image, &error));
        check_corners(&image, orientation);
        free(image.pixels);
        CU_ASSERT_TRUE_FATAL(decode(&thaw_codec_jpeg, jpeg.data, jpeg.size, &image, &error));
        check_corners(&image, orientation);
        free(image.pixels);
        free(jpeg.data);
        free(png.data);
    }
}

/* --- bad files -----------------------------------------------------------------------------------------------------
 */

static void check_refused(const char *path, const char *reason)
{
    thaw_image image = {-1, -1, NULL};
    thaw_image_error error = {""};
    CU_ASSERT_FALSE(thaw_image_read(path, &image, &error));
    CU_ASSERT_TRUE(is_one_line(&error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.reason, reason));
    CU_ASSERT_EQUAL(image.width, -1);
}

static void test_not_images(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *reason;
    } cases[] = {
        {"", 0, "empty file"},
        {"x", 1, "not a PNG or JPEG file"},
        {"GIF89a, and so on", 17, "not a PNG or JPEG file"},
        {"\x89PNG\r\n\x1a\n", 8, "ends too early"},
        {"\x89PNG\n\x1a\n and more", 16, "not a PNG or JPEG file"},
        {"\xff\xd8", 2, "not a PNG or JPEG file"},
        {"\xff\xd8\xff", 3, "ends too early"},
        {"\xff\xd8\xff\xd9", 4, "JPEG"},
        {"\xff\xd8\xff\xe1\xff\xff\xff\xd9", 8, "ends too early"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_refused(write_test_file("not_an_image.png", cases[i].bytes, cases[i].size), cases[i].reason);
    check_refused("/nonexistent/image.png", "No such file");
    check_refused(test_folder(), "folder");
    check_refused("/dev/null", "not a regular file");
}

/* What the name says does not count. */
static void test_wrong_names(void)
{
    uint8_t *pixels = make_picture(5, 4);
    const file_bytes file = make_jpeg(pixels, 5, 4, TJPF_RGB, TJSAMP_444, false);
    thaw_image image;
    thaw_image_error error;
    CU_ASSERT_TRUE_FATAL(thaw_image_read(write_test_file("really.png", file.data, file.size), &image, &error));
    CU_ASSERT_EQUAL(image.width, 5);
    free(image.pixels);
    free(file.data);
    free(pixels);
}

/* Small files whose headers promise much. */
static void test_bombs(void)
{
    static const struct {
        uint8_t side[4];
        const char *reason;
    } sides[] = {{{0, 0, 0x7F, 0xFF}, "can't hold"},
                 {{0, 0, 0xFF, 0xFF}, "can't hold"},
                 {{0, 1, 0, 0}, "damaged PNG"},
                 {{0x7F, 0xFF, 0xFF, 0xFF}, "damaged PNG"},
                 {{0, 0, 0, 0}, "damaged PNG"}};
    uint8_t *pixels = make_picture(40, 30);
    const file_bytes png = make_png(&(png_recipe){
        .width = 40, .height = 30, .colour_type = PNG_COLOR_TYPE_RGB, .depth = 8, .rows = pixels, .row_bytes = 120});
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        memcpy(png.data + 16, sides[i].side, 4);
        memcpy(png.data + 20, sides[i].side, 4);
        repair_checksum(png, 8);
        check_refused(write_test_file("bomb.png", png.data, png.size), sides[i].reason);
    }
    const file_bytes jpeg = make_jpeg(pixels, 40, 30, TJPF_RGB, TJSAMP_444, false);
    for (size_t i = 0; i + 8 < jpeg.size; i++) {
        if (jpeg.data[i] == 0xFF && jpeg.data[i + 1] == 0xC0)
            memset(jpeg.data + i + 5, 0xFA, 4);
    }
    check_refused(write_test_file("bomb.jpg", jpeg.data, jpeg.size), "too large: 64250 x 64250 pixels");
    free(jpeg.data);
    free(png.data);
    free(pixels);
}

typedef struct victim {
    const thaw_codec *codec;
    file_bytes file;
} victim;

enum { VICTIMS = 5 };

static void make_victims(victim victims[VICTIMS])
{
    uint8_t *pixels = make_picture(24, 17);
    png_recipe recipe = {.width = 24,
                         .height = 17,
                         .colour_type = PNG_COLOR_TYPE_RGB,
                         .depth = 8,
                         .interlaced = true,
                         .rows = pixels,
                         .row_bytes = 72,
                         .orientation = 6};
    victims[0] = (victim){&thaw_codec_png, make_png(&recipe)};
    recipe = (png_recipe){.width = 24,
                          .height = 17,
                          .colour_type = PNG_COLOR_TYPE_PALETTE,
                          .depth = 4,
                          .rows = pixels,
                          .row_bytes = 12,
                          .palette = palette,
                          .palette_count = 16,
                          .palette_alpha = palette_alpha,
                          .palette_alpha_count = 3};
    victims[1] = (victim){&thaw_codec_png, make_png(&recipe)};
    victims[2] = (victim){&thaw_codec_jpeg, add_orientation(make_jpeg(pixels, 24, 17, TJPF_RGB, TJSAMP_420, false), 5)};
    victims[3] = (victim){&thaw_codec_jpeg, make_jpeg(pixels, 24, 17, TJPF_RGB, TJSAMP_444, true)};
    victims[4] = (victim){&thaw_codec_jpeg, make_jpeg(pixels, 18, 17, TJPF_CMYK, TJSAMP_444, false)};
    free(pixels);
}

static void free_victims(victim victims[VICTIMS])
{
    for (int i = 0; i < VICTIMS; i++)
        free(victims[i].file.data);
}

/* A file cut short is refused at every length, rather than shown half. */
static void test_cut_files(void)
{
    victim victims[VICTIMS];
    make_victims(victims);
    for (int i = 0; i < VICTIMS; i++) {
        thaw_image image;
        thaw_image_error error;
        int accepted = 0;
        for (size_t size = 0; size < victims[i].file.size; size++) {
            strcpy(error.reason, "not probed");
            const bool ok = decode(victims[i].codec, victims[i].file.data, size, &image, &error);
            if (ok)
                free(image.pixels);
            accepted += ok || !is_one_line(&error);
        }
        CU_ASSERT_EQUAL(accepted, 0);
        CU_ASSERT_TRUE_FATAL(decode(victims[i].codec, victims[i].file.data, victims[i].file.size, &image, &error));
        free(image.pixels);
    }
    free_victims(victims);
}

/* Any damage gives an image or a reason. In PNGs the checksums are made right again, or hardly anything but them would
 * be tested. */
static void test_damaged_files(void)
{
    victim victims[VICTIMS];
    make_victims(victims);
    thaw_random random = {11};
    int refused = 0;
    for (int trial = 0; trial < 3000; trial++) {
        const victim *target = &victims[trial % VICTIMS];
        file_bytes copy = {malloc(target->file.size), target->file.size};
        memcpy(copy.data, target->file.data, copy.size);
        for (uint64_t flips = 1 + thaw_random_below(&random, 4); flips > 0; flips--)
            copy.data[8 + thaw_random_below(&random, copy.size - 8)] = (uint8_t)thaw_random_next(&random);
        for (size_t at = 8; target->codec == &thaw_codec_png && at + 12 <= copy.size;) {
            const size_t length = (size_t)copy.data[at + 2] << 8 | copy.data[at + 3];
            repair_checksum(copy, at);
            at += 12 + length;
        }
        thaw_image image = {0, 0, NULL};
        thaw_image_error error = {""};
        const bool ok = decode(target->codec, copy.data, copy.size, &image, &error);
        CU_ASSERT_TRUE(ok ? image.pixels != NULL : is_one_line(&error));
        refused += !ok;
        free(image.pixels);
        free(copy.data);
    }
    CU_ASSERT_TRUE(refused > 300 && refused < 2900);
    free_victims(victims);
}

/* --- the shared torture files --------------------------------------------------------------------------------------
 */

/* Reads every file of the folder whose name ends so; counts those that decode. */
static void read_folder(const char *folder, const char *ending, int *good, int *broken_accepted, int *files)
{
    DIR *stream = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        const size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ending) != 0)
            continue;
        char path[2048];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        thaw_image image;
        thaw_image_error error = {""};
        const bool ok = thaw_image_read(path, &image, &error);
        CU_ASSERT_TRUE(ok || is_one_line(&error));
        if (ok)
            free(image.pixels);
        *good += ok && entry->d_name[0] != 'x';
        *broken_accepted += ok && entry->d_name[0] == 'x';
        ++*files;
    }
    closedir(stream);
}

static void test_png_suite(void)
{
    const char *folder = test_shared("torture/pngsuite");
    if (!folder) {
        test_skip("no shared PngSuite");
        return;
    }
    int good = 0, broken_accepted = 0, files = 0;
    read_folder(folder, ".png", &good, &broken_accepted, &files);
    CU_ASSERT_EQUAL(good, 161);
    CU_ASSERT_EQUAL(files, 175);
    CU_ASSERT_EQUAL(broken_accepted, 0);
}

static void test_jpeg_torture(void)
{
    const char *folder = test_shared("torture/jpeg");
    if (!folder) {
        test_skip("no shared JPEG torture files");
        return;
    }
    int good = 0, broken_accepted = 0, files = 0;
    read_folder(folder, ".jpg", &good, &broken_accepted, &files);
    CU_ASSERT_TRUE(good >= 9); /* those that Pillow takes, but for two with garbage in their data */
    CU_ASSERT_TRUE(files >= 50);
}

void suite_image(void)
{
    static const test_entry tests[] = {
        {"PNG of every kind", test_png_kinds},
        {"JPEG colours", test_jpeg_colours},
        {"orientation", test_orientation},
        {"not images", test_not_images},
        {"wrong names", test_wrong_names},
        {"bombs", test_bombs},
        {"cut at every length", test_cut_files},
        {"bytes flipped", test_damaged_files},
        {"PngSuite", test_png_suite},
        {"JPEG torture", test_jpeg_torture},
    };
    TEST_SUITE("image", tests);
}
