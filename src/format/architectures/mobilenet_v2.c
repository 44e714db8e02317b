/* MobileNetV2: Sandler et al. 2018. */
#include "format/architectures/inverted.h"

#define EPSILON 1e-5f
enum { STEM = 32, LAST = 1280 };

static const struct {
    int64_t factor, out;
    int count;
    int64_t stride;
} stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
enum { STAGES = sizeof stages / sizeof stages[0] };

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    (void)details;
    const bool timm = scheme == THAW_SCHEME_timm;
    const thaw_convolution stem = {.out = STEM, .size = 3, .stride = 2, .pad = 1}, last = {.out = LAST, .size = 1};
    THAW_TRY(
        thaw_build_conv_norm(b, x, &stem, EPSILON, timm ? "conv_stem" : "features.0.0", timm ? "bn1" : "features.0.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU6));
    int number = 1;
    for (int stage = 0; stage < STAGES; stage++)
        for (int i = 0; i < stages[stage].count; i++, number++) {
            const thaw_inverted block = {.kernel = 3,
                                         .stride = i == 0 ? stages[stage].stride : 1,
                                         .expanded = stages[stage].factor * x->channels,
                                         .out = stages[stage].out,
                                         .nonlinearity = THAW_BUILD_RELU6,
                                         .epsilon = EPSILON};
            if (timm)
                THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_TIMM, "blocks.%d.%d", stage, i));
            else
                THAW_TRY(thaw_build_inverted(b, x, &block, THAW_INVERTED_CONV, "features.%d", number));
        }
    THAW_TRY(thaw_build_conv_norm(b, x, &last, EPSILON, timm ? "conv_head" : "features.18.0",
                                  timm ? "bn2" : "features.18.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU6));
    THAW_TRY(thaw_build_global_pool(b, x));
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    return thaw_build_classifier(b, x, "%s", timm ? "classifier" : "classifier.1");
}

static const thaw_architecture rows[] = {{"mobilenet_v2", "mobilenetv2_100", NULL}};
const thaw_family thaw_family_mobilenet_v2 = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
