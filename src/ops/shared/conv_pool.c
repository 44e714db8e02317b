#include "ops/shared/conv_pool.h"

#include <stdio.h>

#define RING           1024 /* as in cl/conv_image.cl */
#define ITEMS_PER_CORE 4
#define FEWEST_ROWS    8 /* of the output, for one work-item: what two of them need is computed twice */

/* Columns of a row of the ring. */
static int64_t pitch(const thaw_window *window)
{
    const int64_t row = window->pad[2] + window->in[2];
    const int64_t read = (window->out[2] - 1) * window->stride[2] + window->kernel[2];
    return row > read ? row : read;
}

/* Has every window along `axis` an element of the input? */
static bool sees_input(const thaw_window *window, int axis)
{
    return (window->out[axis] - 1) * window->stride[axis] - window->pad[axis] < window->in[axis] &&
           window->pad[axis] < window->kernel[axis];
}

bool thaw_conv_pool_fits(const thaw_conv_pool *pool)
{
    enum { WIDEST = 7 };
    const thaw_window *window = &pool->window;
    return thaw_conv_image.fits(&pool->conv.geometry) && window->spatial == 2 && window->dilation[1] == 1 &&
           window->dilation[2] == 1 && window->kernel[2] <= WIDEST && sees_input(window, 1) && sees_input(window, 2) &&
           window->kernel[1] * pitch(window) * thaw_conv_image_cut_up(&pool->conv.geometry).stack <= RING;
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_pool *pool = node->state;
    char more[32];
    snprintf(more, sizeof more, " -DPOOL_W=%d", (int)pool->window.kernel[2]);
    return thaw_conv_image_prepare(node, conv, "conv_image_pooled", more);
}

static int64_t rows_at_once(const thaw_node *node, const thaw_conv_pool *pool, int64_t stacks)
{
    if (thaw_device_ends_loops(thaw_node_device(node)))
        return 1;
    return thaw_conv_rows_for_item(node, pool->window.out[1], stacks * pool->conv.geometry.n, ITEMS_PER_CORE,
                                   FEWEST_ROWS);
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_pool *pool = node->state;
    const thaw_window *window = &pool->window;
    const thaw_conv_image_cut cut = thaw_conv_image_cut_up(&conv->geometry);
    const thaw_epilogue epilogue = thaw_epilogue_few(node);
    const int64_t rows = rows_at_once(node, pool, cut.stacks);
    int64_t y_offset, y_image;
    thaw_value_place(node->outputs[0], &y_offset, &y_image);
    thaw_argument arguments[12 + THAW_CONV_IMAGE_GEOMETRY + 7] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(conv->packed),
        THAW_BUFFER(conv->packed_bias),
        THAW_FLOAT(epilogue.alpha),
        THAW_FLOAT(epilogue.beta),
        THAW_LONG(y_offset),
        THAW_LONG(y_image),
        THAW_INT(rows),
        THAW_INT(pitch(window)),
        THAW_INT(conv->geometry.in_channels),
        THAW_INT(cut.blocks),
    };
    const int64_t pooling[7] = {window->out[1],    window->out[2], window->kernel[1], window->stride[1],
                                window->stride[2], window->pad[1], window->pad[2]};
    thaw_conv_image_arguments(&conv->geometry, arguments + 12);
    for (size_t i = 0; i < 7; i++)
        arguments[12 + THAW_CONV_IMAGE_GEOMETRY + i] = THAW_INT(pooling[i]);
    return thaw_kernel_run_pieces(conv->kernel,
                                  THAW_PIECES(thaw_divide_up(window->out[1], rows), cut.stacks, conv->geometry.n),
                                  arguments, sizeof arguments / sizeof *arguments);
}

const thaw_conv_variant thaw_conv_image_pooled = {.name = "image_pooled",
                                                  .prepare = prepare,
                                                  .run = run,
                                                  .slices = true,
                                                  .packed_bytes = thaw_conv_image_packed_bytes,
                                                  .pack = thaw_conv_image_pack};
