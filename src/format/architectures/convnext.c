/* ConvNeXt: Liu et al. 2022. */
#include "format/architectures/architecture.h"

#include <stdio.h>

#define EPSILON 1e-6f

typedef struct convnext {
    int blocks[4];
    int64_t width; /* of the first stage */
} convnext;

/* What a block's parts are called behind the block's own name. Stage and block count from 0. */
typedef struct part_names {
    const char *block; /* takes stage and block */
    int first_stage, stage_step;
    const char *depthwise, *norm, *widen, *narrow, *scale;
    const char *reduce_norm, *reduce; /* take the stage that they lead to */
    int reduce_offset;                /* what is taken off it */
    const char *stem, *stem_norm, *head_norm, *head;
} part_names;

static const part_names names_of[] = {
    [THAW_SCHEME_torchvision] = {"features.%d.%d", 1, 2, "block.0", "block.2", "block.3.", "block.5.", "layer_scale",
                                 "features.%d.0", "features.%d.1", 1, "features.0.0", "features.0.1", "classifier.0",
                                 "classifier.2"},
    [THAW_SCHEME_timm] = {"stages.%d.blocks.%d", 0, 1, "conv_dw", "norm", "mlp.fc1.", "mlp.fc2.", "gamma",
                          "stages.%d.downsample.0", "stages.%d.downsample.1", 0, "stem.0", "stem.1", "head.norm",
                          "head.fc"}};

/* Pixels are rows here: [n, h, w, c] between the transposes. */
static thaw_status add_block(thaw_builder *b, const part_names *names, thaw_scheme scheme, const char *block,
                             thaw_flow *x)
{
    static const int64_t channels_last[] = {0, 2, 3, 1}, channels_first[] = {0, 3, 1, 2};
    const int64_t width = x->channels;
    const thaw_convolution depthwise = {.out = width, .size = 7, .pad = 3, .groups = width, .bias = true};
    const thaw_shape maps = {3, {width, 1, 1}}, rows = {1, {width}};
    const bool scales_maps = scheme == THAW_SCHEME_torchvision;
    const thaw_flow around = *x;
    thaw_value *scale;
    THAW_TRY(thaw_build_conv(b, x, &depthwise, "%s.%s", block, names->depthwise));
    THAW_TRY(thaw_build_transpose(b, x, channels_last, 4));
    THAW_TRY(thaw_build_layer_norm(b, x, EPSILON, "%s.%s", block, names->norm));
    THAW_TRY(thaw_build_product(b, x, 4 * width, "%s.%s", block, names->widen));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_GELU));
    THAW_TRY(thaw_build_product(b, x, width, "%s.%s", block, names->narrow));
    THAW_TRY(thaw_builder_parameter(b, scales_maps ? &maps : &rows, &scale, "%s.%s", block, names->scale));
    if (scales_maps)
        THAW_TRY(thaw_build_transpose(b, x, channels_first, 4));
    THAW_TRY(thaw_build_binary(b, x, "Mul", scale, "%s.scale", block));
    if (!scales_maps)
        THAW_TRY(thaw_build_transpose(b, x, channels_first, 4));
    return thaw_build_binary(b, x, "Add", around.value, "%s.add", block);
}

static thaw_status add_stage(thaw_builder *b, const convnext *net, thaw_scheme scheme, int stage, thaw_flow *x)
{
    const part_names *names = &names_of[scheme];
    const int number = names->first_stage + stage * names->stage_step;
    const thaw_convolution reduce = {.out = net->width << stage, .size = 2, .stride = 2, .bias = true};
    char text[64];
    if (stage > 0) {
        snprintf(text, sizeof text, names->reduce_norm, number - names->reduce_offset);
        THAW_TRY(thaw_build_map_norm(b, x, EPSILON, "%s", text));
        snprintf(text, sizeof text, names->reduce, number - names->reduce_offset);
        THAW_TRY(thaw_build_conv(b, x, &reduce, "%s", text));
    }
    for (int i = 0; i < net->blocks[stage]; i++) {
        snprintf(text, sizeof text, names->block, number, i);
        THAW_TRY(add_block(b, names, scheme, text, x));
    }
    return THAW_OK;
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    const convnext *net = details;
    const part_names *names = &names_of[scheme];
    const thaw_convolution stem = {.out = net->width, .size = 4, .stride = 4, .bias = true};
    THAW_TRY(thaw_build_conv(b, x, &stem, "%s", names->stem));
    THAW_TRY(thaw_build_map_norm(b, x, EPSILON, "%s", names->stem_norm));
    for (int stage = 0; stage < 4; stage++)
        THAW_TRY(add_stage(b, net, scheme, stage, x));
    THAW_TRY(thaw_build_global_pool(b, x));
    THAW_TRY(thaw_build_flatten(b, x, x->channels));
    THAW_TRY(thaw_build_layer_norm(b, x, EPSILON, "%s", names->head_norm));
    return thaw_build_classifier(b, x, "%s", names->head);
}

static const convnext tiny = {{3, 3, 9, 3}, 96}, small = {{3, 3, 27, 3}, 96}, base = {{3, 3, 27, 3}, 128};
static const thaw_architecture rows[] = {
    {"convnext_tiny", NULL, &tiny}, {"convnext_small", NULL, &small}, {"convnext_base", NULL, &base}};
const thaw_family thaw_family_convnext = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
