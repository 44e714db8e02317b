/* DenseNet: Huang et al. 2016. torchvision and timm call the tensors the same. */
#include "format/architectures/architecture.h"

#include <stdio.h>

#define EPSILON 1e-5f
enum { GROWTH = 32, BOTTLENECK = 4 * GROWTH, STEM = 64 };

typedef struct densenet {
    int layers[4];
} densenet;

static thaw_status norm_relu(thaw_builder *b, thaw_flow *x, const char *where, const char *name)
{
    THAW_TRY(thaw_build_batch_norm(b, x, EPSILON, "features.%s%s", where, name));
    return thaw_build_nonlinearity(b, x, THAW_BUILD_RELU);
}

/* x and what the layer makes of all of it, side by side. */
static thaw_status add_layer(thaw_builder *b, thaw_flow *x, int block, int layer)
{
    const thaw_convolution narrow = {.out = BOTTLENECK, .size = 1}, grow = {.out = GROWTH, .size = 3, .pad = 1};
    char where[48];
    thaw_flow made = *x;
    snprintf(where, sizeof where, "denseblock%d.denselayer%d.", block, layer);
    THAW_TRY(norm_relu(b, &made, where, "norm1"));
    THAW_TRY(thaw_build_conv(b, &made, &narrow, "features.%sconv1", where));
    THAW_TRY(norm_relu(b, &made, where, "norm2"));
    THAW_TRY(thaw_build_conv(b, &made, &grow, "features.%sconv2", where));
    return thaw_build_concat(b, x, &made, "features.%sconcat", where);
}

static thaw_status add_transition(thaw_builder *b, thaw_flow *x, int block)
{
    const thaw_convolution halve = {.out = x->channels / 2, .size = 1};
    char where[24];
    snprintf(where, sizeof where, "transition%d.", block);
    THAW_TRY(norm_relu(b, x, where, "norm"));
    THAW_TRY(thaw_build_conv(b, x, &halve, "features.%sconv", where));
    return thaw_build_average_pool(b, x, 2);
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    (void)scheme;
    const densenet *net = details;
    const thaw_convolution stem = {.out = STEM, .size = 7, .stride = 2, .pad = 3};
    THAW_TRY(thaw_build_conv(b, x, &stem, "features.conv0"));
    THAW_TRY(norm_relu(b, x, "", "norm0"));
    THAW_TRY(thaw_build_max_pool(b, x, 3, 2, 1, false));
    for (int block = 1; block <= 4; block++) {
        for (int layer = 1; layer <= net->layers[block - 1]; layer++)
            THAW_TRY(add_layer(b, x, block, layer));
        if (block < 4)
            THAW_TRY(add_transition(b, x, block));
    }
    THAW_TRY(norm_relu(b, x, "", "norm5"));
    THAW_TRY(thaw_build_global_pool(b, x));
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    return thaw_build_classifier(b, x, "classifier");
}

static const densenet densenet121 = {{6, 12, 24, 16}}, densenet169 = {{6, 12, 32, 32}}, densenet201 = {{6, 12, 48, 32}};
static const thaw_architecture rows[] = {
    {"densenet121", NULL, &densenet121},
    {"densenet169", NULL, &densenet169},
    {"densenet201", NULL, &densenet201},
};
const thaw_family thaw_family_densenet = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true}, build};
