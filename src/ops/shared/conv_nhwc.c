/* Convolutions into activations with all channels side by side (NHWC): as one matrix product, and what needs no local
 * memory. cl/conv_nhwc.cl has the kernels. */
#include "ops/shared/conv_nhwc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define QUAD       4 /* channels, as in the kernels */
#define TILE       4
#define NEAR       ((int64_t)1 << 28)
#define MOST_SIDES (INT_MAX - 256) /* of a matrix: tiles may reach over it */

thaw_conv_strides thaw_conv_input_strides(const thaw_conv_geometry *geometry)
{
    const int64_t pixels = geometry->in[1] * geometry->in[2], channels = geometry->in_channels;
    const bool all = geometry->in_block == THAW_BLOCK_ALL;
    return (thaw_conv_strides){pixels * channels, all ? channels : 1, all ? 1 : pixels};
}

bool thaw_conv_nhwc_counts(const thaw_conv_geometry *geometry)
{
    const int64_t columns = geometry->groups * thaw_divide_up(geometry->out_channels / geometry->groups, QUAD) * QUAD;
    int64_t reach[THAW_CONV_AXES];
    for (int axis = 0; axis < THAW_CONV_AXES; axis++) {
        reach[axis] = (geometry->kernel[axis] - 1) * geometry->dilation[axis] + 1;
        if (geometry->in[axis] > NEAR || geometry->pad[axis] > NEAR || reach[axis] > NEAR)
            return false;
    }
    if (geometry->in[0] != 1 || geometry->out[0] != 1 || geometry->kernel[0] != 1)
        return false;
    const int64_t most = NEAR / geometry->in_channels / geometry->in[2];
    return geometry->in[1] <= most && reach[1] < most && reach[2] < NEAR / geometry->in_channels &&
           thaw_conv_pixels(geometry) <= NEAR / columns && geometry->n <= MOST_SIDES / thaw_conv_pixels(geometry);
}

/* From [out_channels, group_in, h, w] to [groups, depth, columns], depth counting h, w and group_in. */
static void pack(const thaw_conv_geometry *geometry, int64_t depth, int64_t columns, const float *weight, float *packed)
{
    const int64_t group_in = geometry->in_channels / geometry->groups;
    const int64_t group_out = geometry->out_channels / geometry->groups;
    const int64_t places = geometry->kernel[1] * geometry->kernel[2];
    for (int64_t k = 0; k < geometry->out_channels; k++)
        for (int64_t c = 0; c < group_in; c++)
            for (int64_t i = 0; i < places; i++)
                packed[(k / group_out * depth + i * group_in + c) * columns + k % group_out] = *weight++;
}

static thaw_status make_buffer(const thaw_node *node, const float *numbers, int64_t count, thaw_buffer **buffer)
{
    const size_t bytes = (size_t)count * sizeof *numbers;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes, buffer));
    return thaw_buffer_write(*buffer, 0, numbers, bytes);
}

static thaw_status pack_weights(const thaw_node *node, thaw_conv *conv, int64_t depth, int64_t columns)
{
    thaw_context *context = thaw_node_context(node);
    const int64_t count = conv->geometry.groups * depth * columns;
    thaw_tensor *weight;
    float *packed;
    THAW_TRY(thaw_tensor_to_float32(context, node->inputs[1]->constant, &weight));
    thaw_status status = thaw_allocate(context, (size_t)count, sizeof *packed, &packed);
    if (status == THAW_OK) {
        pack(&conv->geometry, depth, columns, weight->data, packed);
        status = make_buffer(node, packed, count, &conv->packed);
    }
    free(packed);
    thaw_tensor_release(&weight);
    return status;
}

static thaw_status pack_bias(const thaw_node *node, thaw_conv *conv, int64_t columns)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    const int64_t group_out = geometry->out_channels / geometry->groups, count = geometry->groups * columns;
    float *packed;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *packed, &packed));
    for (int64_t i = 0; bias && i < geometry->out_channels; i++)
        packed[i / group_out * columns + i % group_out] = (float)thaw_tensor_get(bias->constant, i);
    const thaw_status status = make_buffer(node, packed, count, &conv->packed_bias);
    free(packed);
    return status;
}

thaw_status thaw_conv_nhwc_pack(const thaw_node *node, thaw_conv *conv, int64_t depth, int64_t columns)
{
    THAW_TRY(pack_weights(node, conv, depth, columns));
    return pack_bias(node, conv, columns);
}

bool thaw_conv_nhwc_aligned(const thaw_node *node, const thaw_conv_geometry *geometry)
{
    int64_t offset, stride;
    thaw_value_place(node->outputs[0], &offset, &stride);
    return geometry->out_channels / geometry->groups % QUAD == 0 && offset % QUAD == 0 &&
           thaw_value_pixel(node->outputs[0]) % QUAD == 0;
}

/* A kernel of cl/conv_nhwc.cl, whose `part` alone is compiled. */
static thaw_status get_kernel(const thaw_node *node, const char *name, const char *part, bool aligned,
                              thaw_kernel **kernel)
{
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 128];
    snprintf(options, sizeof options, "%s -DBLOCK=%d %s%s", thaw_epilogue_options(node, false, epilogue), QUAD, part,
             aligned ? " -DALIGNED" : "");
    return thaw_kernel_get(thaw_node_device(node), "conv_nhwc", name, options, kernel);
}

/* What each kernel takes first, weights left out where they are NULL, and then these numbers. */
static thaw_status launch(const thaw_node *node, thaw_kernel *kernel, thaw_range range, const thaw_argument *before,
                          size_t before_count, const thaw_argument *numbers, size_t count)
{
    thaw_argument arguments[32];
    int64_t offset, stride;
    size_t at = 0;
    thaw_value_place(node->outputs[0], &offset, &stride);
    for (size_t i = 0; i < before_count; i++)
        arguments[at++] = before[i];
    arguments[at++] = THAW_BUFFER(thaw_epilogue_residual(node));
    arguments[at++] = THAW_FLOAT(node->epilogue.alpha);
    arguments[at++] = THAW_FLOAT(node->epilogue.beta);
    arguments[at++] = THAW_LONG(offset);
    arguments[at++] = THAW_INT(thaw_value_pixel(node->outputs[0]));
    for (size_t i = 0; i < count; i++)
        arguments[at++] = numbers[i];
    return thaw_kernel_run(kernel, range, arguments, at);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- pointwise: the whole batch is one matrix [pixels, in_channels] --- */

static bool pointwise_fits(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != 1 || geometry->stride[axis] != 1 || geometry->in[axis] != geometry->out[axis])
            return false;
    return geometry->groups == 1 && geometry->in_block == THAW_BLOCK_ALL && thaw_conv_nhwc_counts(geometry);
}

static bool has_finish(const thaw_node *node)
{
    return thaw_epilogue_own_input(node, 2) || node->epilogue.residual || node->epilogue.activation != THAW_LINEAR;
}

static thaw_status pointwise_prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    THAW_TRY(pack_weights(node, conv, geometry->in_channels, geometry->out_channels));
    if (!has_finish(node))
        return THAW_OK;
    THAW_TRY(pack_bias(node, conv, thaw_divide_up(geometry->out_channels, QUAD) * QUAD));
    return get_kernel(node, "conv_finish", "-DFINISH", thaw_conv_nhwc_aligned(node, geometry), &conv->kernel);
}

static thaw_status pointwise_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t pixels = thaw_conv_pixels(geometry);
    thaw_gemm gemm = {
        .m = geometry->n * pixels,
        .n = geometry->out_channels,
        .k = geometry->in_channels,
        .alpha = 1,
        .a = node->inputs[0]->buffer,
        .a_stride = geometry->in_channels,
        .b = conv->packed,
        .b_stride = geometry->out_channels,
        .c = node->outputs[0]->buffer,
        .c_stride = thaw_value_pixel(node->outputs[0]),
    };
    int64_t stride;
    thaw_value_place(node->outputs[0], &gemm.c_offset, &stride);
    THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    if (!conv->kernel)
        return THAW_OK;
    const thaw_argument before[] = {THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(conv->packed_bias)};
    const thaw_argument numbers[] = {THAW_INT(geometry->out_channels), THAW_INT(pixels)};
    const thaw_range range = THAW_RANGE_2(pixels * thaw_divide_up(geometry->out_channels, QUAD), geometry->n);
    return launch(node, conv->kernel, range, before, COUNT(before), numbers, COUNT(numbers));
}

/* --- depthwise: each channel by itself --- */

static bool depthwise_fits(const thaw_conv_geometry *geometry)
{
    return geometry->groups == geometry->in_channels && geometry->groups == geometry->out_channels &&
           geometry->in_block == THAW_BLOCK_ALL && thaw_conv_nhwc_counts(geometry);
}

/* Beyond these sizes the unrolled loop over a row of the kernel would be long. */
static bool is_sparse(const thaw_conv_geometry *geometry)
{
    enum { WIDEST = 7 };
    return geometry->dilation[2] > 1 || geometry->kernel[2] > WIDEST || geometry->stride[2] > geometry->kernel[2];
}

/* From [channels, h, w] to [h, w, channels], channels filled up to whole quads. */
static thaw_status depthwise_pack(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_tensor *weight = node->inputs[1]->constant;
    const int64_t channels = thaw_divide_up(geometry->out_channels, QUAD) * QUAD;
    const int64_t places = geometry->kernel[1] * geometry->kernel[2];
    float *packed;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)(places * channels), sizeof *packed, &packed));
    for (int64_t c = 0; c < geometry->out_channels; c++)
        for (int64_t i = 0; i < places; i++)
            packed[i * channels + c] = (float)thaw_tensor_get(weight, c * places + i);
    const thaw_status status = make_buffer(node, packed, places * channels, &conv->packed);
    free(packed);
    return status == THAW_OK ? thaw_conv_pack_bias(node, conv, channels) : status;
}

static thaw_status depthwise_prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    int64_t offset, stride;
    char part[96];
    thaw_value_place(node->outputs[0], &offset, &stride);
    const bool aligned =
        geometry->out_channels % QUAD == 0 && offset % QUAD == 0 && thaw_value_pixel(node->outputs[0]) % QUAD == 0;
    snprintf(part, sizeof part, "-DDEPTHWISE -DTILE=%d -DKERNEL_W=%d -DSTRIDE_W=%d%s", TILE, (int)geometry->kernel[2],
             (int)geometry->stride[2], is_sparse(geometry) ? " -DSPARSE" : "");
    THAW_TRY(get_kernel(node, "conv_depthwise", part, aligned, &conv->kernel));
    return depthwise_pack(node, conv);
}

static thaw_status depthwise_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_argument before[] = {THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
                                    THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias)};
    const thaw_argument numbers[] = {
        THAW_INT(geometry->out_channels), THAW_INT(geometry->in[1]),       THAW_INT(geometry->in[2]),
        THAW_INT(geometry->out[1]),       THAW_INT(geometry->out[2]),      THAW_INT(geometry->kernel[1]),
        THAW_INT(geometry->stride[1]),    THAW_INT(geometry->dilation[1]), THAW_INT(geometry->dilation[2]),
        THAW_INT(geometry->pad[1]),       THAW_INT(geometry->pad[2]),
    };
    const int64_t items =
        thaw_divide_up(geometry->out_channels, QUAD) * thaw_divide_up(geometry->out[2], TILE) * geometry->out[1];
    return launch(node, conv->kernel, THAW_RANGE_2(items, geometry->n), before, COUNT(before), numbers, COUNT(numbers));
}

/* --- direct: the plain reference --- */

static thaw_status direct_prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t depth = geometry->in_channels / geometry->groups * geometry->kernel[1] * geometry->kernel[2];
    const int64_t columns = thaw_divide_up(geometry->out_channels / geometry->groups, QUAD) * QUAD;
    THAW_TRY(get_kernel(node, "conv_direct", "-DDIRECT", thaw_conv_nhwc_aligned(node, geometry), &conv->kernel));
    return thaw_conv_nhwc_pack(node, conv, depth, columns);
}

static thaw_status direct_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_strides x = thaw_conv_input_strides(geometry);
    const int64_t group_in = geometry->in_channels / geometry->groups;
    const int64_t group_out = geometry->out_channels / geometry->groups;
    const thaw_argument before[] = {THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
                                    THAW_BUFFER(conv->packed), THAW_BUFFER(conv->packed_bias)};
    const thaw_argument numbers[] = {
        THAW_INT(geometry->groups),
        THAW_INT(group_in),
        THAW_INT(group_out),
        THAW_LONG(x.image),
        THAW_INT(x.column),
        THAW_INT(x.channel),
        THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]),
        THAW_INT(geometry->out[1]),
        THAW_INT(geometry->out[2]),
        THAW_INT(geometry->kernel[1]),
        THAW_INT(geometry->kernel[2]),
        THAW_INT(geometry->stride[1]),
        THAW_INT(geometry->stride[2]),
        THAW_INT(geometry->dilation[1]),
        THAW_INT(geometry->dilation[2]),
        THAW_INT(geometry->pad[1]),
        THAW_INT(geometry->pad[2]),
    };
    const int64_t items = thaw_divide_up(group_out, QUAD) * geometry->groups * thaw_conv_pixels(geometry);
    return launch(node, conv->kernel, THAW_RANGE_2(items, geometry->n), before, COUNT(before), numbers, COUNT(numbers));
}

const thaw_conv_variant thaw_conv_nhwc_pointwise = {
    .name = "pointwise", .fits = pointwise_fits, .prepare = pointwise_prepare, .run = pointwise_run, .slices = true};
const thaw_conv_variant thaw_conv_nhwc_depthwise = {
    .name = "depthwise", .fits = depthwise_fits, .prepare = depthwise_prepare, .run = depthwise_run, .slices = true};
const thaw_conv_variant thaw_conv_nhwc_direct = {
    .name = "direct", .fits = thaw_conv_nhwc_counts, .prepare = direct_prepare, .run = direct_run, .slices = true};
