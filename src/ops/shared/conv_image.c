#include "ops/shared/conv_image.h"

#include <stdio.h>

#define MOST_PATCH    1024
#define ELEMENT_LIMIT ((int64_t)1 << 30)

thaw_conv_image_cut thaw_conv_image_cut_up(const thaw_conv_geometry *geometry)
{
    thaw_conv_image_cut cut = {.block = geometry->out_block};
    cut.blocks = thaw_divide_up(geometry->out_channels, cut.block);
    cut.stack = thaw_conv_stack(cut.blocks);
    cut.stacks = thaw_divide_up(cut.blocks, cut.stack);
    cut.tile = thaw_conv_tile(cut.block, cut.stack);
    cut.patch = (cut.tile - 1) * geometry->stride[2] + (geometry->kernel[2] - 1) * geometry->dilation[2] + 1;
    return cut;
}

/* What the kernel counts fits its ints. */
static bool fits(const thaw_conv_geometry *geometry)
{
    const thaw_conv_image_cut cut = thaw_conv_image_cut_up(geometry);
    const int64_t most = ELEMENT_LIMIT / cut.block / geometry->n;
    return geometry->in_block == 1 && geometry->groups == 1 && geometry->in[0] == 1 && geometry->out[0] == 1 &&
           geometry->kernel[0] == 1 && geometry->in[1] * geometry->in[2] <= most / geometry->in_channels &&
           thaw_conv_pixels(geometry) <= most / cut.blocks && geometry->out[2] >= cut.tile && cut.patch <= MOST_PATCH;
}

/* --- weights --- */

static thaw_conv_packing packing(const thaw_conv_geometry *geometry)
{
    const thaw_conv_image_cut cut = thaw_conv_image_cut_up(geometry);
    return (thaw_conv_packing){
        .groups = 1,
        .group_in = geometry->in_channels,
        .group_out = geometry->out_channels,
        .stacks = cut.stacks,
        .width = cut.stack * cut.block,
        .in_block = 1,
        .kernel_h = geometry->kernel[1],
        .kernel_w = geometry->kernel[2],
        .halves = geometry->halves,
    };
}

size_t thaw_conv_image_packed_bytes(const thaw_conv_geometry *geometry)
{
    const thaw_conv_packing p = packing(geometry);
    return thaw_conv_packing_bytes(&p);
}

thaw_status thaw_conv_image_pack(const thaw_node *node, const thaw_conv *conv, const thaw_buffer *weights)
{
    const thaw_conv_packing p = packing(&conv->geometry);
    const thaw_conv_weight_order order = thaw_conv_order(conv);
    return thaw_conv_pack_weights(node, conv->packed, weights, &p, &order);
}

/* --- running --- */

thaw_status thaw_conv_image_prepare(const thaw_node *node, thaw_conv *conv, const char *name, const char *more)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_image_cut cut = thaw_conv_image_cut_up(geometry);
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 160];
    snprintf(options, sizeof options, "%s -DBLOCK=%d -DTILE=%d -DSTACK=%d -DSTRIDE=%d -DPATCH=%d%s%s",
             thaw_epilogue_few_options(node, epilogue), (int)cut.block, (int)cut.tile, (int)cut.stack,
             (int)geometry->stride[2], (int)cut.patch, geometry->halves ? " -DHALVES" : "", more);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "conv_image", name, options, &conv->kernel));
    return thaw_conv_pack_bias(node, conv, cut.stacks * cut.stack * cut.block);
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    return thaw_conv_image_prepare(node, conv, "conv_image", "");
}

void thaw_conv_image_arguments(const thaw_conv_geometry *geometry, thaw_argument arguments[THAW_CONV_IMAGE_GEOMETRY])
{
    const int64_t numbers[THAW_CONV_IMAGE_GEOMETRY] = {
        geometry->in[1],       geometry->in[2],     geometry->out[1],    geometry->out[2],
        geometry->kernel[1],   geometry->kernel[2], geometry->stride[1], geometry->dilation[1],
        geometry->dilation[2], geometry->pad[1],    geometry->pad[2],
    };
    for (size_t i = 0; i < THAW_CONV_IMAGE_GEOMETRY; i++)
        arguments[i] = THAW_INT(numbers[i]);
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_conv_image_cut cut = thaw_conv_image_cut_up(geometry);
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const int64_t rows = geometry->n * geometry->out[1], row = geometry->in_channels * geometry->in[2];
    const int64_t at_once = thaw_conv_pieces_at_once(node, geometry, cut.stacks, rows, row * geometry->stride[1]);
    int64_t y_offset, y_image;
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    thaw_argument arguments[13 + THAW_CONV_IMAGE_GEOMETRY] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed),
        THAW_BUFFER(conv->packed_bias),
        THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(epilogue.alpha),
        THAW_FLOAT(epilogue.beta),
        THAW_LONG(y_offset),
        THAW_LONG(y_image),
        THAW_INT(rows),
        THAW_INT(at_once),
        THAW_INT(geometry->in_channels),
        THAW_INT(cut.blocks),
    };
    thaw_conv_image_arguments(geometry, arguments + 13);
    return thaw_kernel_run_pieces(conv->kernel, THAW_PIECES(cut.stacks, thaw_divide_up(rows, at_once), 1), arguments,
                                  sizeof arguments / sizeof *arguments);
}

const thaw_conv_variant thaw_conv_image = {.name = "image",
                                           .fits = fits,
                                           .prepare = prepare,
                                           .run = run,
                                           .slices = true,
                                           .packed_bytes = thaw_conv_image_packed_bytes,
                                           .pack = thaw_conv_image_pack};
