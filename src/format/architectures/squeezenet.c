/* SqueezeNet: Iandola et al. 2016, as torchvision has it. */
#include "format/architectures/architecture.h"

#include <stdio.h>

enum { MOST_LAYERS = 13 };

/* Layers by their numbers in "features.N": fire modules by what they squeeze to, the other ones by what they are. */
enum { NOTHING = 0, POOL = -1 };
typedef struct squeezenet {
    int64_t stem, stem_size;
    int squeeze[MOST_LAYERS];
} squeezenet;

static thaw_status conv_relu(thaw_builder *b, thaw_flow *x, int64_t out, int64_t size, const char *layer,
                             const char *part)
{
    const thaw_convolution conv = {.out = out, .size = size, .pad = size / 2, .bias = true};
    THAW_TRY(thaw_build_conv(b, x, &conv, "%s.%s", layer, part));
    return thaw_build_nonlinearity(b, x, THAW_BUILD_RELU);
}

static thaw_status add_fire(thaw_builder *b, thaw_flow *x, int number, int64_t squeeze)
{
    char layer[32];
    snprintf(layer, sizeof layer, "features.%d", number);
    THAW_TRY(conv_relu(b, x, squeeze, 1, layer, "squeeze"));
    thaw_flow wide = *x;
    THAW_TRY(conv_relu(b, x, 4 * squeeze, 1, layer, "expand1x1"));
    THAW_TRY(conv_relu(b, &wide, 4 * squeeze, 3, layer, "expand3x3"));
    return thaw_build_concat(b, x, &wide, "%s.concat", layer);
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    (void)scheme;
    const squeezenet *net = details;
    const thaw_convolution stem = {.out = net->stem, .size = net->stem_size, .stride = 2, .bias = true};
    THAW_TRY(thaw_build_conv(b, x, &stem, "features.0"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
    for (int i = 0; i < MOST_LAYERS; i++) {
        if (net->squeeze[i] == POOL)
            THAW_TRY(thaw_build_max_pool(b, x, 3, 2, 0, true));
        else if (net->squeeze[i] != NOTHING)
            THAW_TRY(add_fire(b, x, i, net->squeeze[i]));
    }
    const thaw_convolution head = {
        .out = thaw_builder_dimension(b, "classifier.1.weight", 0, THAW_BUILT_CLASSES), .size = 1, .bias = true};
    THAW_TRY(thaw_build_conv(b, x, &head, "classifier.1"));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_RELU));
    THAW_TRY(thaw_build_global_pool(b, x));
    return thaw_build_flatten(b, x, x->channels);
}

static const squeezenet squeezenet1_0 = {96, 7, {0, 0, POOL, 16, 16, 32, POOL, 32, 48, 48, 64, POOL, 64}},
                        squeezenet1_1 = {64, 3, {0, 0, POOL, 16, 16, POOL, 32, 32, POOL, 48, 48, 64, 64}};
static const thaw_architecture rows[] = {
    {"squeezenet1_0", NULL, &squeezenet1_0},
    {"squeezenet1_1", NULL, &squeezenet1_1},
};
const thaw_family thaw_family_squeezenet = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true}, build};
