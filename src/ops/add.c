#include "ops/shared/binary.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_binary_attributes(node, THAW_ADD);
}

const thaw_op thaw_op_add = {
    .name = "add",
    .onnx_type = "Add",
    .flags = THAW_OP_EPILOGUE | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = thaw_binary_infer,
    .layout = thaw_binary_layout,
    .fold = thaw_binary_fold,
    .prepare = thaw_binary_prepare,
    .forward = thaw_binary_forward,
    .backward = thaw_binary_backward,
    .release = thaw_binary_release,
};
