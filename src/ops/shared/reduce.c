#include "ops/shared/reduce.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

thaw_status thaw_reduce_create(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_reduce), &node->state);
}

/* Joins neighbours of one kind. Dimensions of one element are of either kind. */
void thaw_reduce_group(thaw_reduce *reduce, const thaw_shape *x, const bool marked[THAW_MAX_RANK])
{
    thaw_reduce_groups *last = NULL;
    int counts[2] = {0, 0};
    int64_t stride = 1;
    for (int i = 0; i < THAW_REDUCE_GROUPS; i++)
        reduce->kept.extent[i] = reduce->reduced.extent[i] = 1;
    for (int32_t d = x->rank - 1; d >= 0; d--) {
        thaw_reduce_groups *kind = marked[d] ? &reduce->reduced : &reduce->kept;
        if (x->dims[d] == 1)
            continue;
        int *count = &counts[marked[d]];
        if (kind != last)
            kind->stride[(*count)++] = stride;
        kind->extent[*count - 1] *= x->dims[d];
        stride *= x->dims[d];
        last = kind;
    }
}

thaw_status thaw_reduce_infer(thaw_node *node, const bool marked[THAW_MAX_RANK], bool keep_dims)
{
    thaw_reduce *reduce = node->state;
    const thaw_value *x = node->inputs[0];
    thaw_shape y = {0};
    const thaw_reduction reduction = reduce->reduction;
    if (!thaw_dtype_is_float(x->dtype) && !(x->constant && !x->trainable && node->op->fold))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input is %s: only floating types run on the device",
                              thaw_dtype_text(x->dtype));
    for (int32_t d = 0; d < x->shape.rank; d++)
        if (!marked[d] || keep_dims)
            y.dims[y.rank++] = marked[d] ? 1 : x->shape.dims[d];
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    node->flops = thaw_shape_size(&x->shape);
    *reduce = (thaw_reduce){.reduction = reduction,
                            .spatial = x->shape.rank == 4 && !marked[0] && !marked[1] && marked[2] && marked[3]};
    memcpy(reduce->marked, marked, sizeof reduce->marked);
    thaw_reduce_group(reduce, &x->shape, marked);
    return THAW_OK;
}

thaw_status thaw_reduce_infer_global(thaw_node *node)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    char text[THAW_SHAPE_TEXT];
    if (x->rank < 2)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has no channels", thaw_shape_text(x, text));
    bool marked[THAW_MAX_RANK];
    for (int32_t d = 0; d < THAW_MAX_RANK; d++)
        marked[d] = d >= 2;
    return thaw_reduce_infer(node, marked, true);
}

/* Work-items for each image's pixels that keep a device busy. */
static int64_t count_pieces(const thaw_shape *x)
{
    enum { FEWEST_PIXELS = 64, MOST_PIECES = 64 };
    const int64_t pieces = x->dims[2] * x->dims[3] / FEWEST_PIXELS;
    return pieces < MOST_PIECES ? pieces : MOST_PIECES;
}

/* All channels side by side are summed up by work-items that lie side by side, where there are many pixels in pieces
 * first: their sums are then the input. */
static void layout_nhwc(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    const int64_t *x = node->inputs[0]->shape.dims;
    const bool marked[THAW_MAX_RANK] = {false, true, false};
    thaw_shape shape = {3, {x[0], x[2] * x[3], x[1]}};
    reduce->pieces = count_pieces(&node->inputs[0]->shape);
    if (reduce->pieces > 1) {
        shape.dims[1] = reduce->pieces;
        node->scratch_bytes = (size_t)thaw_shape_size(&shape) * sizeof(float);
    }
    thaw_reduce_group(reduce, &shape, marked);
}

/* [n, c] and [n, c, 1, 1] lie alike in whole blocks and row by row. */
int32_t thaw_reduce_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    thaw_reduce *reduce = node->state;
    const thaw_value *x = node->inputs[0];
    (void)block;
    if (reduce->reduction != THAW_REDUCE_MEAN || !reduce->spatial || thaw_shape_span(&x->shape, 2, 4) > INT_MAX ||
        x->block <= 1 ||
        (node->outputs[0]->shape.rank != 4 && x->shape.dims[1] % thaw_block_lanes(x->block, x->shape.dims[1]) != 0))
        return 1;
    reduce->block = x->block;
    if (x->block == THAW_BLOCK_ALL)
        layout_nhwc(node);
    return wanted[0] = x->block;
}

thaw_status thaw_reduce_prepare(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    char options[32];
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_reduce_prepare_backward(node));
    if (reduce->reduction != THAW_REDUCE_MEAN) {
        snprintf(options, sizeof options, "-DREDUCTION=%d", (int)reduce->reduction);
        return thaw_kernel_get(thaw_node_device(node), "reduce", "reduce", options, &reduce->kernel);
    }
    if (reduce->pieces > 1)
        THAW_TRY(thaw_kernel_get(thaw_node_device(node), "reduce_mean", "reduce_mean_pieces", "", &reduce->first));
    if (reduce->block > 1 && reduce->block != THAW_BLOCK_ALL) {
        snprintf(options, sizeof options, "-DBLOCK=%d", (int)reduce->block);
        return thaw_kernel_get(thaw_node_device(node), "reduce_mean", "reduce_mean_blocked", options, &reduce->kernel);
    }
    return thaw_kernel_get(thaw_node_device(node), "reduce_mean", "reduce_mean", "", &reduce->kernel);
}

static thaw_status run_blocked(const thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    const thaw_shape stored = thaw_value_stored(node->inputs[0]);
    thaw_range range = THAW_RANGE_1(stored.dims[0] * stored.dims[1]);
    range.local[0] = 1;
    return thaw_kernel_launch(reduce->kernel, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_INT(stored.dims[2] * stored.dims[3]));
}

static thaw_status run_pieces(const thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    const int64_t *x = node->inputs[0]->shape.dims;
    return thaw_kernel_launch(reduce->first, THAW_RANGE_3(x[1], reduce->pieces, x[0]),
                              THAW_BUFFER(thaw_node_scratch(node)), THAW_BUFFER(node->inputs[0]->buffer),
                              THAW_INT(x[2] * x[3]));
}

void thaw_reduce_list(const thaw_reduce *reduce, thaw_argument arguments[THAW_REDUCE_ARGUMENTS])
{
    for (int i = 0; i < THAW_REDUCE_GROUPS; i++) {
        arguments[2 * i] = THAW_LONG(reduce->kept.extent[i]);
        arguments[1 + 2 * i] = THAW_LONG(reduce->kept.stride[i]);
        arguments[2 * (THAW_REDUCE_GROUPS + i)] = THAW_LONG(reduce->reduced.extent[i]);
        arguments[1 + 2 * (THAW_REDUCE_GROUPS + i)] = THAW_LONG(reduce->reduced.stride[i]);
    }
}

thaw_status thaw_reduce_forward(thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    const bool in_pieces = reduce->pieces > 1;
    if (reduce->block > 1 && reduce->block != THAW_BLOCK_ALL)
        return run_blocked(node);
    if (in_pieces)
        THAW_TRY(run_pieces(node));
    thaw_argument arguments[2 + THAW_REDUCE_ARGUMENTS] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(in_pieces ? thaw_node_scratch(node) : node->inputs[0]->buffer),
    };
    thaw_reduce_list(reduce, arguments + 2);
    return thaw_kernel_run(reduce->kernel, THAW_RANGE_1(thaw_shape_size(&node->outputs[0]->shape)), arguments,
                           sizeof arguments / sizeof *arguments);
}
