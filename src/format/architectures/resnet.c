/* Residual networks: He et al. 2015, with the stride in the 3x3 convolution; ResNeXt and wide ones are rows too.
 * torchvision and timm call the tensors the same. */
#include "format/architectures/architecture.h"

#include <stdio.h>

#define EPSILON 1e-5f

typedef struct resnet {
    int blocks[4];
    bool bottleneck;
    int64_t groups;
    int64_t width; /* of the inner convolutions of the first stage */
} resnet;

/* x's path around a block, where it can't stay what it is. */
static thaw_status shortcut(thaw_builder *b, const char *block, int64_t out, int64_t stride, thaw_flow *x)
{
    const thaw_convolution conv = {.out = out, .size = 1, .stride = stride};
    if (stride == 1 && x->channels == out)
        return THAW_OK;
    THAW_TRY(thaw_build_conv(b, x, &conv, "%s.downsample.0", block));
    return thaw_build_batch_norm(b, x, EPSILON, "%s.downsample.1", block);
}

static thaw_status conv_norm(thaw_builder *b, const char *block, int number, const thaw_convolution *conv, bool relu,
                             thaw_flow *x)
{
    THAW_TRY(thaw_build_conv(b, x, conv, "%s.conv%d", block, number));
    THAW_TRY(thaw_build_batch_norm(b, x, EPSILON, "%s.bn%d", block, number));
    return relu ? thaw_build_nonlinearity(b, x, THAW_BUILD_RELU) : THAW_OK;
}

static thaw_status add_block(thaw_builder *b, const resnet *net, const char *block, int stage, int64_t stride,
                             thaw_flow *x)
{
    const int64_t width = net->width << stage, out = (net->bottleneck ? 256 : 64) << stage;
    const thaw_convolution narrow = {.out = width, .size = 1};
    const thaw_convolution spatial = {.out = width, .size = 3, .stride = stride, .pad = 1, .groups = net->groups};
    const thaw_convolution widen = {.out = out, .size = 1}, second = {.out = out, .size = 3, .pad = 1};
    thaw_flow around = *x;
    if (net->bottleneck) {
        THAW_TRY(conv_norm(b, block, 1, &narrow, true, x));
        THAW_TRY(conv_norm(b, block, 2, &spatial, true, x));
        THAW_TRY(conv_norm(b, block, 3, &widen, false, x));
    } else {
        THAW_TRY(conv_norm(b, block, 1, &spatial, true, x));
        THAW_TRY(conv_norm(b, block, 2, &second, false, x));
    }
    THAW_TRY(shortcut(b, block, out, stride, &around));
    THAW_TRY(thaw_build_binary(b, x, "Add", around.value, "%s.add", block));
    return thaw_build_nonlinearity(b, x, THAW_BUILD_RELU);
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    (void)scheme;
    const resnet *net = details;
    const thaw_convolution stem = {.out = 64, .size = 7, .stride = 2, .pad = 3};
    THAW_TRY(thaw_build_conv(b, x, &stem, "conv1"));
    THAW_TRY(thaw_build_batch_norm(b, x, EPSILON, "bn1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
    THAW_TRY(thaw_build_max_pool(b, x, 3, 2, 1, false));
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < net->blocks[stage]; i++) {
            char block[32];
            snprintf(block, sizeof block, "layer%d.%d", stage + 1, i);
            THAW_TRY(add_block(b, net, block, stage, i == 0 && stage > 0 ? 2 : 1, x));
        }
    THAW_TRY(thaw_build_global_pool(b, x));
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    return thaw_build_classifier(b, x, "fc");
}

static const resnet resnet18 = {{2, 2, 2, 2}, false, 1, 64}, resnet34 = {{3, 4, 6, 3}, false, 1, 64},
                    resnet50 = {{3, 4, 6, 3}, true, 1, 64}, resnet101 = {{3, 4, 23, 3}, true, 1, 64},
                    resnet152 = {{3, 8, 36, 3}, true, 1, 64}, resnext50 = {{3, 4, 6, 3}, true, 32, 128},
                    resnext101 = {{3, 4, 23, 3}, true, 32, 256}, wide50 = {{3, 4, 6, 3}, true, 1, 128},
                    wide101 = {{3, 4, 23, 3}, true, 1, 128};
static const thaw_architecture rows[] = {
    {"resnet18", NULL, &resnet18},           {"resnet34", NULL, &resnet34},      {"resnet50", NULL, &resnet50},
    {"resnet101", NULL, &resnet101},         {"resnet152", NULL, &resnet152},    {"resnext50_32x4d", NULL, &resnext50},
    {"resnext101_32x8d", NULL, &resnext101}, {"wide_resnet50_2", NULL, &wide50}, {"wide_resnet101_2", NULL, &wide101},
};
const thaw_family thaw_family_resnet = {rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true}, build};
