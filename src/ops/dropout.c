/* Dropout as it is at inference: the identity, with a mask of ones. A training_mode that a file has set is not heeded.
 */
#include <string.h>

#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    const bool ratio_is_input = thaw_node_opset(node) >= 12;
    THAW_TRY(thaw_node_known_attributes(node, ratio_is_input ? "seed" : "ratio"));
    return thaw_node_arity(node, 1, ratio_is_input ? 3 : 1, 2);
}

/* The mask depends on the shape alone. */
static thaw_status infer(thaw_node *node)
{
    const thaw_shape *shape = &node->inputs[0]->shape;
    THAW_TRY(thaw_view_infer(node, shape));
    THAW_TRY(thaw_node_set_output(node, 1, THAW_BOOL, shape));
    if (!thaw_node_output(node, 1))
        return THAW_OK;
    thaw_tensor *mask;
    THAW_TRY(thaw_node_fold_output(node, 1, &mask));
    memset(mask->data, 1, mask->bytes);
    return THAW_OK;
}

const thaw_op thaw_op_dropout = {
    .name = "dropout",
    .onnx_type = "Dropout",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_view_fold,
};
