/* Batch normalisation, row-major, by work-groups whose work-items read neighbours: cl/batch_normalization_groups.cl. */
#include "base/memory.h"
#include "ops/shared/batch_normalization.h"
#include "ops/shared/epilogue.h"
#include "ops/shared/movement.h"

#include <stdio.h>

enum { LANES = 256, LOADS = 8 }; /* as in the kernels */

/* Work-groups get smaller, down to FEWEST_LANES, where there would be fewer of them. */
enum { GROUPS = 512, FEWEST_LANES = 32 };

enum {
    X = THAW_BATCH_X,
    SCALE = THAW_BATCH_SCALE,
    SHIFT = THAW_BATCH_SHIFT,
    MEAN = THAW_BATCH_MEAN,
    VARIANCE = THAW_BATCH_VARIANCE
};

int32_t thaw_batch_group_width(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    if (batch->block > 1 || thaw_shape_size(&node->inputs[X]->shape) > INT32_MAX ||
        !thaw_items_are_cheap(thaw_node_device(node)))
        return 0;
    return batch->inner % 4 == 0 ? 4 : 1;
}

static thaw_status get_kernel(const thaw_node *node, const char *name, thaw_kernel **kernel)
{
    const thaw_batch_normalization *batch = node->state;
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 16];
    snprintf(options, sizeof options, "%s -DWIDTH=%d", thaw_epilogue_options(node, false, epilogue), (int)batch->width);
    return thaw_kernel_get(thaw_node_device(node), "batch_normalization_groups", name, options, kernel);
}

static thaw_status prepare_statistics(const thaw_node *node, thaw_batch_normalization *batch)
{
    thaw_buffer_destroy(&batch->statistics);
    THAW_TRY(
        thaw_buffer_create(thaw_node_device(node), 2 * (size_t)batch->channels * sizeof(float), &batch->statistics));
    THAW_TRY(get_kernel(node, "add_moments", &batch->pieces));
    return get_kernel(node, "finish_moments", &batch->join);
}

static thaw_status prepare_backward(const thaw_node *node, thaw_batch_normalization *batch)
{
    THAW_TRY(get_kernel(node, "add_products", &batch->products));
    THAW_TRY(get_kernel(node, "finish_products", &batch->finish));
    return get_kernel(node, "batch_normalize_backward", &batch->give);
}

thaw_status thaw_batch_group_prepare(thaw_node *node, bool statistics)
{
    thaw_batch_normalization *batch = node->state;
    thaw_device *device = thaw_node_device(node);
    thaw_buffer_destroy(&batch->factors);
    THAW_TRY(thaw_buffer_create(device, 4 * (size_t)batch->channels * sizeof(float), &batch->factors));
    THAW_TRY(thaw_kernel_get(device, "batch_normalization", "make_factors", "", &batch->make_factors));
    THAW_TRY(get_kernel(node, "batch_normalize", &batch->normalize));
    if (statistics)
        THAW_TRY(prepare_statistics(node, batch));
    return node->outputs[0]->gradient ? prepare_backward(node, batch) : THAW_OK;
}

/* --- sizes --- */

/* Vectors of a row, and of a channel. */
static int64_t row_of(const thaw_batch_normalization *batch)
{
    return batch->inner / batch->width;
}

static int64_t count_of(const thaw_batch_normalization *batch)
{
    return batch->n * row_of(batch);
}

static size_t most_lanes(const thaw_kernel *kernel)
{
    size_t lanes = LANES;
    while (lanes > 1 && lanes > thaw_kernel_max_group(kernel))
        lanes /= 2;
    return lanes;
}

/* A channel's pieces for work-groups of so many. */
static int64_t piece_count(const thaw_batch_normalization *batch, size_t lanes)
{
    return thaw_divide_up(count_of(batch), (int64_t)lanes * LOADS);
}

static size_t piece_lanes(const thaw_batch_normalization *batch, const thaw_kernel *kernel)
{
    size_t lanes = most_lanes(kernel);
    while (lanes > FEWEST_LANES && piece_count(batch, lanes) * batch->channels < GROUPS)
        lanes /= 2;
    return lanes;
}

static thaw_range groups_of(size_t lanes, int64_t groups)
{
    thaw_range range = THAW_RANGE_1((size_t)groups * lanes);
    range.local[0] = lanes;
    return range;
}

/* One for each channel, no larger than the pieces that it adds up. */
static thaw_range finishing_range(const thaw_batch_normalization *batch, const thaw_kernel *kernel, int64_t pieces)
{
    size_t lanes = most_lanes(kernel);
    while (lanes > 1 && (int64_t)lanes / 2 >= pieces)
        lanes /= 2;
    return groups_of(lanes, batch->channels);
}

/* Work-items for all vectors of x, and some behind. */
static thaw_range vector_range(const thaw_batch_normalization *batch, const thaw_kernel *kernel)
{
    const size_t lanes = most_lanes(kernel);
    return groups_of(lanes, thaw_divide_up(count_of(batch) * batch->channels, (int64_t)lanes));
}

/* A pair of numbers for each piece. */
static thaw_status create_pieces(const thaw_node *node, int64_t pieces, thaw_buffer **buffer)
{
    const thaw_batch_normalization *batch = node->state;
    return thaw_buffer_create(thaw_node_device(node), (size_t)(batch->channels * pieces) * 2 * sizeof(float), buffer);
}

/* --- forward --- */

static thaw_status finish_moments(const thaw_node *node, const thaw_buffer *pieces, size_t lanes)
{
    const thaw_batch_normalization *batch = node->state;
    const int64_t count = piece_count(batch, lanes);
    return thaw_kernel_launch(
        batch->join, finishing_range(batch, batch->join, count), THAW_BUFFER(batch->statistics),
        THAW_BUFFER(batch->factors), THAW_BUFFER(pieces), THAW_BUFFER(node->inputs[SCALE]->buffer),
        THAW_BUFFER(node->inputs[SHIFT]->buffer), THAW_FLOAT(batch->epsilon), THAW_INT(count),
        THAW_INT((int64_t)lanes * LOADS * batch->width), THAW_INT(batch->n * batch->inner),
        THAW_BUFFER(thaw_batch_running(node, 0)), THAW_BUFFER(node->inputs[MEAN]->buffer),
        THAW_BUFFER(thaw_batch_running(node, 1)), THAW_BUFFER(node->inputs[VARIANCE]->buffer),
        THAW_FLOAT(batch->momentum), THAW_FLOAT(thaw_batch_share(node, 0)), THAW_FLOAT(thaw_batch_share(node, 1)));
}

thaw_status thaw_batch_group_measure(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    const size_t lanes = piece_lanes(batch, batch->pieces);
    const int64_t count = piece_count(batch, lanes);
    thaw_buffer *pieces;
    THAW_TRY(create_pieces(node, count, &pieces));
    thaw_status status =
        thaw_kernel_launch(batch->pieces, groups_of(lanes, count * batch->channels), THAW_BUFFER(pieces),
                           THAW_BUFFER(node->inputs[X]->buffer), THAW_INT(count), THAW_INT(batch->channels),
                           THAW_INT(row_of(batch)), THAW_INT(count_of(batch)));
    if (status == THAW_OK)
        status = finish_moments(node, pieces, lanes);
    thaw_buffer_destroy(&pieces);
    return status;
}

thaw_status thaw_batch_group_normalize(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    return thaw_kernel_launch(
        batch->normalize, vector_range(batch, batch->normalize), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(batch->factors), THAW_BUFFER(node->inputs[SHIFT]->buffer),
        THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta),
        THAW_INT(batch->channels), THAW_INT(row_of(batch)), THAW_INT(count_of(batch) * batch->channels));
}

/* --- backward --- */

static thaw_status add_products(const thaw_node *node, const thaw_buffer *pieces, size_t lanes)
{
    const thaw_batch_normalization *batch = node->state;
    const int64_t count = piece_count(batch, lanes);
    return thaw_kernel_launch(batch->products, groups_of(lanes, count * batch->channels), THAW_BUFFER(pieces),
                              THAW_BUFFER(node->outputs[0]->gradient), THAW_BUFFER(node->inputs[X]->buffer),
                              THAW_BUFFER(batch->factors), THAW_FLOAT(node->epilogue.alpha),
                              THAW_FLOAT(node->epilogue.beta), THAW_INT(count), THAW_INT(batch->channels),
                              THAW_INT(row_of(batch)), THAW_INT(count_of(batch)));
}

thaw_status thaw_batch_group_sum(const thaw_node *node, const thaw_buffer *slopes)
{
    const thaw_batch_normalization *batch = node->state;
    const size_t lanes = piece_lanes(batch, batch->products);
    const int64_t count = piece_count(batch, lanes);
    thaw_buffer *pieces;
    THAW_TRY(create_pieces(node, count, &pieces));
    thaw_status status = add_products(node, pieces, lanes);
    if (status == THAW_OK)
        status = thaw_kernel_launch(
            batch->finish, finishing_range(batch, batch->finish, count), THAW_BUFFER(slopes),
            THAW_BUFFER(node->inputs[SCALE]->gradient), THAW_BUFFER(node->inputs[SHIFT]->gradient), THAW_BUFFER(pieces),
            THAW_BUFFER(batch->factors), THAW_INT(count), THAW_FLOAT(batch->n * batch->inner),
            THAW_INT(!thaw_node_overwrites(node, SCALE)), THAW_INT(!thaw_node_overwrites(node, SHIFT)));
    thaw_buffer_destroy(&pieces);
    return status;
}

thaw_status thaw_batch_group_give(const thaw_node *node, const thaw_buffer *slopes)
{
    const thaw_batch_normalization *batch = node->state;
    return thaw_kernel_launch(batch->give, vector_range(batch, batch->give), THAW_BUFFER(node->inputs[X]->gradient),
                              THAW_INT(!thaw_node_overwrites(node, X)), THAW_BUFFER(node->outputs[0]->gradient),
                              THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(batch->factors), THAW_BUFFER(slopes),
                              THAW_INT(thaw_batch_is_own(node)), THAW_FLOAT(node->epilogue.alpha),
                              THAW_FLOAT(node->epilogue.beta), THAW_INT(batch->channels), THAW_INT(row_of(batch)),
                              THAW_INT(count_of(batch) * batch->channels));
}
