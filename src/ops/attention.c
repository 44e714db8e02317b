/* Attention: only model/attention.c makes it, in frozen parts. */
#include "ops/shared/attention.h"

#include <stdio.h>

/* Keys whose scores a work-item can hold, and floats of a matrix that it packs. */
enum { MOST_KEYS = 1024, MOST_PACKED = 1 << 18 };

/* Work-items for each core at least, where there are as many rows. */
enum { ITEMS_PER_UNIT = 4 };

bool thaw_attention_fits(const thaw_attention *attention, int32_t block)
{
    return attention->keys >= block && attention->keys <= MOST_KEYS && attention->width >= block &&
           attention->width <= MOST_PACKED / MOST_KEYS && attention->depth >= 1 &&
           attention->depth <= MOST_PACKED / MOST_KEYS && attention->rows >= 1 &&
           attention->rows <= INT32_MAX / MOST_KEYS;
}

static thaw_status attributes(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_attention), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_attention *state = node->state;
    node->flops = 2 * state->stack * state->rows * state->keys * (state->depth + state->width);
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &state->shape);
}

/* Rows at a time, as many as leave some of the vector registers free: as the tiles of cl/gemm_packed.cl. */
static int64_t rows_at_once(int32_t width)
{
    return width == 16 ? 12 : width == 8 ? 6 : 8;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_attention *state = node->state;
    const int32_t width = thaw_device_width(thaw_node_device(node));
    const int64_t step = state->keys > width && state->width > width ? 2 * width : width;
    char options[160];
    snprintf(options, sizeof options, "-DBLOCK=%d -DROWS=%d -DSTEP=%d -DKEY_STRIPS=%d -DWIDTH_STRIPS=%d -DDEPTH=%d%s",
             (int)width, (int)rows_at_once(width), (int)step, (int)thaw_divide_up(state->keys, step),
             (int)thaw_divide_up(state->width, step), (int)state->depth, state->period ? " -DBIAS" : "");
    return thaw_kernel_get(thaw_node_device(node), "attention", "attention", options, &state->kernel);
}

/* Rows of a work-item: all of a matrix, but that every core has some, and that no driver ends its loops. */
static int64_t part_of(const thaw_node *node)
{
    const thaw_attention *state = node->state;
    const thaw_device *device = thaw_node_device(node);
    const int64_t items = ITEMS_PER_UNIT * (int64_t)thaw_device_describe(device)->compute_units;
    const int64_t parts = thaw_device_ends_loops(device) ? state->rows : thaw_divide_up(items, state->stack);
    const int64_t rows = rows_at_once(thaw_device_width(device));
    return thaw_divide_up(thaw_divide_up(state->rows, parts), rows) * rows;
}

#define PLACE(place)                                                                                                   \
    THAW_LONG((place).offset), THAW_LONG((place).outer), THAW_LONG((place).inner), THAW_LONG((place).row)

static thaw_status forward(thaw_node *node)
{
    const thaw_attention *state = node->state;
    const int64_t part = part_of(node);
    const thaw_attention_place keys = {state->k.offset, state->k.outer, state->k.inner, state->k.column, 0};
    thaw_range range = THAW_RANGE_2(thaw_divide_up(state->rows, part), state->stack);
    range.local[0] = 1;
    return thaw_kernel_launch(state->kernel, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->inputs[1]->buffer),
                              THAW_BUFFER(node->inputs[2]->buffer),
                              THAW_BUFFER(state->period ? node->inputs[3]->buffer : NULL), THAW_FLOAT(state->scale),
                              THAW_INT(state->rows), THAW_INT(state->depth), THAW_INT(state->keys),
                              THAW_INT(state->width), THAW_INT(state->period), THAW_INT(state->inner), THAW_INT(part),
                              PLACE(state->q), PLACE(keys), THAW_LONG(state->k.row), PLACE(state->v), PLACE(state->y));
}

const thaw_op thaw_op_attention = {
    .name = "attention",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
};
