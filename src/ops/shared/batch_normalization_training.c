/* Statistics of a batch, and gradients through a batch normalisation with these or with given ones. */
#include "ops/shared/batch_normalization.h"
#include "ops/shared/epilogue.h"

#include <stdio.h>

#define PIECES 64 /* row-major, sums over a channel are made of so many: the same on every device */

enum {
    X = THAW_BATCH_X,
    SCALE = THAW_BATCH_SCALE,
    SHIFT = THAW_BATCH_SHIFT,
    MEAN = THAW_BATCH_MEAN,
    VARIANCE = THAW_BATCH_VARIANCE
};

bool thaw_batch_is_own(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    return batch->training || (node->graph->training && node->inputs[MEAN]->updated);
}

static bool can_be_own(const thaw_node *node)
{
    return ((const thaw_batch_normalization *)node->state)->training || node->inputs[MEAN]->updated;
}

static int64_t run_count(const thaw_batch_normalization *batch)
{
    return (batch->inner + THAW_BATCH_RUN - 1) / THAW_BATCH_RUN;
}

/* Parts in which a channel is added up. */
static int64_t piece_count(const thaw_batch_normalization *batch)
{
    return batch->block > 1 ? batch->n * run_count(batch) : PIECES;
}

static thaw_range blocked_range(const thaw_batch_normalization *batch)
{
    thaw_range range = THAW_RANGE_3(run_count(batch), batch->stride / batch->block, batch->n);
    range.local[0] = 1;
    return range;
}

/* --- kernels --- */

static thaw_status prepare_statistics(thaw_node *node)
{
    thaw_batch_normalization *batch = node->state;
    thaw_device *device = thaw_node_device(node);
    const bool blocked = batch->block > 1;
    const size_t rows = blocked ? 2 : 2 + PIECES;
    char options[32] = "";
    if (blocked)
        snprintf(options, sizeof options, "-DBLOCK=%d", (int)batch->block);
    thaw_buffer_destroy(&batch->statistics);
    THAW_TRY(thaw_buffer_create(device, rows * (size_t)batch->stride * sizeof(float), &batch->statistics));
    THAW_TRY(thaw_kernel_get(device, "batch_normalization", blocked ? "add_moments_blocked" : "add_pieces", options,
                             &batch->pieces));
    THAW_TRY(
        thaw_kernel_get(device, "batch_normalization", blocked ? "join_moments" : "finish_moment", "", &batch->join));
    return thaw_kernel_get(device, "batch_normalization", "move_average", "", &batch->running);
}

static thaw_status get_backward(const thaw_node *node, const char *name, const char *options, thaw_kernel **kernel)
{
    return thaw_kernel_get(thaw_node_device(node), "batch_normalization_backward", name, options, kernel);
}

static thaw_status prepare_backward(thaw_node *node)
{
    thaw_batch_normalization *batch = node->state;
    const bool blocked = batch->block > 1;
    const char *give = blocked ? "batch_normalize_backward_blocked" : "batch_normalize_backward";
    char block[THAW_EPILOGUE_OPTIONS + 16], own[THAW_EPILOGUE_OPTIONS + 32], gradients[48];
    char epilogue[THAW_EPILOGUE_OPTIONS];
    thaw_epilogue_options(node, false, epilogue);
    if (blocked)
        snprintf(block, sizeof block, "%s -DBLOCK=%d", epilogue, (int)batch->block);
    else
        snprintf(block, sizeof block, "%s", epilogue);
    snprintf(own, sizeof own, "%s -DOWN", block);
    snprintf(gradients, sizeof gradients, "%s%s", node->inputs[SCALE]->gradient ? "-DSCALE " : "",
             node->inputs[SHIFT]->gradient ? "-DSHIFT" : "");
    THAW_TRY(get_backward(node, blocked ? "add_products_blocked" : "add_products", block, &batch->products));
    THAW_TRY(get_backward(node, "finish_products", gradients, &batch->finish));
    THAW_TRY(get_backward(node, give, block, &batch->give));
    return can_be_own(node) ? get_backward(node, give, own, &batch->give_own) : THAW_OK;
}

thaw_status thaw_batch_prepare_training(thaw_node *node)
{
    thaw_batch_normalization *batch = node->state;
    thaw_device *device = thaw_node_device(node);
    const bool differentiable = node->outputs[0]->gradient;
    const int64_t block = batch->block > 1 ? thaw_block_lanes(batch->block, batch->channels) : 1;
    batch->stride = (batch->channels + block - 1) / block * block;
    if (node->inputs[MEAN]->gradient || node->inputs[VARIANCE]->gradient)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the mean and the variance have no gradients");
    batch->width = thaw_batch_group_width(node);
    if (batch->width)
        return thaw_batch_group_prepare(node, can_be_own(node));
    if (can_be_own(node))
        THAW_TRY(prepare_statistics(node));
    if (differentiable)
        THAW_TRY(prepare_backward(node));
    if (node->packs_weights || !(batch->block > 1 || differentiable))
        return THAW_OK;
    thaw_buffer_destroy(&batch->factors);
    THAW_TRY(thaw_buffer_create(device, 4 * (size_t)batch->stride * sizeof(float), &batch->factors));
    return thaw_kernel_get(device, "batch_normalization", "make_factors", "", &batch->make_factors);
}

/* --- forward --- */

/* The mean (power 1) or variance (power 2) per channel. */
static thaw_status measure_moment(const thaw_node *node, int power)
{
    const thaw_batch_normalization *batch = node->state;
    THAW_TRY(thaw_kernel_launch(batch->pieces, THAW_RANGE_2(PIECES, batch->channels), THAW_BUFFER(batch->statistics),
                                THAW_BUFFER(node->inputs[X]->buffer), THAW_LONG(batch->n), THAW_LONG(batch->inner),
                                THAW_INT(power)));
    return thaw_kernel_launch(batch->join, THAW_RANGE_1(batch->channels), THAW_BUFFER(batch->statistics),
                              THAW_INT(PIECES), THAW_LONG(batch->n * batch->inner), THAW_INT(power));
}

static thaw_status measure_blocked(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    const int64_t floats = piece_count(batch) * 2 * batch->stride;
    thaw_buffer *pieces;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), (size_t)floats * sizeof(float), &pieces));
    thaw_status status =
        thaw_kernel_launch(batch->pieces, blocked_range(batch), THAW_BUFFER(pieces),
                           THAW_BUFFER(node->inputs[X]->buffer), THAW_INT(batch->inner), THAW_INT(THAW_BATCH_RUN));
    if (status == THAW_OK)
        status = thaw_kernel_launch(batch->join, THAW_RANGE_1(batch->stride), THAW_BUFFER(batch->statistics),
                                    THAW_BUFFER(pieces), THAW_INT(batch->n), THAW_INT(run_count(batch)),
                                    THAW_INT(THAW_BATCH_RUN), THAW_INT(batch->inner));
    thaw_buffer_destroy(&pieces);
    return status;
}

/* The file's own training_mode has other values for the new ones; statistics that training updates are changed in
 * place. */
const thaw_buffer *thaw_batch_running(const thaw_node *node, int which)
{
    const thaw_batch_normalization *batch = node->state;
    const thaw_value *running =
        batch->training ? thaw_node_output(node, 1 + (size_t)which) : node->inputs[MEAN + which];
    return running ? running->buffer : NULL;
}

/* The file's own training_mode takes the variance of the batch alone; one that training updates is moved as in PyTorch,
 * towards an estimate of the variance of all that the batch was drawn from. */
float thaw_batch_share(const thaw_node *node, int which)
{
    const thaw_batch_normalization *batch = node->state;
    const double count = (double)(batch->n * batch->inner);
    const double unbiased = !batch->training && which == 1 && count > 1 ? count / (count - 1) : 1;
    return (float)((1 - (double)batch->momentum) * unbiased);
}

static thaw_status move_running(const thaw_node *node, int which)
{
    const thaw_batch_normalization *batch = node->state;
    const thaw_buffer *running = thaw_batch_running(node, which);
    if (!running)
        return THAW_OK;
    return thaw_kernel_launch(batch->running, THAW_RANGE_1(batch->channels), THAW_BUFFER(running),
                              THAW_BUFFER(node->inputs[MEAN + which]->buffer), THAW_BUFFER(batch->statistics),
                              THAW_LONG(which * batch->stride), THAW_FLOAT(batch->momentum),
                              THAW_FLOAT(thaw_batch_share(node, which)));
}

thaw_status thaw_batch_measure(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    if (node->graph->again)
        return THAW_OK;
    if (batch->width)
        return thaw_batch_group_measure(node);
    if (batch->block > 1)
        THAW_TRY(measure_blocked(node));
    for (int power = 1; power <= 2 && batch->block <= 1; power++)
        THAW_TRY(measure_moment(node, power));
    for (int which = 0; which < 2; which++)
        THAW_TRY(move_running(node, which));
    return THAW_OK;
}

thaw_status thaw_batch_make_factors(const thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    const bool own = thaw_batch_is_own(node);
    if (!batch->make_factors)
        return THAW_OK;
    return thaw_kernel_launch(batch->make_factors, THAW_RANGE_1(batch->stride), THAW_BUFFER(batch->factors),
                              THAW_BUFFER(node->inputs[SCALE]->buffer), THAW_BUFFER(node->inputs[SHIFT]->buffer),
                              THAW_BUFFER(own ? batch->statistics : node->inputs[MEAN]->buffer),
                              THAW_BUFFER(own ? batch->statistics : node->inputs[VARIANCE]->buffer),
                              THAW_LONG(own ? batch->stride : 0), THAW_FLOAT(batch->epsilon),
                              THAW_LONG(batch->channels));
}

/* --- backward --- */

static thaw_status add_products(const thaw_node *node, const thaw_buffer *pieces)
{
    const thaw_batch_normalization *batch = node->state;
    const thaw_argument dy = THAW_BUFFER(node->outputs[0]->gradient), x = THAW_BUFFER(node->inputs[X]->buffer);
    const thaw_argument alpha = THAW_FLOAT(node->epilogue.alpha), beta = THAW_FLOAT(node->epilogue.beta);
    if (batch->block > 1)
        return thaw_kernel_launch(batch->products, blocked_range(batch), THAW_BUFFER(pieces), dy, x,
                                  THAW_BUFFER(batch->factors), THAW_INT(batch->inner), THAW_INT(THAW_BATCH_RUN), alpha,
                                  beta);
    return thaw_kernel_launch(batch->products, THAW_RANGE_2(PIECES, batch->channels), THAW_BUFFER(pieces), dy, x,
                              THAW_BUFFER(batch->factors), THAW_LONG(batch->n), THAW_LONG(batch->inner), alpha, beta);
}

static thaw_status sum_products(const thaw_node *node, const thaw_buffer *slopes)
{
    const thaw_batch_normalization *batch = node->state;
    const int64_t count = piece_count(batch);
    thaw_buffer *pieces;
    if (batch->width)
        return thaw_batch_group_sum(node, slopes);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), (size_t)(count * 2 * batch->stride) * sizeof(float), &pieces));
    thaw_status status = add_products(node, pieces);
    if (status == THAW_OK)
        status = thaw_kernel_launch(
            batch->finish, THAW_RANGE_1(batch->stride), THAW_BUFFER(slopes), THAW_BUFFER(node->inputs[SCALE]->gradient),
            THAW_BUFFER(node->inputs[SHIFT]->gradient), THAW_BUFFER(pieces), THAW_BUFFER(batch->factors),
            THAW_INT(count), THAW_LONG(batch->channels), THAW_FLOAT(batch->n * batch->inner),
            THAW_INT(!thaw_node_overwrites(node, SCALE)), THAW_INT(!thaw_node_overwrites(node, SHIFT)));
    thaw_buffer_destroy(&pieces);
    return status;
}

static thaw_status give(const thaw_node *node, const thaw_buffer *slopes)
{
    const thaw_batch_normalization *batch = node->state;
    thaw_kernel *kernel = thaw_batch_is_own(node) ? batch->give_own : batch->give;
    const thaw_argument dx = THAW_BUFFER(node->inputs[X]->gradient), dy = THAW_BUFFER(node->outputs[0]->gradient);
    const thaw_argument add = THAW_INT(!thaw_node_overwrites(node, X));
    const thaw_argument alpha = THAW_FLOAT(node->epilogue.alpha), beta = THAW_FLOAT(node->epilogue.beta);
    if (!node->inputs[X]->gradient)
        return THAW_OK;
    if (batch->width)
        return thaw_batch_group_give(node, slopes);
    if (batch->block > 1)
        return thaw_kernel_launch(kernel, blocked_range(batch), dx, add, dy, THAW_BUFFER(node->inputs[X]->buffer),
                                  THAW_BUFFER(batch->factors), THAW_BUFFER(slopes), THAW_INT(batch->inner),
                                  THAW_INT(THAW_BATCH_RUN), alpha, beta);
    return thaw_kernel_launch(kernel, THAW_RANGE_3(batch->inner, batch->channels, batch->n), dx, add, dy,
                              THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(batch->factors), THAW_BUFFER(slopes),
                              alpha, beta);
}

/* Sums per channel are asked for by scale, shift, and by x where the statistics depend on it. */
thaw_status thaw_batch_backward(thaw_node *node)
{
    const thaw_batch_normalization *batch = node->state;
    const bool summed = thaw_batch_is_own(node) || node->inputs[SCALE]->gradient || node->inputs[SHIFT]->gradient;
    thaw_buffer *slopes;
    if (thaw_shape_size(&node->inputs[X]->shape) == 0) {
        THAW_TRY(thaw_node_clear_gradient(node, SCALE));
        return thaw_node_clear_gradient(node, SHIFT);
    }
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), 2 * (size_t)batch->stride * sizeof(float), &slopes));
    thaw_status status = summed ? sum_products(node, slopes) : THAW_OK;
    if (status == THAW_OK)
        status = give(node, slopes);
    thaw_buffer_destroy(&slopes);
    return status;
}
