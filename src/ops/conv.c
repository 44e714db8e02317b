#include "ops/shared/conv_backward.h"
#include "ops/shared/weights.h"

#include <limits.h>
#include <string.h>

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "auto_pad,dilations,group,kernel_shape,pads,strides"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 1));
    THAW_TRY(thaw_window_check_auto_pad(node));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_conv), &node->state));
    return thaw_conv_backward_create(node);
}

/* Channels and groups, and whether they agree. */
static thaw_status read_channels(const thaw_node *node, thaw_conv_geometry *geometry)
{
    const thaw_shape *x = &node->inputs[0]->shape, *weight = &node->inputs[1]->shape;
    const int64_t groups = thaw_node_int(node, "group", 1);
    char x_text[THAW_SHAPE_TEXT], weight_text[THAW_SHAPE_TEXT];
    thaw_shape_text(x, x_text);
    thaw_shape_text(weight, weight_text);
    for (int32_t i = 0; i < x->rank; i++)
        if (x->dims[i] < 1 || weight->dims[i] < 1)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s or weight %s is empty", x_text, weight_text);
    if (groups < 1 || groups > INT_MAX || x->dims[1] > INT_MAX || weight->dims[0] > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%lld groups, input %s, weight %s: out of range", (long long)groups,
                              x_text, weight_text);
    if (x->dims[1] % groups || x->dims[1] / groups != weight->dims[1] || weight->dims[0] % groups)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and weight %s do not make %lld group%s", x_text,
                              weight_text, (long long)groups, groups == 1 ? "" : "s");
    geometry->n = x->dims[0];
    geometry->in_channels = x->dims[1];
    geometry->out_channels = weight->dims[0];
    geometry->groups = groups;
    return THAW_OK;
}

/* The kernel's size is the weight's; kernel_shape may only repeat it. */
static thaw_status read_kernel(const thaw_node *node, int32_t spatial, int64_t kernel[THAW_WINDOW_AXES])
{
    const thaw_shape *weight = &node->inputs[1]->shape;
    int64_t kernel_shape[THAW_WINDOW_AXES];
    char text[THAW_SHAPE_TEXT];
    size_t count;
    for (int32_t axis = 0; axis < THAW_WINDOW_AXES; axis++) {
        const int32_t i = axis - (THAW_WINDOW_AXES - spatial) + 2;
        kernel[axis] = i >= 2 ? weight->dims[i] : 1;
    }
    if (!thaw_node_ints(node, "kernel_shape", &count))
        return THAW_OK;
    THAW_TRY(thaw_window_axes(node, "kernel_shape", spatial, 1, kernel_shape));
    if (memcmp(kernel_shape, kernel, sizeof kernel_shape) != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "kernel_shape is not that of weight %s",
                              thaw_shape_text(weight, text));
    return THAW_OK;
}

static thaw_status infer_geometry(const thaw_node *node, int32_t spatial, thaw_conv_geometry *geometry)
{
    int64_t kernel[THAW_WINDOW_AXES];
    thaw_window window;
    *geometry = (thaw_conv_geometry){.in_block = 1, .out_block = 1};
    THAW_TRY(read_channels(node, geometry));
    THAW_TRY(read_kernel(node, spatial, kernel));
    THAW_TRY(thaw_window_infer(node, kernel, &window));
    memcpy(geometry->in, window.in, sizeof window.in);
    memcpy(geometry->kernel, window.kernel, sizeof window.kernel);
    memcpy(geometry->out, window.out, sizeof window.out);
    memcpy(geometry->stride, window.stride, sizeof window.stride);
    memcpy(geometry->dilation, window.dilation, sizeof window.dilation);
    memcpy(geometry->pad, window.pad, sizeof window.pad);
    int64_t depth = geometry->in_channels / geometry->groups;
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (!thaw_multiply(depth, kernel[axis], &depth) || depth > INT_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "weights of more than %d elements for one channel", INT_MAX);
    return THAW_OK;
}

static void choose_variant(thaw_node *node, const thaw_conv_variant *variant)
{
    thaw_conv *conv = node->state;
    conv->variant = variant;
    node->scratch_bytes = variant->scratch_bytes ? variant->scratch_bytes(&conv->geometry) : 0;
    node->packed_bytes = thaw_conv_is_fixed(node->inputs[1]) ? 0 : thaw_conv_packed_bytes(conv);
    thaw_conv_backward_choose(node);
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
    node->passes_only = !node->inputs[1]->needs_gradient;
    choose_variant(node, thaw_conv_choose(&conv->geometry, NULL));
    return THAW_OK;
}

static bool has_fixed_weights(const thaw_node *node)
{
    return thaw_conv_is_fixed(node->inputs[1]) && thaw_conv_is_fixed(thaw_epilogue_own_input(node, 2));
}

/* Could weights be 16-bit floats? In NHWC they are read as they stand. */
static bool may_halve(const thaw_node *node, int32_t block)
{
    return block > 1 && block != THAW_BLOCK_ALL && has_fixed_weights(node);
}

/* The first variant for the geometry's storage; NULL where there is none, or none for weights or gradients such as
 * these. */
static const thaw_conv_variant *choose_stored(const thaw_node *node)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_variant *variant = thaw_conv_choose(geometry, thaw_node_device(node));
    if (variant && geometry->out_block == THAW_BLOCK_ALL)
        return has_fixed_weights(node) ? variant : NULL;
    return variant && thaw_conv_backward_fits(node) ? variant : NULL;
}

/* What only one variant does is not measured. */
static const thaw_conv_variant *best_variant(thaw_node *node, const thaw_conv_variant *first)
{
    if (node->scaled)
        return &thaw_conv_tiled;
    return node->sums ? &thaw_conv_depthwise_blocked : thaw_conv_tune(node, first);
}

/* An image of few channels is read as it comes; everything else as the device likes it, where a variant does that. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    enum { FEW_CHANNELS = 4 };
    thaw_conv *conv = node->state;
    thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_geometry plain = *geometry;
    const thaw_device *device = thaw_node_device(node);
    const thaw_value *x = node->inputs[0];
    if (x->shape.rank != 4 || x->constant)
        return 1;
    geometry->out_block = block;
    const bool as_it_comes = geometry->in_channels <= FEW_CHANNELS && x->block == 1 && !x->needs_gradient;
    geometry->in_block = as_it_comes && !node->scaled && !node->sums ? 1 : block;
    geometry->halves = may_halve(node, block) && thaw_weights_halve(node, 1);
    const thaw_conv_variant *variant = choose_stored(node);
    if (!variant && geometry->in_block == 1) {
        geometry->in_block = block;
        variant = choose_stored(node);
    }
    if (!variant) {
        *geometry = plain;
        block = 1;
        variant = thaw_conv_choose(geometry, device);
    }
    choose_variant(node, best_variant(node, variant));
    node->packs_weights = block > 1 && has_fixed_weights(node);
    node->halves_weights = geometry->halves;
    if (may_halve(node, block))
        thaw_weights_warn(node);
    node->slices = conv->variant->slices;
    node->adds_in_place = conv->variant->adds_in_place && geometry->in_block == geometry->out_block;
    wanted[0] = geometry->in_block;
    if (node->scaled) /* one pixel in whole blocks lies like one row by row */
        wanted[3] = geometry->in_channels % block == 0 ? node->inputs[3]->block : block;
    if (node->epilogue.residual)
        wanted[node->input_count - 1] = block;
    return block;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_conv *conv = node->state;
    const bool packs = conv->variant->pack && !thaw_conv_is_fixed(node->inputs[1]);
    THAW_TRY(thaw_conv_prepare(node, conv, packs ? node->graph->packed : NULL));
    return thaw_conv_backward_prepare(node);
}

static thaw_status forward(thaw_node *node)
{
    return thaw_conv_run(node, node->state);
}

static const char *algorithm(const thaw_node *node)
{
    const thaw_conv *conv = node->state;
    return conv->variant->name;
}

static void release(thaw_node *node)
{
    thaw_conv_release(node->state);
    thaw_conv_backward_release(node->state);
}

const thaw_op thaw_op_conv = {
    .name = "conv",
    .onnx_type = "Conv",
    .flags = THAW_OP_EPILOGUE | THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .backward = thaw_conv_backward_run,
    .algorithm = algorithm,
    .release = release,
};
