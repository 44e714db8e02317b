/* VGG: Simonyan and Zisserman 2014. timm has the two hidden layers behind the maps as convolutions. */
#include "format/architectures/architecture.h"

#include <stdio.h>

#define EPSILON 1e-5f
enum { SIDE = 224, LAST_SIDE = 7, HIDDEN = 4096 };

typedef struct vgg {
    int convolutions[5]; /* before each pool */
    bool norm;
} vgg;

static thaw_status build_maps(thaw_builder *b, const vgg *net, thaw_flow *x)
{
    static const int64_t widths[] = {64, 128, 256, 512, 512};
    int number = 0; /* in "features.N", where every layer counts */
    for (int stage = 0; stage < 5; stage++) {
        for (int i = 0; i < net->convolutions[stage]; i++) {
            const thaw_convolution conv = {.out = widths[stage], .size = 3, .pad = 1, .bias = true};
            THAW_TRY(thaw_build_conv(b, x, &conv, "features.%d", number++));
            if (net->norm)
                THAW_TRY(thaw_build_batch_norm(b, x, EPSILON, "features.%d", number++));
            THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
            number++;
        }
        THAW_TRY(thaw_build_max_pool(b, x, 2, 2, 0, false));
        number++;
    }
    return THAW_OK;
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    const thaw_convolution first = {.out = HIDDEN, .size = LAST_SIDE, .bias = true},
                           second = {.out = HIDDEN, .size = 1, .bias = true};
    b->height = b->width = SIDE;
    THAW_TRY(build_maps(b, details, x));
    if (scheme == THAW_SCHEME_timm) {
        THAW_TRY(thaw_build_conv(b, x, &first, "pre_logits.fc1"));
        THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
        THAW_TRY(thaw_build_conv(b, x, &second, "pre_logits.fc2"));
        THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
        THAW_TRY(thaw_build_flatten(b, x, x->channels));
        return thaw_build_classifier(b, x, "head.fc");
    }
    THAW_TRY(thaw_build_flatten(b, x, x->channels * LAST_SIDE * LAST_SIDE));
    THAW_TRY(thaw_build_linear(b, x, HIDDEN, "classifier.0"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
    THAW_TRY(thaw_build_linear(b, x, HIDDEN, "classifier.3"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
    return thaw_build_classifier(b, x, "classifier.6");
}

static const vgg vgg11 = {{1, 1, 2, 2, 2}, false}, vgg11_bn = {{1, 1, 2, 2, 2}, true}, vgg13 = {{2, 2, 2, 2, 2}, false},
                 vgg13_bn = {{2, 2, 2, 2, 2}, true}, vgg16 = {{2, 2, 3, 3, 3}, false},
                 vgg16_bn = {{2, 2, 3, 3, 3}, true}, vgg19 = {{2, 2, 4, 4, 4}, false},
                 vgg19_bn = {{2, 2, 4, 4, 4}, true};
static const thaw_architecture rows[] = {
    {"vgg11", NULL, &vgg11}, {"vgg11_bn", NULL, &vgg11_bn}, {"vgg13", NULL, &vgg13}, {"vgg13_bn", NULL, &vgg13_bn},
    {"vgg16", NULL, &vgg16}, {"vgg16_bn", NULL, &vgg16_bn}, {"vgg19", NULL, &vgg19}, {"vgg19_bn", NULL, &vgg19_bn},
};
const thaw_family thaw_family_vgg = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
