#include "ops/shared/view.h"

/* The identity: Thaw runs what a file says as for inference, whatever training_mode is, and drops nothing. */
static thaw_status attributes(thaw_node *node)
{
    const int64_t opset = thaw_node_opset(node);
    THAW_TRY(thaw_node_known_attributes(node, opset >= 12 ? "seed" : opset >= 7 ? "ratio" : "is_test,ratio"));
    return thaw_node_arity(node, 1, opset >= 12 ? 3 : 1, 2);
}

/* The mask says that everything was kept. Known as soon as the shape is, so it is a constant. */
static thaw_status infer_mask(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    const thaw_dtype dtype = thaw_node_opset(node) >= 10 ? THAW_BOOL : x->dtype;
    thaw_tensor *mask;
    if (!thaw_node_output(node, 1))
        return THAW_OK;
    THAW_TRY(thaw_node_set_output(node, 1, dtype, &x->shape));
    THAW_TRY(thaw_node_fold_output(node, 1, &mask));
    for (int64_t i = 0; i < mask->count; i++)
        thaw_tensor_set(mask, i, 1);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    THAW_TRY(thaw_view_infer(node, &node->inputs[0]->shape));
    return infer_mask(node);
}

const thaw_op thaw_op_dropout = {
    .name = "dropout",
    .onnx_type = "Dropout",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
