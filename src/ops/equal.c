/* Equal: element by element, broadcasting. NaN equals nothing. */
#include "ops/shared/movement.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    return thaw_node_known_attributes(node, "");
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *a = node->inputs[0], *b = node->inputs[1];
    thaw_shape shape;
    if (a->dtype != b->dtype)
        return thaw_node_fail(node, THAW_ERR_MODEL, "compares %s with %s", thaw_dtype_text(a->dtype),
                              thaw_dtype_text(b->dtype));
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &a->shape, &b->shape, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "Equal '%s'", node->name);
    return thaw_node_set_output(node, 0, THAW_BOOL, &shape);
}

static bool equal_at(const thaw_tensor *a, int64_t a_index, const thaw_tensor *b, int64_t b_index)
{
    if (thaw_dtype_is_float(a->dtype))
        return thaw_tensor_get(a, a_index) == thaw_tensor_get(b, b_index);
    return thaw_tensor_get_int(a, a_index) == thaw_tensor_get_int(b, b_index);
}

static thaw_status fold(thaw_node *node)
{
    const thaw_tensor *a = node->inputs[0]->constant, *b = node->inputs[1]->constant;
    int64_t a_strides[THAW_MAX_RANK], b_strides[THAW_MAX_RANK];
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    thaw_broadcast_strides(&a->shape, &output->shape, a_strides);
    thaw_broadcast_strides(&b->shape, &output->shape, b_strides);
    for (int64_t i = 0; i < output->count; i++)
        thaw_tensor_set_int(output, i,
                            equal_at(a, thaw_strided_index(&output->shape, a_strides, i), b,
                                     thaw_strided_index(&output->shape, b_strides, i)));
    return THAW_OK;
}

const thaw_op thaw_op_equal = {
    .name = "equal",
    .onnx_type = "Equal",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
