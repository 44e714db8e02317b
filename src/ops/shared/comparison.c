#include "ops/shared/comparison.h"
#include "ops/shared/movement.h"

thaw_status thaw_comparison_attributes(thaw_node *node, thaw_comparison comparison)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_question), &node->state));
    ((thaw_question *)node->state)->comparison = comparison;
    return THAW_OK;
}

/* Constants of one type, or what the device has as float32. */
static bool comparable(const thaw_value *a, const thaw_value *b, bool logical)
{
    const bool on_device = thaw_dtype_is_float(a->dtype) && thaw_dtype_is_float(b->dtype);
    return logical ? a->dtype == THAW_BOOL && b->dtype == THAW_BOOL : a->dtype == b->dtype || on_device;
}

thaw_status thaw_comparison_infer(thaw_node *node)
{
    thaw_question *question = node->state;
    const thaw_value *a = node->inputs[0], *b = node->inputs[1];
    const bool constant = a->constant && b->constant,
               on_device = thaw_dtype_is_float(a->dtype) || a->dtype == THAW_BOOL;
    thaw_shape shape;
    if (!comparable(a, b, question->comparison >= THAW_AND))
        return thaw_node_fail(node, THAW_ERR_MODEL, "compares %s with %s", thaw_dtype_text(a->dtype),
                              thaw_dtype_text(b->dtype));
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &a->shape, &b->shape, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "%s '%s'", node->op->onnx_type, node->name);
    if (!constant && !on_device)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %s, not constant: only floating types run on the device",
                              thaw_dtype_text(a->dtype));
    question->binary.arithmetic = (thaw_arithmetic)(THAW_QUESTION + question->comparison);
    thaw_binary_set_shapes(&question->binary, &a->shape, &b->shape, &shape);
    return thaw_node_set_output(node, 0, THAW_BOOL, &shape);
}

/* From what is known of two numbers: nothing of it holds for NaN. */
static bool answer(thaw_comparison comparison, bool less, bool equal, bool greater)
{
    switch (comparison) {
    case THAW_EQUAL:
        return equal;
    case THAW_LESS:
        return less;
    case THAW_LESS_OR_EQUAL:
        return less || equal;
    case THAW_GREATER:
        return greater;
    default:
        return greater || equal;
    }
}

static bool compare(thaw_comparison comparison, const thaw_tensor *a, int64_t a_at, const thaw_tensor *b, int64_t b_at)
{
    if (thaw_dtype_is_float(a->dtype)) {
        const double x = thaw_tensor_get(a, a_at), y = thaw_tensor_get(b, b_at);
        return answer(comparison, x<y, x == y, x> y);
    }
    const int64_t x = thaw_tensor_get_int(a, a_at), y = thaw_tensor_get_int(b, b_at);
    switch (comparison) {
    case THAW_AND:
        return x && y;
    case THAW_OR:
        return x || y;
    case THAW_XOR:
        return !x != !y;
    default:
        if (a->dtype == THAW_UINT64)
            return answer(comparison, (uint64_t)x<(uint64_t)y, x == y, (uint64_t)x>(uint64_t) y);
        return answer(comparison, x<y, x == y, x> y);
    }
}

thaw_status thaw_comparison_fold(thaw_node *node)
{
    const thaw_tensor *a = node->inputs[0]->constant, *b = node->inputs[1]->constant;
    int64_t a_strides[THAW_MAX_RANK], b_strides[THAW_MAX_RANK];
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    thaw_broadcast_strides(&a->shape, &y->shape, a_strides);
    thaw_broadcast_strides(&b->shape, &y->shape, b_strides);
    for (int64_t i = 0; i < y->count; i++)
        thaw_tensor_set_int(y, i,
                            compare(((const thaw_question *)node->state)->comparison, a,
                                    thaw_strided_index(&y->shape, a_strides, i), b,
                                    thaw_strided_index(&y->shape, b_strides, i)));
    return THAW_OK;
}

thaw_status thaw_comparison_prepare(thaw_node *node)
{
    return thaw_binary_get(node, &((thaw_question *)node->state)->binary);
}

thaw_status thaw_comparison_forward(thaw_node *node)
{
    const thaw_question *question = node->state;
    const thaw_epilogue none = {0};
    if (thaw_shape_size(&node->outputs[0]->shape) == 0)
        return THAW_OK;
    return thaw_binary_run(&question->binary, &none, node->outputs[0]->buffer, node->inputs[0]->buffer,
                           node->inputs[1]->buffer);
}

thaw_status thaw_comparison_backward(thaw_node *node)
{
    (void)node;
    return THAW_OK;
}
