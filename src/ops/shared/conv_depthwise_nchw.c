/* Depthwise convolutions of row-major tensors and their gradients, for GPUs: see cl/conv_depthwise_nchw.cl. */
#include "ops/shared/conv_backward.h"

#include <stdio.h>

#define ITEMS       128 /* as in the kernel */
#define MOST_TAPS   25  /* that have a sum each in every work-item */
#define WAVES       8   /* of work-groups, that parts are to make */
#define LOCAL_BYTES (MOST_TAPS * ITEMS * sizeof(float))

static bool fits(const thaw_conv_geometry *geometry)
{
    return geometry->groups > 1 && geometry->groups == geometry->in_channels &&
           geometry->groups == geometry->out_channels && geometry->in[0] == 1 && geometry->out[0] == 1 &&
           geometry->kernel[0] == 1 && thaw_conv_taps(geometry) <= MOST_TAPS;
}

static bool suits(const thaw_device_info *info)
{
    return thaw_conv_groups_suit(info, thaw_conv_depthwise_nchw.name, ITEMS) && info->local_bytes >= LOCAL_BYTES;
}

static thaw_status get_kernel(const thaw_node *node, const thaw_conv_geometry *geometry, const char *name,
                              const char *more, thaw_kernel **kernel)
{
    char options[THAW_EPILOGUE_OPTIONS + 128];
    snprintf(options, sizeof options, "-DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_H=%d -DSTRIDE_W=%d %s",
             (int)geometry->kernel[1], (int)geometry->kernel[2], (int)geometry->stride[1], (int)geometry->stride[2],
             more);
    return thaw_kernel_get(thaw_node_device(node), "conv_depthwise_nchw", name, options, kernel);
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    char epilogue[THAW_EPILOGUE_OPTIONS];
    return get_kernel(node, &conv->geometry, "depthwise_forward",
                      thaw_epilogue_options(node, thaw_conv_bias(node) != NULL, epilogue), &conv->kernel);
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *g = &conv->geometry;
    return thaw_kernel_launch(
        conv->kernel, THAW_RANGE_3(thaw_conv_pixels(g), g->out_channels, g->n), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->inputs[1]->buffer), THAW_BUFFER(thaw_conv_bias(node)),
        THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta),
        THAW_INT(g->in[1]), THAW_INT(g->in[2]), THAW_INT(g->out[2]), THAW_INT(g->dilation[1]), THAW_INT(g->dilation[2]),
        THAW_INT(g->pad[1]), THAW_INT(g->pad[2]));
}

static thaw_status data_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return get_kernel(node, thaw_conv_geometry_of(node), "depthwise_data", "", &gradient->kernel);
}

static thaw_status data_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *g = thaw_conv_geometry_of(node);
    return thaw_kernel_launch(gradient->kernel, THAW_RANGE_3(g->in[1] * g->in[2], g->in_channels, g->n),
                              THAW_BUFFER(node->inputs[0]->gradient), THAW_INT(add),
                              THAW_BUFFER(node->outputs[0]->gradient), THAW_BUFFER(node->inputs[1]->buffer),
                              THAW_INT(g->in[1]), THAW_INT(g->in[2]), THAW_INT(g->out[1]), THAW_INT(g->out[2]),
                              THAW_INT(g->dilation[1]), THAW_INT(g->dilation[2]), THAW_INT(g->pad[1]),
                              THAW_INT(g->pad[2]));
}

/* As many parts as keep the device busy, in whole images. */
static void weights_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *g = thaw_conv_geometry_of(node);
    const int64_t wanted = WAVES * (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t parts = thaw_divide_up(wanted, g->in_channels);
    gradient->terms = thaw_divide_up(g->n, parts < g->n ? parts : g->n);
    gradient->parts = thaw_divide_up(g->n, gradient->terms);
    gradient->scratch_bytes = (size_t)(gradient->parts * g->in_channels * thaw_conv_taps(g)) * sizeof(float);
}

static thaw_status weights_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return get_kernel(node, thaw_conv_geometry_of(node), "depthwise_weights", "", &gradient->kernel);
}

static thaw_status weights_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *g = thaw_conv_geometry_of(node);
    const int64_t count = g->in_channels * thaw_conv_taps(g);
    thaw_buffer *parts = thaw_node_scratch(node);
    thaw_range range = THAW_RANGE_3(ITEMS, g->in_channels, gradient->parts);
    range.local[0] = ITEMS;
    THAW_TRY(thaw_kernel_launch(gradient->kernel, range, THAW_BUFFER(parts), THAW_BUFFER(node->outputs[0]->gradient),
                                THAW_BUFFER(node->inputs[0]->buffer), THAW_INT(g->n), THAW_INT(gradient->terms),
                                THAW_INT(g->in[1]), THAW_INT(g->in[2]), THAW_INT(g->out[1]), THAW_INT(g->out[2]),
                                THAW_INT(g->dilation[1]), THAW_INT(g->dilation[2]), THAW_INT(g->pad[1]),
                                THAW_INT(g->pad[2])));
    return thaw_conv_add_parts(node, node->inputs[1]->gradient, count, add, parts, gradient->parts, count);
}

const thaw_conv_variant thaw_conv_depthwise_nchw = {
    .name = "depthwise_nchw", .fits = fits, .suits = suits, .prepare = prepare, .run = run};
const thaw_conv_backward_variant thaw_conv_depthwise_nchw_data = {
    .name = "depthwise_nchw", .fits = fits, .suits = suits, .prepare = data_prepare, .run = data_run};
const thaw_conv_backward_variant thaw_conv_depthwise_nchw_weights = {.name = "depthwise_nchw",
                                                                     .fits = fits,
                                                                     .suits = suits,
                                                                     .plan = weights_plan,
                                                                     .prepare = weights_prepare,
                                                                     .run = weights_run};
