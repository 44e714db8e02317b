/* The gradient of a convolution's input, where the stride is 1, is a convolution of the output's gradient: with the
 * same weights, flipped, input and output channels exchanged, and padding of dilation * (kernel - 1) less its own. So
 * the forward pass's variants for blocks of channels compute it, on a node that no graph lists. */
#include "ops/shared/conv_backward.h"

#include <stdlib.h>

/* Two convolutions that share their packed weights: the second adds to what is there, which is its residual. */
struct thaw_conv_mirror {
    thaw_node node[2];
    thaw_value dy, dx;
    thaw_value *inputs[3], *outputs[1];
    thaw_conv conv[2];
    bool prepared[2];
};

thaw_status thaw_conv_mirror_create(const thaw_node *node, thaw_conv_mirror **mirror)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof **mirror, mirror);
}

void thaw_conv_mirror_destroy(thaw_conv_mirror **mirror)
{
    for (int add = 0; *mirror && add < 2; add++)
        thaw_conv_release(&(*mirror)->conv[add]);
    free(*mirror);
    *mirror = NULL;
}

static thaw_conv_geometry mirrored(const thaw_conv_geometry *g)
{
    thaw_conv_geometry mirror = *g;
    mirror.in_channels = g->out_channels;
    mirror.out_channels = g->in_channels;
    mirror.in_block = g->out_block;
    mirror.out_block = g->in_block;
    for (int axis = 0; axis < THAW_CONV_AXES; axis++) {
        mirror.in[axis] = g->out[axis];
        mirror.out[axis] = g->in[axis];
        mirror.pad[axis] = g->dilation[axis] * (g->kernel[axis] - 1) - g->pad[axis];
    }
    return mirror;
}

static bool fits(const thaw_conv_geometry *geometry)
{
    const thaw_conv_geometry mirror = mirrored(geometry);
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->stride[axis] != 1 || mirror.pad[axis] < 0)
            return false;
    return geometry->in_block > 1 && thaw_conv_choose(&mirror, NULL);
}

static thaw_value value_like(const thaw_value *value, int32_t block)
{
    return (thaw_value){
        .name = value->name, .dtype = value->dtype, .shape = value->shape, .shape_known = true, .block = block};
}

static void plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    thaw_conv_mirror *mirror = gradient->mirror;
    mirror->dy = value_like(node->outputs[0], geometry->out_block);
    mirror->dx = value_like(node->inputs[0], geometry->in_block);
    mirror->inputs[0] = &mirror->dy;
    mirror->inputs[1] = node->inputs[1];
    mirror->inputs[2] = mirror->outputs[0] = &mirror->dx;
    for (int add = 0; add < 2; add++) {
        mirror->conv[add] = (thaw_conv){.geometry = mirrored(geometry), .mirrored = true};
        mirror->node[add] = (thaw_node){
            .op = node->op,
            .graph = node->graph,
            .name = node->name,
            .inputs = mirror->inputs,
            .input_count = add ? 3 : 2,
            .outputs = mirror->outputs,
            .output_count = 1,
            .state = &mirror->conv[add],
            .epilogue.residual = add ? &mirror->dx : NULL,
        };
    }
    thaw_conv *conv = &mirror->conv[0];
    conv->variant = thaw_conv_tune(&mirror->node[0], thaw_conv_choose(&conv->geometry, thaw_node_device(node)));
    mirror->conv[1].variant = conv->variant;
    gradient->scratch_bytes = conv->variant->scratch_bytes ? conv->variant->scratch_bytes(&conv->geometry) : 0;
    gradient->packed_bytes = thaw_conv_is_fixed(node->inputs[1]) ? 0 : thaw_conv_packed_bytes(conv);
}

/* Once for each of the two that is ever run. */
static thaw_status prepare_one(thaw_conv_mirror *mirror, bool add)
{
    thaw_conv *conv = &mirror->conv[add], *other = &mirror->conv[!add];
    const thaw_node *node = &mirror->node[add];
    thaw_buffer *shared = thaw_conv_is_fixed(node->inputs[1]) ? NULL : node->graph->packed;
    THAW_TRY(thaw_conv_prepare(node, conv, shared ? shared : other->packed));
    mirror->prepared[add] = true;
    return THAW_OK;
}

static thaw_status prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    return prepare_one(gradient->mirror, !thaw_node_overwrites(node, 0));
}

static thaw_status run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    thaw_conv_mirror *mirror = gradient->mirror;
    mirror->dy.buffer = node->outputs[0]->gradient;
    mirror->dx.buffer = node->inputs[0]->gradient;
    if (!mirror->prepared[add])
        THAW_TRY(prepare_one(mirror, add));
    return thaw_conv_run(&mirror->node[add], &mirror->conv[add]);
}

const thaw_conv_backward_variant thaw_conv_data_mirror = {
    .name = "mirror", .fits = fits, .plan = plan, .prepare = prepare, .run = run};
