/* MobileNetV3: Howard et al. 2019. */
#include "format/architectures/inverted.h"

#include <stdio.h>

enum { STEM = 16 };

typedef struct layer {
    int stage; /* in timm's names */
    int64_t kernel, expanded, out;
    bool squeezes, hard_swish; /* else Relu */
    int64_t stride;
} layer;

typedef struct mobilenet_v3 {
    const layer *layers;
    int count;
    int64_t last, hidden; /* channels of the last map, and between that and the classes */
} mobilenet_v3;

static thaw_status add_layers(thaw_builder *b, const mobilenet_v3 *net, bool timm, float epsilon, thaw_flow *x)
{
    for (int i = 0, place = 0; i < net->count; i++, place++) {
        const layer *l = &net->layers[i];
        const thaw_inverted block = {.kernel = l->kernel,
                                     .stride = l->stride,
                                     .expanded = l->expanded,
                                     .squeeze = l->squeezes ? thaw_round_channels((double)l->expanded / 4) : 0,
                                     .out = l->out,
                                     .nonlinearity = l->hard_swish ? THAW_BUILD_HARD_SWISH : THAW_BUILD_RELU,
                                     .squeeze_nonlinearity = THAW_BUILD_RELU,
                                     .gate = THAW_BUILD_HARD_SIGMOID,
                                     .epsilon = epsilon};
        if (i > 0 && l->stage != net->layers[i - 1].stage)
            place = 0;
        if (timm)
            THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_TIMM, "blocks.%d.%d", l->stage, place));
        else
            THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_BLOCK, "features.%d", i + 1));
    }
    return THAW_OK;
}

/* From the last map on; timm's hidden layer is a convolution. */
static thaw_status build_head(thaw_builder *b, const mobilenet_v3 *net, bool timm, thaw_flow *x)
{
    const thaw_convolution hidden = {.out = net->hidden, .size = 1, .bias = true};
    THAW_TRY(thaw_build_global_pool(b, x));
    if (timm) {
        THAW_TRY(thaw_build_conv(b, x, &hidden, "conv_head"));
        THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_HARD_SWISH));
        THAW_TRY(thaw_build_flatten(b, x, x->channels));
        return thaw_build_classifier(b, x, "classifier");
    }
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    THAW_TRY(thaw_build_linear(b, x, net->hidden, "classifier.0"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_HARD_SWISH));
    return thaw_build_classifier(b, x, "classifier.3");
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    const mobilenet_v3 *net = details;
    const bool timm = scheme == THAW_SCHEME_timm;
    const float epsilon = timm ? 1e-5f : 1e-3f;
    const thaw_convolution stem = {.out = STEM, .size = 3, .stride = 2, .pad = 1}, last = {.out = net->last, .size = 1};
    char conv_name[32], norm_name[32];
    THAW_TRY(
        thaw_build_conv_norm(b, x, &stem, epsilon, timm ? "conv_stem" : "features.0.0", timm ? "bn1" : "features.0.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_HARD_SWISH));
    THAW_TRY(add_layers(b, net, timm, epsilon, x));
    const int number = timm ? net->layers[net->count - 1].stage + 1 : net->count + 1;
    snprintf(conv_name, sizeof conv_name, timm ? "blocks.%d.0.conv" : "features.%d.0", number);
    snprintf(norm_name, sizeof norm_name, timm ? "blocks.%d.0.bn1" : "features.%d.1", number);
    THAW_TRY(thaw_build_conv_norm(b, x, &last, epsilon, conv_name, norm_name));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_HARD_SWISH));
    return build_head(b, net, timm, x);
}

static const layer large_layers[] = {
    {0, 3, 16, 16, false, false, 1}, {1, 3, 64, 24, false, false, 2}, {1, 3, 72, 24, false, false, 1},
    {2, 5, 72, 40, true, false, 2},  {2, 5, 120, 40, true, false, 1}, {2, 5, 120, 40, true, false, 1},
    {3, 3, 240, 80, false, true, 2}, {3, 3, 200, 80, false, true, 1}, {3, 3, 184, 80, false, true, 1},
    {3, 3, 184, 80, false, true, 1}, {4, 3, 480, 112, true, true, 1}, {4, 3, 672, 112, true, true, 1},
    {5, 5, 672, 160, true, true, 2}, {5, 5, 960, 160, true, true, 1}, {5, 5, 960, 160, true, true, 1},
};
static const layer small_layers[] = {
    {0, 3, 16, 16, true, false, 2}, {1, 3, 72, 24, false, false, 2}, {1, 3, 88, 24, false, false, 1},
    {2, 5, 96, 40, true, true, 2},  {2, 5, 240, 40, true, true, 1},  {2, 5, 240, 40, true, true, 1},
    {3, 5, 120, 48, true, true, 1}, {3, 5, 144, 48, true, true, 1},  {4, 5, 288, 96, true, true, 2},
    {4, 5, 576, 96, true, true, 1}, {4, 5, 576, 96, true, true, 1},
};
static const mobilenet_v3 large = {large_layers, sizeof large_layers / sizeof large_layers[0], 960, 1280},
                          small = {small_layers, sizeof small_layers / sizeof small_layers[0], 576, 1024};
static const thaw_architecture rows[] = {
    {"mobilenet_v3_small", "mobilenetv3_small_100", &small},
    {"mobilenet_v3_large", "mobilenetv3_large_100", &large},
};
const thaw_family thaw_family_mobilenet_v3 = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
