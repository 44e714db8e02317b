#include "ops/shared/binary.h"

/* y = what is left of a / b: with b's sign, or with a's where `fmod` is 1. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "fmod"));
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_binary), &node->state));
    thaw_binary *binary = node->state;
    binary->arithmetic = thaw_node_int(node, "fmod", 0) ? THAW_REMAINDER : THAW_MODULO;
    return THAW_OK;
}

const thaw_op thaw_op_mod = {
    .name = "mod",
    .onnx_type = "Mod",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = thaw_binary_infer,
    .fold = thaw_binary_fold,
};
