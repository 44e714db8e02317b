/* Resampling and crops against Pillow 13.0.0 and torchvision 0.29.2: hashes of what these gave for make_picture(). */
#include <stdlib.h>
#include <string.h>

#include "data/image.h"
#include "image_files.h"
#include "test.h"

static const struct {
    int32_t width, height;
    double box[4];
    int32_t new_width, new_height;
    thaw_interpolation interpolation;
    uint64_t hash;
} resizes[] = {
    {64, 48, {0, 0, 64, 48}, 31, 17, THAW_NEAREST, 0x5CD79CFF44BD9ECC},
    {17, 13, {0, 0, 17, 13}, 64, 50, THAW_NEAREST, 0x7102F65C8F9212C5},
    {100, 75, {0, 0, 100, 75}, 1, 1, THAW_NEAREST, 0x938E761B18DE23EA},
    {1, 1, {0, 0, 1, 1}, 9, 7, THAW_NEAREST, 0xE321F377D7673ED0},
    {40, 200, {0, 0, 40, 200}, 33, 20, THAW_NEAREST, 0x264EC14E903D3C99},
    {33, 21, {0, 0, 33, 21}, 33, 5, THAW_NEAREST, 0xBC30B5FDC8D81A9E},
    {33, 21, {0, 0, 33, 21}, 7, 21, THAW_NEAREST, 0x66C9CD6A9CCF7214},
    {50, 40, {3.5, 2.25, 41.75, 39.5}, 24, 32, THAW_NEAREST, 0xBDF8EA1C2F9E1A2B},
    {64, 48, {0, 0, 64, 48}, 31, 17, THAW_BILINEAR, 0x65B434CB6B0BE64D},
    {17, 13, {0, 0, 17, 13}, 64, 50, THAW_BILINEAR, 0x531C251DF9B04A27},
    {100, 75, {0, 0, 100, 75}, 1, 1, THAW_BILINEAR, 0x2FBA361AE17D478C},
    {1, 1, {0, 0, 1, 1}, 9, 7, THAW_BILINEAR, 0xE321F377D7673ED0},
    {40, 200, {0, 0, 40, 200}, 33, 20, THAW_BILINEAR, 0xF8DFA60EEDAB0C01},
    {33, 21, {0, 0, 33, 21}, 33, 5, THAW_BILINEAR, 0x071434241BD71634},
    {33, 21, {0, 0, 33, 21}, 7, 21, THAW_BILINEAR, 0xB775B73DE0068C7D},
    {50, 40, {3.5, 2.25, 41.75, 39.5}, 24, 32, THAW_BILINEAR, 0x70D6F44698AB5C79},
    {64, 48, {0, 0, 64, 48}, 31, 17, THAW_BICUBIC, 0x982C057F6166B2BA},
    {17, 13, {0, 0, 17, 13}, 64, 50, THAW_BICUBIC, 0xC8E79232B9BFD570},
    {100, 75, {0, 0, 100, 75}, 1, 1, THAW_BICUBIC, 0x2FBA361AE17D478C},
    {1, 1, {0, 0, 1, 1}, 9, 7, THAW_BICUBIC, 0xE321F377D7673ED0},
    {40, 200, {0, 0, 40, 200}, 33, 20, THAW_BICUBIC, 0xAF09438A37DE8919},
    {33, 21, {0, 0, 33, 21}, 33, 5, THAW_BICUBIC, 0xA05FBE255A22AC1E},
    {33, 21, {0, 0, 33, 21}, 7, 21, THAW_BICUBIC, 0x0301719781C4BD9B},
    {50, 40, {3.5, 2.25, 41.75, 39.5}, 24, 32, THAW_BICUBIC, 0x13A1F3DCD87BF78B},
};

static void test_pillow_resize(void)
{
    for (size_t i = 0; i < sizeof resizes / sizeof resizes[0]; i++) {
        const thaw_image source = {resizes[i].width, resizes[i].height,
                                   make_picture(resizes[i].width, resizes[i].height)};
        thaw_image out;
        CU_ASSERT_TRUE_FATAL(thaw_image_resize(&source, resizes[i].box, resizes[i].new_width, resizes[i].new_height,
                                               resizes[i].interpolation, &out));
        CU_ASSERT_EQUAL(out.width, resizes[i].new_width);
        CU_ASSERT_EQUAL(out.height, resizes[i].new_height);
        CU_ASSERT_EQUAL(fnv_hash(out.pixels, (size_t)out.width * out.height * 3), resizes[i].hash);
        free(out.pixels);
        free(source.pixels);
    }
}

static const struct {
    int32_t width, height, crop_width, crop_height, resize;
    thaw_interpolation interpolation;
    uint64_t hash;
} crops[] = {
    {64, 48, 32, 32, 37, THAW_BILINEAR, 0x624354F8FEE998F4},
    {48, 64, 32, 32, 37, THAW_BILINEAR, 0x843CCB2732498829},
    {51, 50, 17, 18, 40, THAW_BILINEAR, 0x639B585E9AED962E},
    {50, 51, 18, 17, 41, THAW_BILINEAR, 0x9EB9D55495384D9B},
    {64, 48, 24, 24, 0, THAW_BILINEAR, 0x652298D19AF74EAC},
    {20, 30, 32, 40, 20, THAW_BILINEAR, 0xDFD9FF6FE8813DCD},
    {30, 20, 33, 16, 18, THAW_BICUBIC, 0xB025E02FBAA0D436},
    {7, 90, 16, 16, 8, THAW_NEAREST, 0x4C8242EA3C010A8D},
    {256, 256, 224, 224, 256, THAW_BILINEAR, 0x80B67C42B7685F25},
};

static void test_torchvision_crop(void)
{
    for (size_t i = 0; i < sizeof crops / sizeof crops[0]; i++) {
        const thaw_image source = {crops[i].width, crops[i].height, make_picture(crops[i].width, crops[i].height)};
        const thaw_preprocess preprocess = {.width = crops[i].crop_width,
                                            .height = crops[i].crop_height,
                                            .resize = crops[i].resize,
                                            .interpolation = crops[i].interpolation};
        const size_t bytes = (size_t)crops[i].crop_width * crops[i].crop_height * 3;
        uint8_t *pixels = malloc(bytes);
        memset(pixels, 77, bytes);
        thaw_image_error error;
        CU_ASSERT_TRUE(thaw_image_prepare(&source, &preprocess, pixels, &error));
        CU_ASSERT_EQUAL(fnv_hash(pixels, bytes), crops[i].hash);
        free(pixels);
        free(source.pixels);
    }
}

/* The same size, or any size of one colour, changes nothing. */
static void test_unchanged(void)
{
    const thaw_image picture = {29, 31, make_picture(29, 31)};
    thaw_image grey = {13, 7, malloc(13 * 7 * 3)};
    memset(grey.pixels, 93, 13 * 7 * 3);
    for (int i = THAW_NEAREST; i <= THAW_BICUBIC; i++) {
        thaw_image same, other;
        CU_ASSERT_TRUE_FATAL(
            thaw_image_resize(&picture, (const double[]){0, 0, 29, 31}, 29, 31, (thaw_interpolation)i, &same));
        CU_ASSERT_EQUAL(memcmp(same.pixels, picture.pixels, 29 * 31 * 3), 0);
        CU_ASSERT_TRUE_FATAL(
            thaw_image_resize(&grey, (const double[]){0, 0, 13, 7}, 40, 3, (thaw_interpolation)i, &other));
        for (int j = 0; j < 40 * 3 * 3; j++)
            CU_ASSERT_EQUAL(other.pixels[j], 93);
        free(other.pixels);
        free(same.pixels);
    }
    free(grey.pixels);
    free(picture.pixels);
}

/* Two columns, black and white, to four: the values follow from the filters by hand. */
static void test_known_values(void)
{
    static const uint8_t expected[3][4] = {{0, 0, 255, 255}, {0, 64, 191, 255}, {0, 53, 202, 255}};
    uint8_t pixels[6] = {0, 0, 0, 255, 255, 255};
    const thaw_image source = {2, 1, pixels};
    for (int i = THAW_NEAREST; i <= THAW_BICUBIC; i++) {
        thaw_image out;
        CU_ASSERT_TRUE_FATAL(
            thaw_image_resize(&source, (const double[]){0, 0, 2, 1}, 4, 1, (thaw_interpolation)i, &out));
        for (int x = 0; x < 4; x++)
            CU_ASSERT_EQUAL(out.pixels[3 * x], expected[i][x]);
        free(out.pixels);
    }
}

/* The longest image there may be, on its side and upright: only the crop is computed. */
static void test_extreme_shapes(void)
{
    for (int upright = 0; upright < 2; upright++) {
        const thaw_image source = {upright ? 1 : THAW_IMAGE_MAX_SIDE, upright ? THAW_IMAGE_MAX_SIDE : 1,
                                   calloc(THAW_IMAGE_MAX_SIDE, 3)};
        memset(source.pixels, 200, (size_t)THAW_IMAGE_MAX_SIDE * 3);
        for (int32_t resize = 0; resize <= 256; resize += 256) {
            const thaw_preprocess preprocess = {
                .width = 8, .height = 9, .resize = resize, .interpolation = THAW_BICUBIC};
            uint8_t pixels[8 * 9 * 3] = {0};
            thaw_image_error error;
            CU_ASSERT_TRUE(thaw_image_prepare(&source, &preprocess, pixels, &error));
            CU_ASSERT_EQUAL(pixels[0], 200);
            CU_ASSERT_EQUAL(pixels[sizeof pixels - 1], 200);
        }
        free(source.pixels);
    }
}

static void test_named_preprocess(void)
{
    thaw_preprocess p;
    CU_ASSERT_TRUE_FATAL(thaw_preprocess_named("imagenet", 224, 224, &p));
    CU_ASSERT_EQUAL(p.resize, 256);
    CU_ASSERT_EQUAL(p.interpolation, THAW_BILINEAR);
    CU_ASSERT_FALSE(p.bgr);
    CU_ASSERT_DOUBLE_EQUAL((255 * (double)p.scale - (double)p.mean[0]) / (double)p.std[0], 2.2489, 1e-4);
    CU_ASSERT_TRUE_FATAL(thaw_preprocess_named("tf", 128, 128, &p));
    CU_ASSERT_EQUAL(p.resize, 146);
    CU_ASSERT_DOUBLE_EQUAL((255 * (double)p.scale - (double)p.mean[2]) / (double)p.std[2], 1, 1e-6);
    CU_ASSERT_TRUE_FATAL(thaw_preprocess_named("caffe", 227, 227, &p));
    CU_ASSERT_EQUAL(p.resize, 259);
    CU_ASSERT_TRUE(p.bgr);
    CU_ASSERT_DOUBLE_EQUAL((double)p.mean[0], 103.939, 1e-4);
    CU_ASSERT_TRUE_FATAL(thaw_preprocess_named("raw", 32, 32, &p));
    CU_ASSERT_DOUBLE_EQUAL((255 * (double)p.scale - (double)p.mean[1]) / (double)p.std[1], 255, 0);
    CU_ASSERT_FALSE(thaw_preprocess_named("Imagenet", 224, 224, &p));
    CU_ASSERT_FALSE(thaw_preprocess_named("", 224, 224, &p));
}

static const struct {
    const char *names;
    thaw_preprocess values;
} wrong[] = {
    {"width is 0", {.width = 0, .height = 1, .scale = 1, .std = {1, 1, 1}}},
    {"height is 16385", {.width = 1, .height = 16385, .scale = 1, .std = {1, 1, 1}}},
    {"resize is -1", {.width = 1, .height = 1, .resize = -1, .scale = 1, .std = {1, 1, 1}}},
    {"interpolation 7",
     {.width = 1, .height = 1, .interpolation = (thaw_interpolation)7, .scale = 1, .std = {1, 1, 1}}},
    {"scale is 0", {.width = 1, .height = 1, .scale = 0, .std = {1, 1, 1}}},
    {"std 1 is 0", {.width = 1, .height = 1, .scale = 1, .std = {1, 0, 1}}},
    {"std 2 is -1", {.width = 1, .height = 1, .scale = 1, .std = {1, 1, -1}}},
    {"mean 1 is ", {.width = 1, .height = 1, .scale = 1, .mean = {0, (float)(1e300 * 1e300), 0}, .std = {1, 1, 1}}},
};

static void test_wrong_preprocess(void)
{
    thaw_context *context;
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(thaw_preprocess_check(context, &wrong[i].values), THAW_ERR_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), wrong[i].names));
    }
    thaw_preprocess good;
    CU_ASSERT_TRUE(thaw_preprocess_named("tf", 16384, 1, &good));
    good.resize = 16384;
    CU_ASSERT_EQUAL(thaw_preprocess_check(context, &good), THAW_OK);
    thaw_context_destroy(&context);
}

void suite_resize(void)
{
    static const test_entry tests[] = {
        {"Pillow's resize", test_pillow_resize},        {"torchvision's crop", test_torchvision_crop},
        {"nothing to change", test_unchanged},          {"values by hand", test_known_values},
        {"extreme shapes", test_extreme_shapes},        {"named conventions", test_named_preprocess},
        {"wrong preprocessing", test_wrong_preprocess},
    };
    TEST_SUITE("resize", tests);
}
