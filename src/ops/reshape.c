/* Reshape: the target is a constant, where 0 copies the input's dimension and -1 stands for what is left. */
#include "ops/shared/view.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    return thaw_node_known_attributes(node, "allowzero");
}

/* A file made for one batch size may have it written into the target: the batch that runs takes its place. */
static void override_batch(const thaw_node *node, thaw_shape *target)
{
    const int64_t file_batch = thaw_node_file_batch(node), batch = thaw_node_batch(node);
    const thaw_shape *shape = &node->inputs[0]->shape;
    if (file_batch > 0 && batch != file_batch && target->rank > 0 && shape->rank > 0 && target->dims[0] == file_batch &&
        shape->dims[0] == batch)
        target->dims[0] = batch;
}

/* Puts in the input's dimensions for zeros; *open becomes the place of -1, or -1 where there is none. */
static thaw_status copy_dimensions(const thaw_node *node, thaw_shape *target, int32_t *open)
{
    const thaw_shape *shape = &node->inputs[0]->shape;
    const bool zero_is_zero = thaw_node_int(node, "allowzero", 0) != 0;
    *open = -1;
    for (int32_t i = 0; i < target->rank; i++) {
        int64_t *dim = &target->dims[i];
        if (*dim < -1 || (*dim == -1 && *open >= 0))
            return thaw_node_fail(node, THAW_ERR_SHAPE, "dimension %d of the target is %lld%s", i, (long long)*dim,
                                  *dim == -1 ? " for a second time" : "");
        if (*dim == -1) {
            *open = i;
        } else if (*dim == 0 && !zero_is_zero) {
            if (i >= shape->rank)
                return thaw_node_fail(node, THAW_ERR_SHAPE,
                                      "dimension %d of the target copies from a tensor of rank %d", i, shape->rank);
            *dim = shape->dims[i];
        }
    }
    return THAW_OK;
}

/* Finds the dimension that was left open. */
static thaw_status close_dimension(const thaw_node *node, thaw_shape *target, int32_t open)
{
    int64_t known;
    target->dims[open] = 1;
    THAW_TRY(thaw_shape_count(thaw_node_context(node), target, &known));
    const int64_t count = thaw_shape_size(&node->inputs[0]->shape);
    if (known == 0 || count % known != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%lld elements do not divide by %lld", (long long)count,
                              (long long)known);
    target->dims[open] = count / known;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_shape target = {0};
    int32_t open;
    THAW_TRY(thaw_node_constant_ints(node, 1, target.dims, &target.rank));
    override_batch(node, &target);
    THAW_TRY(copy_dimensions(node, &target, &open));
    if (open >= 0)
        THAW_TRY(close_dimension(node, &target, open));
    return thaw_view_infer(node, &target);
}

const thaw_op thaw_op_reshape = {
    .name = "reshape",
    .onnx_type = "Reshape",
    .flags = THAW_OP_VIEW,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
};
