/* Gradients of convolutions: which way, and the bias. */
#include "ops/shared/conv_backward.h"
#include "base/memory.h"
#include "ops/shared/activation.h"
#include "ops/shared/movement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const thaw_conv_geometry *thaw_conv_geometry_of(const thaw_node *node)
{
    return &((const thaw_conv *)node->state)->geometry;
}

static bool runs(const thaw_conv_backward_variant *variant, const thaw_node *node)
{
    const thaw_device *device = thaw_node_device(node);
    return variant->fits(thaw_conv_geometry_of(node)) &&
           (!variant->suits || (device && variant->suits(thaw_device_describe(device))));
}

/* The one that THAW_ALGORITHM names if it fits, else the first that does and pays. */
static const thaw_conv_backward_variant *choose(const thaw_conv_backward_variant *const *variants,
                                                const thaw_node *node)
{
    const char *wish = getenv("THAW_ALGORITHM");
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_conv_backward_variant *first = NULL;
    for (; *variants; variants++) {
        if (!runs(*variants, node))
            continue;
        if (wish && strcmp(wish, (*variants)->name) == 0)
            return *variants;
        if (!first && (!(*variants)->pays || (*variants)->pays(geometry)))
            first = *variants;
    }
    return first;
}

static bool needs_gradient(const thaw_value *value)
{
    return value && value->needs_gradient;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- bias: the sums of dy over images and pixels --- */

static int64_t padded_channels(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block;
    return (geometry->out_channels + block - 1) / block * block;
}

static size_t bias_scratch_bytes(const thaw_conv_geometry *geometry)
{
    return (size_t)(geometry->n * padded_channels(geometry)) * sizeof(float);
}

/* A work-group for each sum: where work-items should read neighbours. */
static bool sums_by_groups(const thaw_node *node)
{
    return thaw_conv_geometry_of(node)->out_block == 1 && thaw_items_are_cheap(thaw_node_device(node));
}

static thaw_status prepare_bias(const thaw_node *node, thaw_conv *conv)
{
    char options[32] = "";
    if (sums_by_groups(node))
        return thaw_kernel_get(thaw_node_device(node), "conv_backward", "sum_pixels_by_groups", "", &conv->bias_kernel);
    if (conv->geometry.out_block > 1)
        snprintf(options, sizeof options, "-DBLOCK=%d", (int)conv->geometry.out_block);
    return thaw_kernel_get(thaw_node_device(node), "conv_backward", "sum_pixels", options, &conv->bias_kernel);
}

/* With the slope of the activation, in one pass over dy. */
static thaw_status prepare_slope_sums(const thaw_node *node, thaw_conv *conv)
{
    char options[48];
    snprintf(options, sizeof options, "-DACTIVATION=%d -DBLOCK=%d", (int)node->epilogue.activation,
             (int)conv->geometry.out_block);
    return thaw_kernel_get(thaw_node_device(node), "activation_backward", "activation_backward_sums", options,
                           &conv->slope_sums);
}

/* Images for a work-group: fewer, down to what keeps it busy, until there are enough groups for a large device. */
static int64_t images_of_group(const thaw_conv_geometry *geometry, int64_t pixels)
{
    enum { GROUPS = 2048, BUSY = 1024 };
    int64_t images = geometry->n > 0 ? geometry->n : 1;
    while (images > 1 && images * pixels > BUSY &&
           thaw_divide_up(geometry->n, images) * geometry->out_channels < GROUPS)
        images = thaw_divide_up(images, 2);
    return images;
}

static thaw_status run_bias_by_groups(const thaw_node *node, const thaw_conv *conv)
{
    enum { LANES = 256, FEWEST = 32 }; /* the kernel has room for so many */
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t pixels = thaw_conv_pixels(geometry), images = images_of_group(geometry, pixels);
    const int64_t channels = geometry->out_channels, pieces = pixels > 0 ? thaw_divide_up(geometry->n, images) : 0;
    thaw_buffer *parts = thaw_node_scratch(node);
    size_t lanes = LANES;
    while (lanes > thaw_kernel_max_group(conv->bias_kernel) || (lanes > FEWEST && (int64_t)lanes > images * pixels))
        lanes /= 2;
    thaw_range range = THAW_RANGE_1((size_t)(pieces * channels) * lanes);
    range.local[0] = lanes;
    THAW_TRY(thaw_kernel_launch(conv->bias_kernel, range, THAW_BUFFER(parts), THAW_BUFFER(node->outputs[0]->gradient),
                                THAW_INT(geometry->n), THAW_INT(channels), THAW_INT(pixels), THAW_INT(images)));
    return thaw_conv_add_parts(node, node->inputs[2]->gradient, channels, !thaw_node_overwrites(node, 2), parts, pieces,
                               channels);
}

static thaw_status run_bias(const thaw_node *node, const thaw_conv *conv)
{
    enum { ROW = 256 };
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_value *y = node->outputs[0];
    thaw_buffer *parts = thaw_node_scratch(node);
    const int64_t channels = padded_channels(geometry), pixels = thaw_conv_pixels(geometry);
    thaw_range range = THAW_RANGE_2(channels / geometry->out_block, geometry->n);
    range.local[0] = geometry->out_block > 1 ? 1 : 0; /* a block fills a vector unit */
    if (conv->slope_sums)
        THAW_TRY(thaw_kernel_launch(conv->slope_sums, range, THAW_BUFFER(parts), THAW_BUFFER(y->gradient),
                                    THAW_BUFFER(y->buffer), THAW_FLOAT(node->epilogue.alpha),
                                    THAW_FLOAT(node->epilogue.beta), THAW_INT(pixels), THAW_INT(ROW)));
    else
        THAW_TRY(thaw_kernel_launch(conv->bias_kernel, range, THAW_BUFFER(parts), THAW_BUFFER(y->gradient),
                                    THAW_INT(pixels), THAW_INT(ROW)));
    return thaw_conv_add_parts(node, node->inputs[2]->gradient, geometry->out_channels, !thaw_node_overwrites(node, 2),
                               parts, geometry->n, channels);
}

/* --- all of them --- */

thaw_status thaw_conv_add_parts(const thaw_node *node, thaw_buffer *gradient, int64_t elements, bool add,
                                const thaw_buffer *parts, int64_t count, int64_t stride)
{
    thaw_kernel *kernel;
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_backward", "add_parts", "", &kernel));
    return thaw_kernel_launch(kernel, THAW_RANGE_1(elements), THAW_BUFFER(gradient), THAW_INT(add), THAW_BUFFER(parts),
                              THAW_INT(count), THAW_LONG(stride));
}

static const thaw_conv_backward_variant *const data_blocked[] = {
    &thaw_conv_data_mirror, &thaw_conv_data_gather_depthwise, &thaw_conv_data_gather, NULL};

static const thaw_conv_backward_variant *choose_data(const thaw_node *node)
{
    return choose(thaw_conv_geometry_of(node)->out_block > 1 ? data_blocked : thaw_conv_data_row_major, node);
}

static const thaw_conv_backward_variant *choose_weights(const thaw_node *node)
{
    const bool blocked = thaw_conv_geometry_of(node)->out_block > 1;
    return choose(blocked ? thaw_conv_weights_blocked : thaw_conv_weights_row_major, node);
}

bool thaw_conv_backward_fits(const thaw_node *node)
{
    return (!needs_gradient(node->inputs[0]) || choose_data(node)) &&
           (!needs_gradient(node->inputs[1]) || choose_weights(node));
}

static void plan(thaw_node *node, thaw_conv_gradient *gradient, const thaw_conv_backward_variant *variant)
{
    gradient->variant = variant;
    gradient->scratch_bytes = gradient->packed_bytes = 0;
    if (variant->plan)
        variant->plan(node, gradient);
    node->scratch_bytes = larger(node->scratch_bytes, gradient->scratch_bytes);
    node->packed_bytes = larger(node->packed_bytes, gradient->packed_bytes);
}

void thaw_conv_backward_choose(thaw_node *node)
{
    thaw_conv *conv = node->state;
    const thaw_conv_geometry *geometry = &conv->geometry;
    if (needs_gradient(node->inputs[0]))
        plan(node, &conv->data, choose_data(node));
    if (needs_gradient(node->inputs[1]))
        plan(node, &conv->weights, choose_weights(node));
    if (needs_gradient(thaw_epilogue_own_input(node, 2)))
        node->scratch_bytes = larger(node->scratch_bytes, bias_scratch_bytes(geometry));
}

thaw_status thaw_conv_backward_create(const thaw_node *node)
{
    return thaw_conv_mirror_create(node, &((thaw_conv *)node->state)->data.mirror);
}

void thaw_conv_backward_release(thaw_conv *conv)
{
    thaw_conv_mirror_destroy(&conv->data.mirror);
    thaw_buffer_destroy(&conv->data.packed);
}

thaw_status thaw_conv_backward_prepare(thaw_node *node)
{
    thaw_conv *conv = node->state;
    if (conv->data.variant)
        THAW_TRY(conv->data.variant->prepare(node, &conv->data));
    if (conv->weights.variant)
        THAW_TRY(conv->weights.variant->prepare(node, &conv->weights));
    const bool biased = needs_gradient(thaw_epilogue_own_input(node, 2));
    if (node->keeps_output && biased && conv->geometry.out_block > 1)
        return prepare_slope_sums(node, conv);
    if (node->keeps_output)
        THAW_TRY(thaw_activation_get_backward(node, node->epilogue.activation, false, &conv->slope));
    return biased ? prepare_bias(node, conv) : THAW_OK;
}

/* Makes the gradient of what an activation gave that of what went into it, in place: nobody else looks at it later. */
static thaw_status run_slope(const thaw_node *node, thaw_kernel *kernel)
{
    const thaw_value *y = node->outputs[0];
    const thaw_shape stored = thaw_value_stored(y);
    return thaw_kernel_launch(kernel, THAW_RANGE_1(thaw_shape_size(&stored)), THAW_BUFFER(y->gradient),
                              THAW_BUFFER(y->gradient), THAW_BUFFER(y->buffer), THAW_FLOAT(node->epilogue.alpha),
                              THAW_FLOAT(node->epilogue.beta));
}

thaw_status thaw_conv_backward_run(thaw_node *node)
{
    const thaw_conv *conv = node->state;
    if (conv->slope)
        THAW_TRY(run_slope(node, conv->slope));
    if (conv->bias_kernel || conv->slope_sums)
        THAW_TRY(sums_by_groups(node) ? run_bias_by_groups(node, conv) : run_bias(node, conv));
    if (conv->weights.variant)
        THAW_TRY(conv->weights.variant->run(node, &conv->weights, !thaw_node_overwrites(node, 1)));
    if (conv->data.variant)
        THAW_TRY(conv->data.variant->run(node, &conv->data, !thaw_node_overwrites(node, 0)));
    return THAW_OK;
}
