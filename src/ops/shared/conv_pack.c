/* A convolution's weights as its variant wants them: packed on the device, once where they stay as they are, before
 * each run where training changes them or where they only exist at run time. */
#include "ops/shared/conv_variants.h"
#include "ops/shared/weights.h"

bool thaw_conv_is_fixed(const thaw_value *value)
{
    return !value || (value->constant && !value->trainable);
}

thaw_conv_weight_order thaw_conv_order(const thaw_conv *conv)
{
    const thaw_conv_geometry *g = &conv->geometry;
    const int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    const int64_t ins = g->in_channels / g->groups, outs = g->out_channels / g->groups;
    if (!conv->mirrored)
        return (thaw_conv_weight_order){.group = outs * ins * taps, .out = ins * taps, .in = taps, .tap = 1};
    return (thaw_conv_weight_order){
        .offset = taps - 1, .group = outs * ins * taps, .out = taps, .in = outs * taps, .tap = -1};
}

static int64_t count_blocks(const thaw_conv_packing *p)
{
    return p->in_blocks ? p->in_blocks : thaw_divide_up(p->group_in, p->in_block);
}

thaw_status thaw_conv_pack_weights(const thaw_node *node, const thaw_buffer *packed, const thaw_buffer *weights,
                                   const thaw_conv_packing *p, const thaw_conv_weight_order *order)
{
    thaw_kernel *kernel;
    thaw_range range = THAW_RANGE_2(count_blocks(p), p->groups * p->stacks);
    range.local[0] = 1;
    const char *options = p->halves ? "-DHALVES" : "";
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_pack", "pack_weights", options, &kernel));
    return thaw_kernel_launch(kernel, range, THAW_BUFFER(packed), THAW_BUFFER(weights), THAW_INT(p->stacks),
                              THAW_INT(p->kernel_h), THAW_INT(p->kernel_w), THAW_INT(p->in_block), THAW_INT(p->width),
                              THAW_INT(p->group_in), THAW_INT(p->group_out), THAW_LONG(order->offset),
                              THAW_LONG(order->group), THAW_LONG(order->out), THAW_LONG(order->in),
                              THAW_LONG(order->tap), THAW_INT(p->spare));
}

size_t thaw_conv_packing_bytes(const thaw_conv_packing *p)
{
    const int64_t rows = p->groups * p->stacks * p->kernel_h * count_blocks(p) * p->kernel_w * p->in_block;
    return (size_t)(rows * p->width + p->spare) * thaw_dtype_bytes(p->halves ? THAW_FLOAT16 : THAW_FLOAT32);
}

size_t thaw_conv_packed_bytes(const thaw_conv *conv)
{
    return conv->variant->packed_bytes ? conv->variant->packed_bytes(&conv->geometry) : 0;
}

static thaw_status pack_constant(const thaw_node *node, const thaw_conv *conv)
{
    thaw_buffer *weights = NULL;
    thaw_status status = thaw_weights_upload(node, node->inputs[1], &weights);
    if (status == THAW_OK)
        status = conv->variant->pack(node, conv, weights);
    thaw_buffer_destroy(&weights);
    return status;
}

thaw_status thaw_conv_prepare(const thaw_node *node, thaw_conv *conv, thaw_buffer *shared)
{
    const size_t bytes = thaw_conv_packed_bytes(conv);
    conv->borrows = shared != NULL;
    if (conv->borrows)
        conv->packed = shared;
    else if (bytes)
        THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes, &conv->packed));
    THAW_TRY(conv->variant->prepare(node, conv));
    return bytes && thaw_conv_is_fixed(node->inputs[1]) ? pack_constant(node, conv) : THAW_OK;
}

/* Brings what is packed up to date. */
static thaw_status refresh(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    if (!thaw_conv_is_fixed(bias))
        THAW_TRY(thaw_buffer_copy(bias->buffer, 0, conv->packed_bias, 0,
                                  (size_t)conv->geometry.out_channels * sizeof(float)));
    return thaw_conv_is_fixed(node->inputs[1]) ? THAW_OK : conv->variant->pack(node, conv, node->inputs[1]->buffer);
}

thaw_status thaw_conv_run(const thaw_node *node, const thaw_conv *conv)
{
    if (conv->variant->pack)
        THAW_TRY(refresh(node, conv));
    return conv->variant->run(node, conv);
}

void thaw_conv_release(thaw_conv *conv)
{
    if (!conv->borrows)
        thaw_buffer_destroy(&conv->packed);
    thaw_buffer_destroy(&conv->packed_bias);
    thaw_buffer_destroy(&conv->taps);
}
