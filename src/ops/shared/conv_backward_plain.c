/* Gradients of convolutions on row-major tensors: matrix products with columns, and kernels that need none. */
#include "ops/shared/conv_backward.h"

#include <stdio.h>

#define COLUMN_LIMIT_BYTES ((int64_t)16 << 20)
#define PARTS_LIMIT_BYTES  ((int64_t)16 << 20)

static int64_t product(const int64_t sizes[THAW_CONV_AXES])
{
    return sizes[0] * sizes[1] * sizes[2];
}

static bool always(const thaw_conv_geometry *geometry)
{
    (void)geometry;
    return true;
}

static bool depthwise_fits(const thaw_conv_geometry *geometry)
{
    return geometry->groups == geometry->in_channels && geometry->groups > 1;
}

/* 1x1: an image [in_channels, pixels] is its own column matrix. */
static bool pointwise_fits(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != 1 || geometry->stride[axis] != 1 || geometry->in[axis] != geometry->out[axis])
            return false;
    return geometry->groups == 1;
}

static thaw_status prepare_nothing(const thaw_node *node, thaw_conv_gradient *gradient)
{
    (void)node, (void)gradient;
    return THAW_OK;
}

static thaw_status get_kernel(const thaw_node *node, const char *name, thaw_kernel **kernel)
{
    return thaw_kernel_get(thaw_node_device(node), "conv_backward", name, "", kernel);
}

/* --- the input: kernels that need no columns --- */

static thaw_status data_direct_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return get_kernel(node, "backward_data", &gradient->kernel);
}

static thaw_status data_direct_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    thaw_argument arguments[6 + THAW_CONV_GEOMETRY_ARGUMENTS] = {
        THAW_BUFFER(node->inputs[0]->gradient),  THAW_INT(add),
        THAW_BUFFER(node->outputs[0]->gradient), THAW_BUFFER(node->inputs[1]->buffer),
        THAW_INT(thaw_conv_group_in(geometry)),  THAW_INT(thaw_conv_group_out(geometry)),
    };
    thaw_conv_geometry_arguments(geometry, arguments + 6);
    return thaw_kernel_run(gradient->kernel, THAW_RANGE_3(product(geometry->in), geometry->in_channels, geometry->n),
                           arguments, sizeof arguments / sizeof *arguments);
}

/* --- the input: columns [depth, pixels] = weights^T [depth, out_channels] times dy [out_channels, pixels] --- */

static thaw_status data_pointwise_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t pixels = thaw_conv_pixels(geometry);
    (void)gradient;
    for (int64_t image = 0; image < geometry->n; image++) {
        const thaw_gemm gemm = {
            .transpose_a = true,
            .m = geometry->in_channels,
            .n = pixels,
            .k = geometry->out_channels,
            .alpha = 1,
            .beta = add,
            .a = node->inputs[1]->buffer,
            .a_stride = geometry->in_channels,
            .b = node->outputs[0]->gradient,
            .b_offset = image * geometry->out_channels * pixels,
            .b_stride = pixels,
            .c = node->inputs[0]->gradient,
            .c_offset = image * geometry->in_channels * pixels,
            .c_stride = pixels,
        };
        THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    }
    return THAW_OK;
}

/* Columns are made for as many input channels of a group at a time as the scratch memory takes: each channel's are all
 * there when its gradient is gathered from them. */
static int64_t channels_at_once(const thaw_conv_geometry *geometry)
{
    const int64_t most =
        COLUMN_LIMIT_BYTES / (int64_t)sizeof(float) / product(geometry->kernel) / thaw_conv_pixels(geometry);
    return thaw_smaller(most, thaw_conv_group_in(geometry));
}

static bool data_im2col_fits(const thaw_conv_geometry *geometry)
{
    return channels_at_once(geometry) > 0;
}

static void data_im2col_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t depth = channels_at_once(geometry) * product(geometry->kernel);
    gradient->scratch_bytes = (size_t)(depth * thaw_conv_pixels(geometry)) * sizeof(float);
}

static thaw_status data_im2col_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return get_kernel(node, "col2im", &gradient->kernel);
}

/* Columns of `count` input channels of a group of an image, from `first` on, then what they add up to. */
static thaw_status gather_channels(const thaw_node *node, const thaw_conv_gradient *gradient, bool add, int64_t image,
                                   int64_t group, int64_t first, int64_t count)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t taps = product(geometry->kernel), depth = thaw_conv_depth(geometry);
    const int64_t pixels = thaw_conv_pixels(geometry), outputs = thaw_conv_group_out(geometry);
    const thaw_gemm gemm = {
        .transpose_a = true,
        .m = count * taps,
        .n = pixels,
        .k = outputs,
        .alpha = 1,
        .a = node->inputs[1]->buffer,
        .a_offset = group * outputs * depth + first * taps,
        .a_stride = depth,
        .b = node->outputs[0]->gradient,
        .b_offset = (image * geometry->out_channels + group * outputs) * pixels,
        .b_stride = pixels,
        .c = thaw_node_scratch(node),
        .c_stride = pixels,
    };
    THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    const int64_t channel = image * geometry->in_channels + group * thaw_conv_group_in(geometry) + first;
    thaw_argument arguments[4 + THAW_CONV_GEOMETRY_ARGUMENTS] = {
        THAW_BUFFER(node->inputs[0]->gradient),
        THAW_LONG(channel * product(geometry->in)),
        THAW_INT(add),
        THAW_BUFFER(thaw_node_scratch(node)),
    };
    thaw_conv_geometry_arguments(geometry, arguments + 4);
    return thaw_kernel_run(gradient->kernel, THAW_RANGE_3(geometry->in[2], geometry->in[0] * geometry->in[1], count),
                           arguments, sizeof arguments / sizeof *arguments);
}

static thaw_status data_im2col_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t all = thaw_conv_group_in(geometry), most = channels_at_once(geometry);
    for (int64_t image = 0; image < geometry->n; image++)
        for (int64_t group = 0; group < geometry->groups; group++)
            for (int64_t first = 0; first < all; first += most)
                THAW_TRY(gather_channels(node, gradient, add, image, group, first, thaw_smaller(most, all - first)));
    return THAW_OK;
}

/* --- the weights: kernels that need no columns --- */

static int64_t weight_count(const thaw_conv_geometry *geometry)
{
    return geometry->out_channels * thaw_conv_depth(geometry);
}

static thaw_status weights_direct_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return get_kernel(node, "backward_weights", &gradient->kernel);
}

/* `parts` ranges of images by themselves, into `to`. */
static thaw_status run_parts(const thaw_node *node, const thaw_conv_gradient *gradient, thaw_buffer *to, bool add,
                             int64_t parts)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    thaw_argument arguments[9 + THAW_CONV_GEOMETRY_ARGUMENTS] = {
        THAW_BUFFER(to),
        THAW_INT(add),
        THAW_BUFFER(node->outputs[0]->gradient),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_INT(geometry->n),
        THAW_INT((geometry->n + parts - 1) / parts),
        THAW_INT(geometry->in_channels),
        THAW_INT(thaw_conv_group_in(geometry)),
        THAW_INT(thaw_conv_group_out(geometry)),
    };
    thaw_conv_geometry_arguments(geometry, arguments + 9);
    return thaw_kernel_run(gradient->kernel, THAW_RANGE_3(thaw_conv_depth(geometry), geometry->out_channels, parts),
                           arguments, sizeof arguments / sizeof *arguments);
}

static thaw_status weights_direct_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    return run_parts(node, gradient, node->inputs[1]->gradient, add, 1);
}

/* Depthwise kernels are few: images are summed up apart, so that there is work for many. */
static void weights_depthwise_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t bytes = weight_count(geometry) * (int64_t)sizeof(float), most = PARTS_LIMIT_BYTES / bytes;
    gradient->parts = most < 1 ? 1 : thaw_smaller(most, geometry->n);
    gradient->scratch_bytes = (size_t)(gradient->parts * bytes);
}

static thaw_status weights_depthwise_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t parts = gradient->parts, count = weight_count(geometry);
    THAW_TRY(run_parts(node, gradient, thaw_node_scratch(node), false, parts));
    return thaw_conv_add_parts(node, node->inputs[1]->gradient, count, add, thaw_node_scratch(node), parts, count);
}

/* --- the weights: dy [out_channels, pixels] times columns^T [pixels, depth], summed over images in order --- */

static thaw_status weights_pointwise_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t pixels = thaw_conv_pixels(geometry);
    (void)gradient;
    for (int64_t image = 0; image < geometry->n; image++) {
        const thaw_gemm gemm = {
            .transpose_b = true,
            .m = geometry->out_channels,
            .n = geometry->in_channels,
            .k = pixels,
            .alpha = 1,
            .beta = add || image > 0,
            .a = node->outputs[0]->gradient,
            .a_offset = image * geometry->out_channels * pixels,
            .a_stride = pixels,
            .b = node->inputs[0]->buffer,
            .b_offset = image * geometry->in_channels * pixels,
            .b_stride = pixels,
            .c = node->inputs[1]->gradient,
            .c_stride = geometry->in_channels,
        };
        THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    }
    return THAW_OK;
}

static bool weights_im2col_fits(const thaw_conv_geometry *geometry)
{
    return thaw_conv_rows_at_once(geometry) > 0;
}

static void weights_im2col_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t pixels = thaw_conv_rows_at_once(geometry) * geometry->out[THAW_CONV_AXES - 1];
    gradient->scratch_bytes = (size_t)(thaw_conv_depth(geometry) * pixels) * sizeof(float);
}

static thaw_status weights_im2col_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return thaw_conv_get_im2col(node, &gradient->kernel);
}

/* What `count` rows of the output of one group of one image, from `first` on, add. */
static thaw_status add_rows(const thaw_node *node, const thaw_conv_gradient *gradient, bool add, int64_t image,
                            int64_t group, int64_t first, int64_t count)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t depth = thaw_conv_depth(geometry), width = geometry->out[THAW_CONV_AXES - 1];
    const int64_t pixels = thaw_conv_pixels(geometry), outputs = thaw_conv_group_out(geometry);
    THAW_TRY(thaw_conv_run_im2col(node, gradient->kernel, image, group, first, count));
    const thaw_gemm gemm = {
        .transpose_b = true,
        .m = outputs,
        .n = depth,
        .k = count * width,
        .alpha = 1,
        .beta = add || image > 0 || first > 0,
        .a = node->outputs[0]->gradient,
        .a_offset = (image * geometry->out_channels + group * outputs) * pixels + first * width,
        .a_stride = pixels,
        .b = thaw_node_scratch(node),
        .b_stride = count * width,
        .c = node->inputs[1]->gradient,
        .c_offset = group * outputs * depth,
        .c_stride = depth,
    };
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

static thaw_status weights_im2col_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const int64_t all = geometry->out[0] * geometry->out[1], most = thaw_conv_rows_at_once(geometry);
    for (int64_t image = 0; image < geometry->n; image++)
        for (int64_t group = 0; group < geometry->groups; group++)
            for (int64_t first = 0; first < all; first += most)
                THAW_TRY(add_rows(node, gradient, add, image, group, first, thaw_smaller(most, all - first)));
    return THAW_OK;
}

static const thaw_conv_backward_variant data_depthwise = {
    .name = "depthwise", .fits = depthwise_fits, .prepare = data_direct_prepare, .run = data_direct_run};
static const thaw_conv_backward_variant data_pointwise = {
    .name = "pointwise", .fits = pointwise_fits, .prepare = prepare_nothing, .run = data_pointwise_run};
static const thaw_conv_backward_variant data_im2col = {.name = "im2col",
                                                       .fits = data_im2col_fits,
                                                       .plan = data_im2col_plan,
                                                       .prepare = data_im2col_prepare,
                                                       .run = data_im2col_run};
static const thaw_conv_backward_variant data_direct = {
    .name = "direct", .fits = always, .prepare = data_direct_prepare, .run = data_direct_run};

const thaw_conv_backward_variant *const thaw_conv_data_row_major[] = {&thaw_conv_depthwise_nchw_data,
                                                                      &data_depthwise,
                                                                      &thaw_conv_nchw_data,
                                                                      &data_pointwise,
                                                                      &data_im2col,
                                                                      &data_direct,
                                                                      NULL};

static const thaw_conv_backward_variant weights_depthwise = {.name = "depthwise",
                                                             .fits = depthwise_fits,
                                                             .plan = weights_depthwise_plan,
                                                             .prepare = weights_direct_prepare,
                                                             .run = weights_depthwise_run};
static const thaw_conv_backward_variant weights_pointwise = {
    .name = "pointwise", .fits = pointwise_fits, .prepare = prepare_nothing, .run = weights_pointwise_run};
static const thaw_conv_backward_variant weights_im2col = {.name = "im2col",
                                                          .fits = weights_im2col_fits,
                                                          .plan = weights_im2col_plan,
                                                          .prepare = weights_im2col_prepare,
                                                          .run = weights_im2col_run};
static const thaw_conv_backward_variant weights_direct = {
    .name = "direct", .fits = always, .prepare = weights_direct_prepare, .run = weights_direct_run};

const thaw_conv_backward_variant *const thaw_conv_weights_row_major[] = {&thaw_conv_depthwise_nchw_weights,
                                                                         &weights_depthwise,
                                                                         &thaw_conv_nchw_weights,
                                                                         &weights_pointwise,
                                                                         &weights_im2col,
                                                                         &weights_direct,
                                                                         NULL};
