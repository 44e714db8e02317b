#include "ops/op.h"

/* y = not x, element by element; on the device 1 - x of masks. */
typedef struct not_state {
    thaw_kernel *kernel;
} not_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_node_known_attributes(node, ""));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(not_state), &node->state);
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

static thaw_status prepare(thaw_node *node)
{
    return thaw_kernel_get(thaw_node_device(node), "mask", "mask_not", "", &((not_state *)node->state)->kernel);
}

static thaw_status forward(thaw_node *node)
{
    return thaw_kernel_launch(((const not_state *)node->state)->kernel,
                              THAW_RANGE_1(thaw_shape_size(&node->outputs[0]->shape)),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->outputs[0]->buffer));
}

/* A mask does not change with what it was made from. */
static thaw_status backward(thaw_node *node)
{
    (void)node;
    return THAW_OK;
}

const thaw_op thaw_op_not = {
    .name = "not",
    .onnx_type = "Not",
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
