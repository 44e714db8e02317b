/* Layers, as ONNX has them. */
#include "format/architectures/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 256 };

/* The formatted name of the layer as `name`. */
#define FORMAT_NAME                                                                                                    \
    char name[NAME_BYTES];                                                                                             \
    va_list arguments;                                                                                                 \
    va_start(arguments, format);                                                                                       \
    vsnprintf(name, sizeof name, format, arguments);                                                                   \
    va_end(arguments)

/* What has no name of its own is called after what it reads. */
static const char *name_behind(const thaw_flow *x, const char *suffix, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%s.%s", x->value ? x->value->name : "", suffix);
    return name;
}

static thaw_status add_int(thaw_node *node, const char *name, int64_t value)
{
    return node ? thaw_node_add_int(node, name, value) : THAW_OK;
}

static thaw_status add_ints(thaw_node *node, const char *name, const int64_t *values, size_t count)
{
    return node ? thaw_node_add_ints(node, name, values, count) : THAW_OK;
}

static thaw_status add_float(thaw_node *node, const char *name, float value)
{
    thaw_attribute *attribute;
    if (!node)
        return THAW_OK;
    THAW_TRY(thaw_node_add_attribute(node, name, &attribute));
    attribute->kind = THAW_ATTRIBUTE_FLOAT;
    attribute->f = value;
    return THAW_OK;
}

/* --- layers with parameters --------------------------------------------------------------------------------------- */

thaw_status thaw_build_conv(thaw_builder *b, thaw_flow *x, const thaw_convolution *conv, const char *format, ...)
{
    FORMAT_NAME;
    const int64_t groups = conv->groups ? conv->groups : 1, stride = conv->stride ? conv->stride : 1;
    const int64_t before = conv->pad_end ? 0 : conv->pad;
    const int64_t size[] = {conv->size, conv->size}, strides[] = {stride, stride};
    const int64_t pads[] = {before, before, conv->pad, conv->pad};
    const thaw_shape weight = {4, {conv->out, x->channels / groups, conv->size, conv->size}}, bias = {1, {conv->out}};
    thaw_value *inputs[] = {x->value, NULL, NULL};
    thaw_node *node;
    THAW_TRY(thaw_builder_parameter(b, &weight, &inputs[1], "%s.weight", name));
    if (conv->bias)
        THAW_TRY(thaw_builder_parameter(b, &bias, &inputs[2], "%s.bias", name));
    THAW_TRY(thaw_build_node(b, "Conv", name, inputs, 3, &node, x));
    THAW_TRY(add_ints(node, "kernel_shape", size, 2));
    THAW_TRY(add_ints(node, "strides", strides, 2));
    THAW_TRY(add_ints(node, "pads", pads, 4));
    THAW_TRY(add_int(node, "group", groups));
    x->channels = conv->out;
    return THAW_OK;
}

thaw_status thaw_build_batch_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
{
    static const char *const parameters[] = {"weight", "bias", "running_mean", "running_var"};
    FORMAT_NAME;
    const thaw_shape shape = {1, {x->channels}};
    thaw_value *inputs[5] = {x->value};
    thaw_node *node;
    for (size_t i = 0; i < 4; i++)
        THAW_TRY(thaw_builder_parameter(b, &shape, &inputs[i + 1], "%s.%s", name, parameters[i]));
    THAW_TRY(thaw_build_node(b, "BatchNormalization", name, inputs, 5, &node, x));
    return add_float(node, "epsilon", epsilon);
}

thaw_status thaw_build_layer_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
{
    FORMAT_NAME;
    const thaw_shape shape = {1, {x->channels}};
    thaw_value *inputs[3] = {x->value};
    thaw_node *node;
    THAW_TRY(thaw_builder_parameter(b, &shape, &inputs[1], "%s.weight", name));
    THAW_TRY(thaw_builder_parameter(b, &shape, &inputs[2], "%s.bias", name));
    THAW_TRY(thaw_build_node(b, "LayerNormalization", name, inputs, 3, &node, x));
    THAW_TRY(add_int(node, "axis", -1));
    return add_float(node, "epsilon", epsilon);
}

thaw_status thaw_build_map_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
{
    static const int64_t channels_last[] = {0, 2, 3, 1}, channels_first[] = {0, 3, 1, 2};
    FORMAT_NAME;
    THAW_TRY(thaw_build_transpose(b, x, channels_last, 4));
    THAW_TRY(thaw_build_layer_norm(b, x, epsilon, "%s", name));
    return thaw_build_transpose(b, x, channels_first, 4);
}

thaw_status thaw_build_linear(thaw_builder *b, thaw_flow *x, int64_t out, const char *format, ...)
{
    FORMAT_NAME;
    const thaw_shape weight = {2, {out, x->channels}}, bias = {1, {out}};
    thaw_value *inputs[3] = {x->value};
    thaw_node *node;
    THAW_TRY(thaw_builder_parameter(b, &weight, &inputs[1], "%s.weight", name));
    THAW_TRY(thaw_builder_parameter(b, &bias, &inputs[2], "%s.bias", name));
    THAW_TRY(thaw_build_node(b, "Gemm", name, inputs, 3, &node, x));
    x->channels = out;
    return add_int(node, "transB", 1);
}

thaw_status thaw_build_classifier(thaw_builder *b, thaw_flow *x, const char *format, ...)
{
    FORMAT_NAME;
    char weight[NAME_BYTES + 8];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(b->head, sizeof b->head, "%.*s", (int)sizeof b->head - 1, name);
    return thaw_build_linear(b, x, thaw_builder_dimension(b, weight, 0, THAW_BUILT_CLASSES), "%s", name);
}

/* The weight is turned in the graph, so that the file's own tensor is what is trained and saved. */
thaw_status thaw_build_product(thaw_builder *b, thaw_flow *x, int64_t out, const char *format, ...)
{
    static const int64_t turned[] = {1, 0};
    FORMAT_NAME;
    const thaw_shape weight_shape = {2, {out, x->channels}}, bias_shape = {1, {out}};
    thaw_flow weight = {NULL, 0};
    thaw_value *bias;
    THAW_TRY(thaw_builder_parameter(b, &weight_shape, &weight.value, "%sweight", name));
    THAW_TRY(thaw_builder_parameter(b, &bias_shape, &bias, "%sbias", name));
    THAW_TRY(thaw_build_transpose(b, &weight, turned, 2));
    THAW_TRY(thaw_build_binary(b, x, "MatMul", weight.value, "%sproduct", name));
    x->channels = out;
    return thaw_build_binary(b, x, "Add", bias, "%ssum", name);
}

/* --- layers without ----------------------------------------------------------------------------------------------- */

thaw_status thaw_build_binary(thaw_builder *b, thaw_flow *x, const char *type, thaw_value *other, const char *format,
                              ...)
{
    FORMAT_NAME;
    thaw_value *inputs[] = {x->value, other};
    thaw_node *node;
    return thaw_build_node(b, type, name, inputs, 2, &node, x);
}

thaw_status thaw_build_concat(thaw_builder *b, thaw_flow *x, const thaw_flow *y, const char *format, ...)
{
    FORMAT_NAME;
    thaw_value *inputs[] = {x->value, y->value};
    thaw_node *node;
    x->channels += y->channels;
    THAW_TRY(thaw_build_node(b, "Concat", name, inputs, 2, &node, x));
    return add_int(node, "axis", 1);
}

/* A node of one input that is called after it. */
static thaw_status add_behind(thaw_builder *b, thaw_flow *x, const char *type, const char *suffix, thaw_node **node)
{
    char name[NAME_BYTES];
    return thaw_build_node(b, type, name_behind(x, suffix, name), &x->value, 1, node, x);
}

static thaw_status build_relu6(thaw_builder *b, thaw_flow *x)
{
    char name[NAME_BYTES];
    thaw_value *inputs[3] = {x->value};
    thaw_node *node;
    THAW_TRY(thaw_builder_number(b, 0, &inputs[1]));
    THAW_TRY(thaw_builder_number(b, 6, &inputs[2]));
    return thaw_build_node(b, "Clip", name_behind(x, "relu6", name), inputs, 3, &node, x);
}

/* x * sigmoid(x) */
static thaw_status build_silu(thaw_builder *b, thaw_flow *x)
{
    thaw_value *before = x->value;
    thaw_node *node;
    char name[NAME_BYTES];
    name_behind(x, "silu", name);
    THAW_TRY(add_behind(b, x, "Sigmoid", "sigmoid", &node));
    return thaw_build_binary(b, x, "Mul", before, "%s", name);
}

thaw_status thaw_build_nonlinearity(thaw_builder *b, thaw_flow *x, thaw_nonlinearity kind)
{
    thaw_node *node;
    switch (kind) {
    case THAW_BUILD_RELU:
        return add_behind(b, x, "Relu", "relu", &node);
    case THAW_BUILD_RELU6:
        return build_relu6(b, x);
    case THAW_BUILD_SILU:
        return build_silu(b, x);
    case THAW_BUILD_HARD_SWISH:
        return add_behind(b, x, "HardSwish", "hard_swish", &node);
    case THAW_BUILD_GELU:
        return add_behind(b, x, "Gelu", "gelu", &node);
    case THAW_BUILD_SIGMOID:
        return add_behind(b, x, "Sigmoid", "sigmoid", &node);
    case THAW_BUILD_HARD_SIGMOID:
        THAW_TRY(add_behind(b, x, "HardSigmoid", "hard_sigmoid", &node));
        return add_float(node, "alpha", 1.0f / 6);
    }
    return THAW_OK;
}

static thaw_status add_window(thaw_node *node, int64_t size, int64_t stride, int64_t pad)
{
    const int64_t sizes[] = {size, size}, strides[] = {stride, stride}, pads[] = {pad, pad, pad, pad};
    THAW_TRY(add_ints(node, "kernel_shape", sizes, 2));
    THAW_TRY(add_ints(node, "strides", strides, 2));
    return add_ints(node, "pads", pads, 4);
}

thaw_status thaw_build_max_pool(thaw_builder *b, thaw_flow *x, int64_t size, int64_t stride, int64_t pad, bool ceil)
{
    thaw_node *node;
    THAW_TRY(add_behind(b, x, "MaxPool", "pool", &node));
    THAW_TRY(add_window(node, size, stride, pad));
    return ceil ? add_int(node, "ceil_mode", 1) : THAW_OK;
}

thaw_status thaw_build_average_pool(thaw_builder *b, thaw_flow *x, int64_t size)
{
    thaw_node *node;
    THAW_TRY(add_behind(b, x, "AveragePool", "pool", &node));
    return add_window(node, size, size, 0);
}

thaw_status thaw_build_global_pool(thaw_builder *b, thaw_flow *x)
{
    thaw_node *node;
    return add_behind(b, x, "GlobalAveragePool", "pool", &node);
}

thaw_status thaw_build_flatten(thaw_builder *b, thaw_flow *x, int64_t channels)
{
    thaw_node *node;
    x->channels = channels;
    THAW_TRY(add_behind(b, x, "Flatten", "flatten", &node));
    return add_int(node, "axis", 1);
}

thaw_status thaw_build_transpose(thaw_builder *b, thaw_flow *x, const int64_t *order, size_t rank)
{
    thaw_node *node;
    THAW_TRY(add_behind(b, x, "Transpose", "transpose", &node));
    return add_ints(node, "perm", order, rank);
}

thaw_status thaw_build_reshape(thaw_builder *b, thaw_flow *x, const int64_t *dims, size_t rank)
{
    char name[NAME_BYTES];
    thaw_value *inputs[2] = {x->value};
    thaw_node *node;
    THAW_TRY(thaw_builder_ints(b, dims, rank, &inputs[1]));
    return thaw_build_node(b, "Reshape", name_behind(x, "reshape", name), inputs, 2, &node, x);
}
