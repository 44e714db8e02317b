#include <thaw/data.h>

#include <math.h>
#include <string.h>

#include "base/context.h"

enum { MAX_SIDE = 16384 };

/* Sizes come later. The crop's share of the shorter side is torchvision's: 224 of 256. */
static const struct {
    const char *name;
    thaw_preprocess values;
} conventions[] = {
    {"imagenet", {.scale = 1.0f / 255, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}}},
    {"tf", {.scale = 1.0f / 127.5f, .mean = {1, 1, 1}, .std = {1, 1, 1}}},
    {"caffe", {.bgr = true, .scale = 1, .mean = {103.939f, 116.779f, 123.68f}, .std = {1, 1, 1}}},
    {"raw", {.scale = 1, .mean = {0, 0, 0}, .std = {1, 1, 1}}},
};

bool thaw_preprocess_named(const char *name, int32_t width, int32_t height, thaw_preprocess *preprocess)
{
    for (size_t i = 0; i < sizeof conventions / sizeof conventions[0]; i++) {
        if (strcmp(conventions[i].name, name) != 0)
            continue;
        *preprocess = conventions[i].values;
        preprocess->width = width;
        preprocess->height = height;
        preprocess->resize = (int32_t)lround((width > height ? width : height) / 0.875);
        preprocess->interpolation = THAW_BILINEAR;
        return true;
    }
    return false;
}

static thaw_status check_side(thaw_context *context, const char *field, int32_t value, int32_t least)
{
    if (value < least || value > MAX_SIDE)
        return thaw_fail(context, THAW_ERR_USAGE, "preprocessing: %s is %d, it must be %d to %d", field, value, least,
                         MAX_SIDE);
    return THAW_OK;
}

thaw_status thaw_preprocess_check(thaw_context *context, const thaw_preprocess *preprocess)
{
    THAW_TRY(check_side(context, "width", preprocess->width, 1));
    THAW_TRY(check_side(context, "height", preprocess->height, 1));
    THAW_TRY(check_side(context, "resize", preprocess->resize, 0));
    if ((int)preprocess->interpolation < THAW_NEAREST || preprocess->interpolation > THAW_BICUBIC)
        return thaw_fail(context, THAW_ERR_USAGE, "preprocessing: there is no interpolation %d",
                         (int)preprocess->interpolation);
    if (!isfinite(preprocess->scale) || preprocess->scale == 0)
        return thaw_fail(context, THAW_ERR_USAGE, "preprocessing: scale is %g, it must be a number other than 0",
                         (double)preprocess->scale);
    for (int c = 0; c < 3; c++) {
        if (!isfinite(preprocess->mean[c]))
            return thaw_fail(context, THAW_ERR_USAGE, "preprocessing: mean %d is %g, it must be a number", c,
                             (double)preprocess->mean[c]);
        if (!isfinite(preprocess->std[c]) || preprocess->std[c] <= 0)
            return thaw_fail(context, THAW_ERR_USAGE, "preprocessing: std %d is %g, it must be above 0", c,
                             (double)preprocess->std[c]);
    }
    return THAW_OK;
}
