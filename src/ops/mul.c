#include "ops/shared/binary.h"

static thaw_status attributes(thaw_node *node)
{
    return thaw_binary_attributes(node, THAW_MULTIPLY);
}

const thaw_op thaw_op_mul = {
    .name = "mul",
    .onnx_type = "Mul",
    .flags = THAW_OP_EPILOGUE,
    .attributes = attributes,
    .infer = thaw_binary_infer,
    .layout = thaw_binary_layout,
    .fold = thaw_binary_fold,
    .prepare = thaw_binary_prepare,
    .forward = thaw_binary_forward,
};
