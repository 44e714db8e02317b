/* ChannelGate: squeeze-and-excite from the means to the gate. Only excite makes it, for blocks of channels. */
#include "ops/shared/channel_gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How many work-items share an image. */
static int64_t runs(const thaw_node *node, const thaw_channel_gate *gate)
{
    const int64_t cores = (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t blocks = thaw_divide_up(gate->layers[1].width, gate->block);
    const int64_t wanted = thaw_divide_up(cores, node->outputs[0]->shape.dims[0]);
    return wanted < blocks ? wanted : blocks;
}

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_channel_gate), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_channel_gate *gate = node->state;
    const thaw_gate_layer *first = &gate->layers[0], *second = &gate->layers[1];
    const thaw_shape y = {4, {node->inputs[0]->shape.dims[0], second->width, 1, 1}};
    node->flops = 2 * y.dims[0] * first->width * (first->depth + second->width);
    return thaw_node_set_output(node, 0, THAW_FLOAT32, &y);
}

static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    thaw_channel_gate *gate = node->state;
    const int64_t blocks = thaw_divide_up(gate->layers[0].depth, block) + thaw_divide_up(gate->layers[0].width, block);
    gate->block = wanted[0] = block;
    node->packs_weights = true;
    node->scratch_bytes = (size_t)(node->outputs[0]->shape.dims[0] * runs(node, gate) * blocks * block) * sizeof(float);
    return block;
}

static thaw_status make_buffer(const thaw_node *node, const float *numbers, int64_t count, thaw_buffer **buffer)
{
    const size_t bytes = (size_t)count * sizeof *numbers;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes, buffer));
    return thaw_buffer_write(*buffer, 0, numbers, bytes);
}

/* A constant [width, depth] or [depth, width] (NULL: zeros) as [blocks, depth up to a whole block, block]. */
static thaw_status pack(const thaw_node *node, const thaw_tensor *tensor, const thaw_gate_layer *layer, int64_t depth,
                        int64_t padded_depth, thaw_buffer **buffer)
{
    const int64_t block = ((const thaw_channel_gate *)node->state)->block;
    const int64_t count = thaw_divide_up(layer->width, block) * block * padded_depth;
    float *packed;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *packed, &packed));
    for (int64_t k = 0; tensor && k < layer->width; k++)
        for (int64_t c = 0; c < depth; c++)
            packed[(k / block * padded_depth + c) * block + k % block] =
                (float)thaw_tensor_get(tensor, layer->transposed ? k * depth + c : c * layer->width + k);
    const thaw_status status = make_buffer(node, packed, count, buffer);
    free(packed);
    return status;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_channel_gate *gate = node->state;
    char options[80];
    for (size_t i = 0; i < 2; i++) {
        thaw_gate_layer *layer = &gate->layers[i];
        const thaw_value *bias = node->inputs[2 + 2 * i];
        const int64_t padded = thaw_divide_up(layer->depth, gate->block) * gate->block;
        THAW_TRY(pack(node, node->inputs[1 + 2 * i]->constant, layer, layer->depth, padded, &layer->weight));
        THAW_TRY(pack(node, bias ? bias->constant : NULL, layer, 1, 1, &layer->bias));
    }
    snprintf(options, sizeof options, "-DACTIVATION=%d -DBLOCK=%d%s", (int)gate->layers[1].epilogue.activation,
             (int)gate->block, gate->layers[0].epilogue.activation == THAW_SILU ? " -DSILU" : "");
    return thaw_kernel_get(thaw_node_device(node), "channel_gate", "channel_gate", options, &gate->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_channel_gate *gate = node->state;
    const thaw_gate_layer *first = &gate->layers[0], *second = &gate->layers[1];
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t blocks = thaw_divide_up(second->width, gate->block), run = thaw_divide_up(blocks, runs(node, gate));
    thaw_range range = THAW_RANGE_2(thaw_divide_up(blocks, run), x->dims[0]);
    range.local[0] = 1;
    return thaw_kernel_launch(
        gate->kernel, range, THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(thaw_node_scratch(node)), THAW_BUFFER(first->weight), THAW_BUFFER(first->bias),
        THAW_BUFFER(second->weight), THAW_BUFFER(second->bias), THAW_FLOAT(first->epilogue.alpha),
        THAW_FLOAT(first->epilogue.beta), THAW_FLOAT(second->epilogue.alpha), THAW_FLOAT(second->epilogue.beta),
        THAW_FLOAT(gate->scale), THAW_INT(x->rank == 4 ? 1 : x->dims[1]),
        THAW_INT(thaw_divide_up(first->depth, gate->block)), THAW_INT(thaw_divide_up(first->width, gate->block)),
        THAW_INT(run));
}

static void release(thaw_node *node)
{
    thaw_channel_gate *gate = node->state;
    for (size_t i = 0; i < 2; i++) {
        thaw_buffer_destroy(&gate->layers[i].weight);
        thaw_buffer_destroy(&gate->layers[i].bias);
    }
}

const thaw_op thaw_op_channel_gate = {
    .name = "channel_gate",
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
