/* What operators that reduce have in common besides kernels: their axes, and how they are folded. */
#include "ops/shared/movement.h"
#include "ops/shared/reduce.h"
#include "ops/shared/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

thaw_status thaw_reduce_attributes(thaw_node *node, thaw_reduction reduction, int64_t since)
{
    const bool in_attributes = thaw_node_opset(node) < since;
    THAW_TRY(thaw_node_known_attributes(node, in_attributes ? "axes,keepdims" : "keepdims,noop_with_empty_axes"));
    THAW_TRY(thaw_node_arity(node, 1, in_attributes ? 1 : 2, 1));
    THAW_TRY(thaw_reduce_create(node));
    ((thaw_reduce *)node->state)->reduction = reduction;
    return THAW_OK;
}

/* *count is 0 where there are none. */
static thaw_status read_axes(const thaw_node *node, int64_t since, int64_t axes[THAW_MAX_RANK], int32_t *count)
{
    if (thaw_node_opset(node) >= since) {
        THAW_TRY(thaw_node_constant_ints(node, 1, axes, count));
        *count = *count < 0 ? 0 : *count;
        return THAW_OK;
    }
    size_t listed;
    const int64_t *list = thaw_node_ints(node, "axes", &listed);
    if (listed > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu axes, at most %d are possible", listed, THAW_MAX_RANK);
    if (list)
        memcpy(axes, list, listed * sizeof *list);
    *count = (int32_t)listed;
    return THAW_OK;
}

thaw_status thaw_reduce_infer_axes(thaw_node *node, int64_t since)
{
    const int32_t rank = node->inputs[0]->shape.rank;
    int64_t axes[THAW_MAX_RANK];
    int32_t count;
    bool marked[THAW_MAX_RANK];
    THAW_TRY(read_axes(node, since, axes, &count));
    THAW_TRY(thaw_view_mark(node, axes, count, rank, marked));
    if (count == 0 && !thaw_node_int(node, "noop_with_empty_axes", 0))
        for (int32_t d = 0; d < rank; d++)
            marked[d] = true;
    return thaw_reduce_infer(node, marked, thaw_node_int(node, "keepdims", 1) != 0);
}

static double start_of(thaw_reduction reduction)
{
    switch (reduction) {
    case THAW_REDUCE_MAX:
    case THAW_REDUCE_LOG_SUM_EXP:
        return -INFINITY;
    case THAW_REDUCE_MIN:
        return INFINITY;
    case THAW_REDUCE_PRODUCT:
        return 1;
    default:
        return 0;
    }
}

static double join(thaw_reduction reduction, double so_far, double x)
{
    switch (reduction) {
    case THAW_REDUCE_MAX:
        return isnan(so_far) || so_far > x ? so_far : x;
    case THAW_REDUCE_MIN:
        return isnan(so_far) || so_far < x ? so_far : x;
    case THAW_REDUCE_L1:
        return so_far + fabs(x);
    case THAW_REDUCE_L2:
    case THAW_REDUCE_SUM_SQUARE:
        return so_far + x * x;
    case THAW_REDUCE_PRODUCT:
        return so_far * x;
    case THAW_REDUCE_LOG_SUM_EXP: {
        const double larger = so_far > x ? so_far : x; /* infinite: the sum is */
        return isinf(larger) ? larger : larger + log1p(exp(-fabs(so_far - x)));
    }
    default:
        return so_far + x;
    }
}

static double finish(thaw_reduction reduction, double value, double count)
{
    switch (reduction) {
    case THAW_REDUCE_MEAN:
        return value / count;
    case THAW_REDUCE_L2:
        return sqrt(value);
    case THAW_REDUCE_LOG_SUM:
        return log(value);
    default:
        return value;
    }
}

/* In doubles, which hold every integer that a shape has. */
thaw_status thaw_reduce_fold(thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    const thaw_tensor *x = node->inputs[0]->constant;
    int64_t strides[THAW_MAX_RANK] = {0}, stride = 1;
    thaw_tensor *y;
    double *sums;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)y->count, sizeof *sums, &sums));
    for (int32_t d = x->shape.rank - 1; d >= 0; d--) {
        strides[d] = reduce->marked[d] ? 0 : stride;
        stride *= reduce->marked[d] ? 1 : x->shape.dims[d];
    }
    for (int64_t i = 0; i < y->count; i++)
        sums[i] = start_of(reduce->reduction);
    for (int64_t i = 0; i < x->count; i++) {
        double *sum = &sums[thaw_strided_index(&x->shape, strides, i)];
        *sum = join(reduce->reduction, *sum, thaw_tensor_get(x, i));
    }
    for (int64_t i = 0; i < y->count; i++) {
        const double value = finish(reduce->reduction, sums[i], (double)x->count / (double)y->count);
        if (thaw_dtype_is_float(y->dtype))
            thaw_tensor_set(y, i, value);
        else
            thaw_tensor_set_int(y, i, (int64_t)value);
    }
    free(sums);
    return THAW_OK;
}
