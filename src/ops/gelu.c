#include "ops/shared/elementwise.h"

#include <string.h>

/* y = x * the share of the normal distribution below x; with `approximate` by a tanh. */
static thaw_status attributes(thaw_node *node)
{
    const char *approximate = thaw_node_string(node, "approximate", "none");
    const bool by_tanh = strcmp(approximate, "tanh") == 0;
    if (!by_tanh && strcmp(approximate, "none") != 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "approximate is '%s'", approximate);
    return thaw_elementwise_attributes(node, "approximate", by_tanh ? THAW_GELU_TANH : THAW_GELU, 0, 0);
}

const thaw_op thaw_op_gelu = {
    .name = "gelu",
    .onnx_type = "Gelu",
    .flags = THAW_OP_GELU | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = thaw_elementwise_infer,
    .layout = thaw_elementwise_layout,
    .fold = thaw_elementwise_fold,
    .prepare = thaw_elementwise_prepare,
    .forward = thaw_elementwise_forward,
    .backward = thaw_elementwise_backward,
};
