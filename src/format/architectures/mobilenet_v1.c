/* MobileNetV1: Howard et al. 2017, of any width: the first convolution tells. Keras pads as TensorFlow does. */
#include "format/architectures/inverted.h"

#include <stdio.h>

enum { STEM = 32, LAYERS = 13, MOST_STEM = 1024 };

static const struct {
    int64_t out; /* for a stem of 32 */
    int64_t stride;
    int stage, place; /* in timm's names */
} layers[LAYERS] = {{64, 1, 0, 0},  {128, 2, 1, 0},  {128, 1, 1, 1}, {256, 2, 2, 0}, {256, 1, 2, 1},
                    {512, 2, 3, 0}, {512, 1, 3, 1},  {512, 1, 3, 2}, {512, 1, 3, 3}, {512, 1, 3, 4},
                    {512, 1, 3, 5}, {1024, 2, 4, 0}, {1024, 1, 4, 1}};

static thaw_status conv_norm(thaw_builder *b, thaw_flow *x, thaw_convolution conv, bool keras, const char *conv_name,
                             const char *norm_name)
{
    conv.pad = conv.size / 2;
    conv.pad_end = keras && conv.stride == 2;
    THAW_TRY(thaw_build_conv_norm(b, x, &conv, keras ? 1e-3f : 1e-5f, conv_name, norm_name));
    return thaw_build_nonlinearity(b, x, THAW_BUILD_RELU6);
}

/* Both convolutions of layer i. */
static thaw_status add_layer(thaw_builder *b, thaw_flow *x, int i, int64_t out, bool keras)
{
    static const char *const parts[] = {"dw", "pw"};
    for (int part = 0; part < 2; part++) {
        char conv_name[48], norm_name[48];
        const thaw_convolution depthwise = {
            .out = x->channels, .size = 3, .stride = layers[i].stride, .groups = x->channels};
        const thaw_convolution pointwise = {.out = out, .size = 1};
        if (keras) {
            snprintf(conv_name, sizeof conv_name, "conv_%s_%d", parts[part], i + 1);
            snprintf(norm_name, sizeof norm_name, "conv_%s_%d_bn", parts[part], i + 1);
        } else {
            snprintf(conv_name, sizeof conv_name, "blocks.%d.%d.conv_%s", layers[i].stage, layers[i].place,
                     parts[part]);
            snprintf(norm_name, sizeof norm_name, "blocks.%d.%d.bn%d", layers[i].stage, layers[i].place, part + 1);
        }
        THAW_TRY(conv_norm(b, x, part ? pointwise : depthwise, keras, conv_name, norm_name));
    }
    return THAW_OK;
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    (void)details;
    const bool keras = scheme == THAW_SCHEME_keras;
    int64_t stem = thaw_builder_dimension(b, keras ? "conv1.weight" : "conv_stem.weight", 0, STEM);
    if (stem < 1 || stem > MOST_STEM)
        stem = STEM;
    const thaw_convolution first = {.out = stem, .size = 3, .stride = 2};
    THAW_TRY(conv_norm(b, x, first, keras, keras ? "conv1" : "conv_stem", keras ? "conv1_bn" : "bn1"));
    for (int i = 0; i < LAYERS; i++)
        THAW_TRY(add_layer(b, x, i, layers[i].out * stem / STEM, keras));
    THAW_TRY(thaw_build_global_pool(b, x));
    if (!keras) {
        THAW_TRY(thaw_build_flatten(b, x, x->channels));
        return thaw_build_classifier(b, x, "classifier");
    }
    const thaw_convolution head = {
        .out = thaw_builder_dimension(b, "conv_preds.weight", 0, THAW_BUILT_CLASSES), .size = 1, .bias = true};
    THAW_TRY(thaw_build_conv(b, x, &head, "conv_preds"));
    return thaw_build_flatten(b, x, x->channels);
}

static const thaw_architecture rows[] = {{"mobilenet_v1", "mobilenetv1_100 mobilenetv1_125", NULL}};
const thaw_family thaw_family_mobilenet_v1 = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_timm] = true, [THAW_SCHEME_keras] = true}, build};
