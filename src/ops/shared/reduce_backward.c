/* Gradients of means and sums, where each element gets its share of the result's, and of the others. */
#include "ops/shared/reduce.h"

#include <stdio.h>

/* Adds a dimension in front of those there are; `from` walks what is kept, densely. */
static void put(thaw_terms *terms, int64_t extent, int64_t stride, bool kept, int64_t *dense)
{
    const int32_t at = THAW_MAX_RANK - 1 - terms->rank++;
    terms->extent[at] = extent;
    terms->stride[THAW_TO][at] = stride;
    terms->stride[THAW_FROM][at] = kept ? *dense : 0;
    *dense *= kept ? extent : 1;
}

/* The input's dimensions, innermost first: kept and reduced groups alternate, the one with the smaller stride comes
 * next. Leaves them at the end of the lists, with dimensions of one element before them. */
static void list_dimensions(const thaw_reduce *reduce, thaw_terms *terms)
{
    int kept = 0, reduced = 0;
    int64_t stride = 1, dense = 1;
    while (terms->rank < THAW_MAX_RANK) {
        const bool is_kept =
            kept < THAW_REDUCE_GROUPS && reduce->kept.extent[kept] != 1 && reduce->kept.stride[kept] == stride;
        const bool is_reduced = !is_kept && reduced < THAW_REDUCE_GROUPS && reduce->reduced.extent[reduced] != 1;
        const int64_t extent = is_kept      ? reduce->kept.extent[kept++]
                               : is_reduced ? reduce->reduced.extent[reduced++]
                                            : 1;
        put(terms, extent, stride, is_kept, &dense);
        stride *= extent;
    }
}

static int64_t reduced_count(const thaw_reduce *reduce)
{
    int64_t count = 1;
    for (int i = 0; i < THAW_REDUCE_GROUPS; i++)
        count *= reduce->reduced.extent[i];
    return count;
}

/* Per block of channels: [images, blocks, pixels, lanes] from [images, blocks, 1, lanes]. */
static void list_blocked(const thaw_node *node, thaw_terms *terms)
{
    const thaw_shape stored = thaw_value_stored(node->inputs[0]);
    const int64_t blocks = stored.dims[1], pixels = stored.dims[2] * stored.dims[3], block = stored.dims[4];
    const int64_t extent[] = {stored.dims[0], blocks, pixels, block};
    const int64_t to[] = {blocks * pixels * block, pixels * block, block, 1};
    const int64_t from[] = {blocks * block, block, 0, 1};
    terms->rank = 4;
    terms->block = (int32_t)block;
    for (int d = 0; d < 4; d++) {
        terms->extent[d] = extent[d];
        terms->stride[THAW_TO][d] = to[d];
        terms->stride[THAW_FROM][d] = from[d];
    }
}

static thaw_status prepare_slope(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    char options[32];
    if (reduce->reduction == THAW_REDUCE_PRODUCT)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "can't be trained through yet");
    snprintf(options, sizeof options, "-DREDUCTION=%d", (int)reduce->reduction);
    return thaw_kernel_get(thaw_node_device(node), "reduce", "reduce_backward", options, &reduce->slope);
}

static thaw_status run_slope(const thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    const thaw_value *x = node->inputs[0], *y = node->outputs[0];
    thaw_argument arguments[4 + THAW_REDUCE_ARGUMENTS] = {THAW_BUFFER(x->gradient), THAW_BUFFER(y->gradient),
                                                          THAW_BUFFER(x->buffer), THAW_BUFFER(y->buffer)};
    THAW_TRY(thaw_node_clear_gradient(node, 0));
    thaw_reduce_list(reduce, arguments + 4);
    return thaw_kernel_run(reduce->slope, THAW_RANGE_1(thaw_shape_size(&y->shape)), arguments,
                           sizeof arguments / sizeof *arguments);
}

thaw_status thaw_reduce_prepare_backward(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    if (thaw_shape_size(&node->inputs[0]->shape) == 0)
        return THAW_OK;
    if (reduce->reduction > THAW_REDUCE_SUM)
        return prepare_slope(node);
    const bool mean = reduce->reduction == THAW_REDUCE_MEAN;
    thaw_terms terms = {.term = THAW_TERM_PLAIN, .scale = mean ? 1.0f / (float)reduced_count(reduce) : 1.0f};
    if (reduce->block > 1)
        list_blocked(node, &terms);
    else
        list_dimensions(reduce, &terms);
    reduce->backward = terms;
    return thaw_terms_prepare(thaw_node_device(node), &reduce->backward);
}

thaw_status thaw_reduce_backward(thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    bool add;
    if (reduce->slope)
        return run_slope(node);
    THAW_TRY(thaw_terms_begin(node, 0, &reduce->backward, &add));
    return thaw_terms_run(thaw_node_device(node), &reduce->backward, node->inputs[0]->gradient,
                          node->outputs[0]->gradient, NULL, NULL, add);
}

void thaw_reduce_release(thaw_node *node)
{
    thaw_terms_release(&((thaw_reduce *)node->state)->backward);
}
