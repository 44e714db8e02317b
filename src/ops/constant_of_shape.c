/* ConstantOfShape: a tensor of that shape filled with one value, float 0 where none is given. */
#include "ops/shared/movement.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_node_known_attributes(node, "value"));
    const thaw_tensor *value = thaw_node_tensor(node, "value");
    if (thaw_node_has(node, "value") && (!value || value->count != 1))
        return thaw_node_fail(node, THAW_ERR_MODEL, "value is not a tensor of one element");
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_tensor *value = thaw_node_tensor(node, "value");
    thaw_shape shape = {0};
    THAW_TRY(thaw_node_constant_ints(node, 0, shape.dims, &shape.rank));
    return thaw_node_set_output(node, 0, value ? value->dtype : THAW_FLOAT32, &shape);
}

static thaw_status fold(thaw_node *node)
{
    const thaw_tensor *value = thaw_node_tensor(node, "value");
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    if (!value)
        return THAW_OK; /* tensors start as zeros */
    thaw_move fill = thaw_move_into(&output->shape);
    thaw_move_on_host(&fill, value, output);
    return THAW_OK;
}

const thaw_op thaw_op_constant_of_shape = {
    .name = "constant_of_shape",
    .onnx_type = "ConstantOfShape",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
