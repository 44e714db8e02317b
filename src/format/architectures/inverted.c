#include "format/architectures/inverted.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME_BYTES = 128 };

typedef struct block_names {
    thaw_inverted_names style;
    const char *block;
    int number; /* of the next part */
} block_names;

int64_t thaw_round_channels(double channels)
{
    int64_t rounded = (int64_t)(channels + 4) / 8 * 8;
    if (rounded < 8)
        rounded = 8;
    return (double)rounded < 0.9 * channels ? rounded + 8 : rounded;
}

thaw_status thaw_build_conv_norm(thaw_builder *b, thaw_flow *x, const thaw_convolution *conv, float epsilon,
                                 const char *conv_name, const char *norm_name)
{
    THAW_TRY(thaw_build_conv(b, x, conv, "%s", conv_name));
    return thaw_build_batch_norm(b, x, epsilon, "%s", norm_name);
}

/* A convolution of the block with its batch norm. `timm`: what timm calls the convolution. */
static thaw_status add_part(thaw_builder *b, thaw_flow *x, const thaw_convolution *conv, float epsilon,
                            block_names *names, const char *timm)
{
    char conv_name[NAME_BYTES], norm_name[NAME_BYTES];
    const int number = names->number++;
    switch (names->style) {
    case THAW_INVERTED_CONV:
        snprintf(conv_name, sizeof conv_name, "%s.conv.%d.0", names->block, number);
        snprintf(norm_name, sizeof norm_name, "%s.conv.%d.1", names->block, number);
        break;
    case THAW_INVERTED_BLOCK:
        snprintf(conv_name, sizeof conv_name, "%s.block.%d.0", names->block, number);
        snprintf(norm_name, sizeof norm_name, "%s.block.%d.1", names->block, number);
        break;
    case THAW_INVERTED_TIMM:
        snprintf(conv_name, sizeof conv_name, "%s.%s", names->block, timm);
        snprintf(norm_name, sizeof norm_name, "%s.bn%d", names->block, number + 1);
        break;
    }
    return thaw_build_conv_norm(b, x, conv, epsilon, conv_name, norm_name);
}

/* The last convolution, which torchvision's MobileNetV2 does not put together with its batch norm. */
static thaw_status add_projection(thaw_builder *b, thaw_flow *x, const thaw_inverted *block, block_names *names,
                                  const char *timm)
{
    const thaw_convolution conv = {.out = block->out, .size = 1};
    if (names->style != THAW_INVERTED_CONV)
        return add_part(b, x, &conv, block->epsilon, names, timm);
    THAW_TRY(thaw_build_conv(b, x, &conv, "%s.conv.%d", names->block, names->number));
    return thaw_build_batch_norm(b, x, block->epsilon, "%s.conv.%d", names->block, names->number + 1);
}

/* Squeeze and excite: each channel times a number that depends on all of their means. */
static thaw_status weigh_channels(thaw_builder *b, thaw_flow *x, const thaw_inverted *block, block_names *names)
{
    const thaw_convolution reduce = {.out = block->squeeze, .size = 1, .bias = true};
    const thaw_convolution expand = {.out = x->channels, .size = 1, .bias = true};
    char where[NAME_BYTES];
    thaw_flow gate = *x;
    const bool timm = names->style == THAW_INVERTED_TIMM;
    if (timm)
        snprintf(where, sizeof where, "%s.se.", names->block);
    else
        snprintf(where, sizeof where, "%s.block.%d.", names->block, names->number++);
    THAW_TRY(thaw_build_global_pool(b, &gate));
    THAW_TRY(thaw_build_conv(b, &gate, &reduce, "%s%s", where, timm ? "conv_reduce" : "fc1"));
    THAW_TRY(thaw_build_nonlinearity(b, &gate, block->squeeze_nonlinearity));
    THAW_TRY(thaw_build_conv(b, &gate, &expand, "%s%s", where, timm ? "conv_expand" : "fc2"));
    THAW_TRY(thaw_build_nonlinearity(b, &gate, block->gate));
    return thaw_build_binary(b, x, "Mul", gate.value, "%sscale", where);
}

thaw_status thaw_build_inverted(thaw_builder *b, thaw_flow *x, const thaw_inverted *block, thaw_inverted_names style,
                                const char *format, ...)
{
    char name[NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    block_names names = {style, name, 0};
    const thaw_flow around = *x;
    const bool widens = block->expanded != x->channels;
    const bool same = block->stride == 1 && block->out == x->channels;
    const thaw_convolution widen = {.out = block->expanded, .size = 1};
    const thaw_convolution depthwise = {.out = block->expanded,
                                        .size = block->kernel,
                                        .stride = block->stride,
                                        .pad = block->kernel / 2,
                                        .groups = block->expanded};
    if (widens) {
        THAW_TRY(add_part(b, x, &widen, block->epsilon, &names, "conv_pw"));
        THAW_TRY(thaw_build_nonlinearity(b, x, block->nonlinearity));
    }
    THAW_TRY(add_part(b, x, &depthwise, block->epsilon, &names, "conv_dw"));
    THAW_TRY(thaw_build_nonlinearity(b, x, block->nonlinearity));
    if (block->squeeze)
        THAW_TRY(weigh_channels(b, x, block, &names));
    THAW_TRY(add_projection(b, x, block, &names, widens ? "conv_pwl" : "conv_pw"));
    return same ? thaw_build_binary(b, x, "Add", around.value, "%s.add", name) : THAW_OK;
}
