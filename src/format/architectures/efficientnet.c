/* EfficientNet: Tan and Le 2019; symmetric padding, as torchvision and timm have it but for weights from TensorFlow. */
#include "format/architectures/inverted.h"

#include <math.h>

#define EPSILON 1e-5f
enum { STEM = 32, LAST = 1280 };

typedef struct efficientnet {
    double width, depth; /* factors */
} efficientnet;

static const struct {
    int64_t factor, kernel, stride, out;
    int count;
} stages[] = {{1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
              {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};
enum { STAGES = sizeof stages / sizeof stages[0] };

static thaw_status add_stage(thaw_builder *b, const efficientnet *net, int stage, bool timm, thaw_flow *x)
{
    const int count = (int)ceil(stages[stage].count * net->depth);
    for (int i = 0; i < count; i++) {
        const thaw_inverted block = {.kernel = stages[stage].kernel,
                                     .stride = i == 0 ? stages[stage].stride : 1,
                                     .expanded = stages[stage].factor * x->channels,
                                     .squeeze = x->channels / 4,
                                     .out = thaw_round_channels((double)stages[stage].out * net->width),
                                     .nonlinearity = THAW_BUILD_SILU,
                                     .squeeze_nonlinearity = THAW_BUILD_SILU,
                                     .gate = THAW_BUILD_SIGMOID,
                                     .epsilon = EPSILON};
        if (timm)
            THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_TIMM, "blocks.%d.%d", stage, i));
        else
            THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_BLOCK, "features.%d.%d", stage + 1, i));
    }
    return THAW_OK;
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    const efficientnet *net = details;
    const bool timm = scheme == THAW_SCHEME_timm;
    const thaw_convolution stem = {.out = thaw_round_channels(STEM * net->width), .size = 3, .stride = 2, .pad = 1};
    const thaw_convolution last = {.out = thaw_round_channels(LAST * net->width), .size = 1};
    THAW_TRY(
        thaw_build_conv_norm(b, x, &stem, EPSILON, timm ? "conv_stem" : "features.0.0", timm ? "bn1" : "features.0.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_SILU));
    for (int stage = 0; stage < STAGES; stage++)
        THAW_TRY(add_stage(b, net, stage, timm, x));
    THAW_TRY(
        thaw_build_conv_norm(b, x, &last, EPSILON, timm ? "conv_head" : "features.8.0", timm ? "bn2" : "features.8.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_SILU));
    THAW_TRY(thaw_build_global_pool(b, x));
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    return thaw_build_classifier(b, x, "%s", timm ? "classifier" : "classifier.1");
}

static const efficientnet b0 = {1, 1}, b1 = {1, 1.1}, b2 = {1.1, 1.2}, b3 = {1.2, 1.4};
static const thaw_architecture rows[] = {
    {"efficientnet_b0", NULL, &b0},
    {"efficientnet_b1", NULL, &b1},
    {"efficientnet_b2", NULL, &b2},
    {"efficientnet_b3", NULL, &b3},
};
const thaw_family thaw_family_efficientnet = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
