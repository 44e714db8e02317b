#include "ops/shared/reduce.h"

thaw_status thaw_reduce_create(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_reduce), &node->state);
}

/* Joins neighbours of one kind. Dimensions of one element are of either kind. */
static void group(thaw_reduce *reduce, const thaw_shape *x, const bool marked[THAW_MAX_RANK])
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
    if (!thaw_dtype_is_float(x->dtype))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input is %s: only floating types run on the device",
                              thaw_dtype_text(x->dtype));
    for (int32_t d = 0; d < x->shape.rank; d++)
        if (!marked[d] || keep_dims)
            y.dims[y.rank++] = marked[d] ? 1 : x->shape.dims[d];
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    node->flops = thaw_shape_size(&x->shape);
    *reduce = (thaw_reduce){.kernel = NULL};
    group(reduce, &x->shape, marked);
    return THAW_OK;
}

thaw_status thaw_reduce_prepare(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    return thaw_kernel_get(thaw_node_device(node), "reduce_mean", "reduce_mean", "", &reduce->kernel);
}

thaw_status thaw_reduce_forward(thaw_node *node)
{
    const thaw_reduce *reduce = node->state;
    thaw_argument arguments[2 + 4 * THAW_REDUCE_GROUPS] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
    };
    for (int i = 0; i < THAW_REDUCE_GROUPS; i++) {
        arguments[2 + 2 * i] = THAW_LONG(reduce->kept.extent[i]);
        arguments[3 + 2 * i] = THAW_LONG(reduce->kept.stride[i]);
        arguments[2 + 2 * (THAW_REDUCE_GROUPS + i)] = THAW_LONG(reduce->reduced.extent[i]);
        arguments[3 + 2 * (THAW_REDUCE_GROUPS + i)] = THAW_LONG(reduce->reduced.stride[i]);
    }
    return thaw_kernel_run(reduce->kernel, THAW_RANGE_1(thaw_shape_size(&node->outputs[0]->shape)), arguments,
                           sizeof arguments / sizeof *arguments);
}
