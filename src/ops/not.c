#include "ops/op.h"

/* y = not x, element by element. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_node_known_attributes(node, "");
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    if (x->dtype != THAW_BOOL)
        return thaw_node_fail(node, THAW_ERR_MODEL, "of %s", thaw_dtype_text(x->dtype));
    return thaw_node_set_output(node, 0, THAW_BOOL, &x->shape);
}

static thaw_status fold(thaw_node *node)
{
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    for (int64_t i = 0; i < y->count; i++)
        thaw_tensor_set_int(y, i, !thaw_tensor_get_int(node->inputs[0]->constant, i));
    return THAW_OK;
}

const thaw_op thaw_op_not = {
    .name = "not",
    .onnx_type = "Not",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
