/* Where: x where the condition holds, y elsewhere; all three broadcast. */
#include "ops/shared/movement.h"

#include <string.h>

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    return thaw_node_known_attributes(node, "");
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *condition = node->inputs[0], *x = node->inputs[1], *y = node->inputs[2];
    thaw_context *context = thaw_node_context(node);
    thaw_shape shape;
    if (condition->dtype != THAW_BOOL || x->dtype != y->dtype)
        return thaw_node_fail(node, THAW_ERR_MODEL, "the condition is %s, the choices are %s and %s",
                              thaw_dtype_text(condition->dtype), thaw_dtype_text(x->dtype), thaw_dtype_text(y->dtype));
    thaw_status status = thaw_shape_broadcast(context, &condition->shape, &x->shape, &shape);
    if (status == THAW_OK)
        status = thaw_shape_broadcast(context, &shape, &y->shape, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(context, status, "Where '%s'", node->name);
    return thaw_node_set_output(node, 0, x->dtype, &shape);
}

static thaw_status fold(thaw_node *node)
{
    thaw_tensor *output;
    int64_t strides[3][THAW_MAX_RANK];
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    for (int i = 0; i < 3; i++)
        thaw_broadcast_strides(&node->inputs[i]->shape, &output->shape, strides[i]);
    const thaw_tensor *condition = node->inputs[0]->constant;
    const size_t bytes = thaw_dtype_bytes(output->dtype);
    char *to = output->data;
    for (int64_t i = 0; i < output->count; i++, to += bytes) {
        const int choice =
            thaw_tensor_get_int(condition, thaw_strided_index(&output->shape, strides[0], i)) != 0 ? 1 : 2;
        const int64_t at = thaw_strided_index(&output->shape, strides[choice], i);
        memcpy(to, (const char *)node->inputs[choice]->constant->data + (size_t)at * bytes, bytes);
    }
    return THAW_OK;
}

const thaw_op thaw_op_where = {
    .name = "where",
    .onnx_type = "Where",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
