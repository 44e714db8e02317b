#include "ops/shared/conv_variants.h"

#include <limits.h>
#include <string.h>

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "auto_pad,dilations,group,kernel_shape,pads,strides"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 1));
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    if (strcmp(auto_pad, "NOTSET") != 0 && strcmp(auto_pad, "VALID") != 0 && strcmp(auto_pad, "SAME_UPPER") != 0 &&
        strcmp(auto_pad, "SAME_LOWER") != 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "auto_pad '%s' is not known", auto_pad);
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_conv), &node->state);
}

/* Fails unless `value` is an int of at least `least`. */
static thaw_status check_range(const thaw_node *node, const char *what, int64_t value, int64_t least)
{
    if (value < least || value > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s of %lld is out of range", what, (long long)value);
    return THAW_OK;
}

/* The list `name` into the last axes of out; `otherwise` in the others, and in all where it is absent. */
static thaw_status read_axes(const thaw_node *node, const char *name, int32_t spatial, int64_t otherwise,
                             int64_t out[THAW_CONV_AXES])
{
    size_t count;
    const int64_t *values = thaw_node_ints(node, name, &count);
    if (values && count != (size_t)spatial)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%s has %zu numbers for %d spatial dimensions", name, count,
                              spatial);
    for (int32_t axis = 0; axis < THAW_CONV_AXES; axis++) {
        const int32_t i = axis - (THAW_CONV_AXES - spatial);
        out[axis] = values && i >= 0 ? values[i] : otherwise;
        THAW_TRY(check_range(node, name, out[axis], 1));
    }
    return THAW_OK;
}

/* The tensors' sizes, and whether they agree. */
static thaw_status read_sizes(const thaw_node *node, int32_t spatial, thaw_conv_geometry *geometry)
{
    const thaw_shape *x = &node->inputs[0]->shape, *weight = &node->inputs[1]->shape;
    char x_text[THAW_SHAPE_TEXT], weight_text[THAW_SHAPE_TEXT];
    thaw_shape_text(x, x_text);
    thaw_shape_text(weight, weight_text);
    for (int32_t i = 0; i < x->rank; i++)
        if (x->dims[i] < 1 || weight->dims[i] < 1)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s or weight %s is empty", x_text, weight_text);
    geometry->n = x->dims[0];
    geometry->in_channels = x->dims[1];
    geometry->out_channels = weight->dims[0];
    geometry->groups = thaw_node_int(node, "group", 1);
    THAW_TRY(check_range(node, "group", geometry->groups, 1));
    if (geometry->in_channels % geometry->groups || geometry->in_channels / geometry->groups != weight->dims[1] ||
        geometry->out_channels % geometry->groups)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and weight %s do not make %lld group%s", x_text,
                              weight_text, (long long)geometry->groups, geometry->groups == 1 ? "" : "s");
    for (int32_t axis = 0; axis < THAW_CONV_AXES; axis++) {
        const int32_t i = axis - (THAW_CONV_AXES - spatial) + 2;
        geometry->in[axis] = i >= 2 ? x->dims[i] : 1;
        geometry->kernel[axis] = i >= 2 ? weight->dims[i] : 1;
    }
    int64_t kernel_shape[THAW_CONV_AXES];
    size_t count;
    if (!thaw_node_ints(node, "kernel_shape", &count))
        return THAW_OK;
    THAW_TRY(read_axes(node, "kernel_shape", spatial, 1, kernel_shape));
    if (memcmp(kernel_shape, geometry->kernel, sizeof kernel_shape) != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "kernel_shape is not that of weight %s", weight_text);
    return THAW_OK;
}

/* Padding before the first and behind the last element. */
static thaw_status read_pads(const thaw_node *node, int32_t spatial, int64_t begin[THAW_CONV_AXES],
                             int64_t end[THAW_CONV_AXES])
{
    size_t count;
    const int64_t *pads = thaw_node_ints(node, "pads", &count);
    if (!pads || strcmp(thaw_node_string(node, "auto_pad", "NOTSET"), "NOTSET") != 0)
        return THAW_OK;
    if (count != 2 * (size_t)spatial)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "pads has %zu numbers for %d spatial dimensions", count, spatial);
    for (int32_t i = 0; i < spatial; i++) {
        const int32_t axis = i + THAW_CONV_AXES - spatial;
        begin[axis] = pads[i];
        end[axis] = pads[i + spatial];
        THAW_TRY(check_range(node, "padding", begin[axis], 0));
        THAW_TRY(check_range(node, "padding", end[axis], 0));
    }
    return THAW_OK;
}

/* The output's size along one axis; for the SAME kinds of auto_pad also its padding. */
static thaw_status infer_axis(const thaw_node *node, int axis, int64_t end, thaw_conv_geometry *geometry)
{
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    const int64_t in = geometry->in[axis], stride = geometry->stride[axis];
    const int64_t reach = (geometry->kernel[axis] - 1) * geometry->dilation[axis] + 1;
    int64_t begin = geometry->pad[axis];
    if (strncmp(auto_pad, "SAME", 4) == 0) {
        const int64_t total = ((in + stride - 1) / stride - 1) * stride + reach - in;
        begin = total <= 0 ? 0 : strcmp(auto_pad, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        end = total <= 0 ? 0 : total - begin;
    }
    const int64_t padded = in + begin + end;
    THAW_TRY(check_range(node, "a padded dimension", padded, 1));
    THAW_TRY(check_range(node, "a dilated kernel", reach, 1));
    if (reach > padded)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "a kernel that reaches over %lld does not fit %lld + %lld + %lld",
                              (long long)reach, (long long)begin, (long long)in, (long long)end);
    geometry->pad[axis] = begin;
    geometry->out[axis] = (padded - reach) / stride + 1;
    return THAW_OK;
}

/* Fails unless the product of the sizes is an int: kernels index one channel with it. */
static thaw_status check_product(const thaw_node *node, const char *what, int64_t first,
                                 const int64_t sizes[THAW_CONV_AXES])
{
    int64_t product = first;
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (!thaw_multiply(product, sizes[axis], &product) || product > INT_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "%s of more than %d elements", what, INT_MAX);
    return THAW_OK;
}

static thaw_status infer_geometry(const thaw_node *node, int32_t spatial, thaw_conv_geometry *geometry)
{
    int64_t end[THAW_CONV_AXES] = {0};
    *geometry = (thaw_conv_geometry){.in_block = 1, .out_block = 1};
    THAW_TRY(read_sizes(node, spatial, geometry));
    THAW_TRY(read_axes(node, "strides", spatial, 1, geometry->stride));
    THAW_TRY(read_axes(node, "dilations", spatial, 1, geometry->dilation));
    THAW_TRY(read_pads(node, spatial, geometry->pad, end));
    THAW_TRY(check_range(node, "the channel count", geometry->in_channels, 1));
    THAW_TRY(check_range(node, "the channel count", geometry->out_channels, 1));
    THAW_TRY(check_product(node, "a channel", 1, geometry->in));
    THAW_TRY(check_product(node, "weights", geometry->in_channels / geometry->groups, geometry->kernel));
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        THAW_TRY(infer_axis(node, axis, end[axis], geometry));
    return check_product(node, "a channel", 1, geometry->out);
}

static void choose_variant(thaw_node *node, const thaw_conv_variant *variant)
{
    thaw_conv *conv = node->state;
    conv->variant = variant;
    node->scratch_bytes = variant->scratch_bytes ? variant->scratch_bytes(&conv->geometry) : 0;
}

static thaw_status infer(thaw_node *node)
{
    thaw_conv *conv = node->state;
    const thaw_shape *x = &node->inputs[0]->shape, *weight = &node->inputs[1]->shape;
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    char text[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    if (x->rank < 3 || x->rank > 2 + THAW_CONV_AXES || weight->rank != x->rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and weight %s have not 1 to 3 spatial dimensions",
                              thaw_shape_text(x, text), thaw_shape_text(weight, other));
    if (bias && (bias->shape.rank != 1 || bias->shape.dims[0] != weight->dims[0]))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "bias %s is not [%lld]", thaw_shape_text(&bias->shape, text),
                              (long long)weight->dims[0]);
    const int32_t spatial = x->rank - 2;
    THAW_TRY(infer_geometry(node, spatial, &conv->geometry));

    thaw_shape y = {.rank = x->rank, .dims = {x->dims[0], weight->dims[0]}};
    for (int32_t i = 0; i < spatial; i++)
        y.dims[2 + i] = conv->geometry.out[i + THAW_CONV_AXES - spatial];
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    if (!thaw_multiply(2 * thaw_conv_depth(&conv->geometry), thaw_shape_size(&y), &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "output %s is too large", thaw_shape_text(&y, text));
    choose_variant(node, thaw_conv_choose(&conv->geometry));
    return THAW_OK;
}

static bool is_constant(const thaw_value *value)
{
    return !value || (value->constant && !value->trainable);
}

/* An image of few channels is read as it comes; everything else in blocks, where a variant does that. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    enum { FEW_CHANNELS = 4 };
    thaw_conv *conv = node->state;
    thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_geometry plain = *geometry;
    if (!is_constant(node->inputs[1]) || !is_constant(thaw_epilogue_own_input(node, 2)) ||
        node->inputs[0]->shape.rank != 4)
        return 1;
    geometry->out_block = block;
    geometry->in_block = geometry->in_channels <= FEW_CHANNELS && node->inputs[0]->block == 1 ? 1 : block;
    const thaw_conv_variant *variant = thaw_conv_choose_blocked(geometry);
    if (!variant && geometry->in_block == 1) {
        geometry->in_block = block;
        variant = thaw_conv_choose_blocked(geometry);
    }
    if (!variant) {
        *geometry = plain;
        return 1;
    }
    choose_variant(node, variant);
    node->packs_weights = true;
    wanted[0] = geometry->in_block;
    if (node->epilogue.residual)
        wanted[node->input_count - 1] = block;
    return block;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_conv *conv = node->state;
    return conv->variant->prepare(node, conv);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_conv *conv = node->state;
    return conv->variant->run(node, conv);
}

static void release(thaw_node *node)
{
    thaw_conv *conv = node->state;
    thaw_buffer_destroy(&conv->packed);
    thaw_buffer_destroy(&conv->packed_bias);
}

const thaw_op thaw_op_conv = {
    .name = "conv",
    .onnx_type = "Conv",
    .flags = THAW_OP_EPILOGUE,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
