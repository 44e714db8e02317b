/* Depthwise convolutions in blocks of channels: cl/conv_depthwise.cl says how. */
#include "ops/shared/conv_variants.h"

#include <limits.h>
#include <stdio.h>

static bool fits(const thaw_conv_geometry *geometry)
{
    const int64_t most = INT_MAX / geometry->out_block;
    return geometry->groups == geometry->in_channels && geometry->groups == geometry->out_channels &&
           geometry->in[0] == 1 && geometry->out[0] == 1 && geometry->kernel[0] == 1 &&
           geometry->in_block == geometry->out_block && geometry->in[1] * geometry->in[2] < most &&
           thaw_conv_pixels(geometry) < most;
}

static int64_t count_blocks(const thaw_conv_geometry *geometry)
{
    return (geometry->out_channels + geometry->out_block - 1) / geometry->out_block;
}

/* [blocks, kernel, block]: a stack is a block, and each channel has one input. */
static thaw_conv_packing packing(const thaw_conv_geometry *geometry)
{
    return (thaw_conv_packing){
        .groups = 1,
        .group_in = 1,
        .group_out = geometry->out_channels,
        .stacks = count_blocks(geometry),
        .width = geometry->out_block,
        .in_block = 1,
        .kernel_h = geometry->kernel[1],
        .kernel_w = geometry->kernel[2],
        .halves = geometry->halves,
    };
}

static size_t packed_bytes(const thaw_conv_geometry *geometry)
{
    const thaw_conv_packing p = packing(geometry);
    return thaw_conv_packing_bytes(&p);
}

static thaw_status pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_packing p = packing(&conv->geometry);
    thaw_conv_weight_order order = thaw_conv_order(conv);
    order.out = order.group;
    return thaw_conv_pack_weights(node, conv->packed, weights, &p, &order);
}

/* Beyond these sizes the unrolled loop over a row of the kernel would be long. */
static bool is_sparse(const thaw_conv_geometry *geometry)
{
    enum { WIDEST = 7, FARTHEST = 4 };
    return geometry->dilation[2] > 1 || geometry->kernel[2] > WIDEST || geometry->stride[2] > FARTHEST;
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 96];
    snprintf(options, sizeof options, "%s -DBLOCK=%d -DKERNEL_W=%d -DSTRIDE_W=%d%s%s%s",
             thaw_epilogue_few_options(node, epilogue), (int)geometry->out_block, (int)geometry->kernel[2],
             (int)geometry->stride[2], is_sparse(geometry) ? " -DSPARSE" : "", node->sums ? " -DSUMS" : "",
             geometry->halves ? " -DHALVES" : "");
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_depthwise", "conv_depthwise", options, &conv->kernel));
    return thaw_conv_pack_bias(node, conv, count_blocks(geometry) * geometry->out_block);
}

/* Rows for one work-item: enough to be worth its start. */
static int64_t rows_at_once(const thaw_conv_geometry *geometry)
{
    enum { PIXELS = 512 };
    const int64_t rows = (PIXELS + geometry->out[2] - 1) / geometry->out[2];
    return rows < geometry->out[1] ? rows : geometry->out[1];
}

int64_t thaw_conv_sum_parts(const thaw_conv_geometry *geometry)
{
    const int64_t rows = rows_at_once(geometry);
    return geometry->in_block > 1 && fits(geometry) ? (geometry->out[1] + rows - 1) / rows : 0;
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const int64_t rows = rows_at_once(geometry);
    const thaw_argument arguments[] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed),
        THAW_BUFFER(conv->packed_bias),
        THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(epilogue.alpha),
        THAW_FLOAT(epilogue.beta),
        THAW_INT(rows),
        THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]),
        THAW_INT(geometry->out[1]),
        THAW_INT(geometry->out[2]),
        THAW_INT(geometry->kernel[1]),
        THAW_INT(geometry->stride[1]),
        THAW_INT(geometry->dilation[1]),
        THAW_INT(geometry->dilation[2]),
        THAW_INT(geometry->pad[1]),
        THAW_INT(geometry->pad[2]),
        THAW_BUFFER(node->sums ? node->outputs[1]->buffer : NULL),
    };
    const size_t count = sizeof arguments / sizeof *arguments;
    return thaw_kernel_run_pieces(
        conv->kernel, THAW_PIECES((geometry->out[1] + rows - 1) / rows, count_blocks(geometry), geometry->n), arguments,
        node->sums ? count : count - 1);
}

const thaw_conv_variant thaw_conv_depthwise_blocked = {.name = "depthwise_blocked",
                                                       .fits = fits,
                                                       .prepare = prepare,
                                                       .run = run,
                                                       .adds_in_place = true,
                                                       .packed_bytes = packed_bytes,
                                                       .pack = pack};
