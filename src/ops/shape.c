/* Shape: the input's dimensions, from `start` up to `end`, as int64. */
#include "ops/op.h"

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    return thaw_node_known_attributes(node, thaw_node_opset(node) >= 15 ? "start,end" : "");
}

/* A negative place counts from the end; what lies outside is clamped. */
static int32_t clamp_place(int64_t place, int32_t rank)
{
    place += place < 0 ? rank : 0;
    return (int32_t)(place < 0 ? 0 : place > rank ? rank : place);
}

static int32_t first_dimension(const thaw_node *node)
{
    return clamp_place(thaw_node_int(node, "start", 0), node->inputs[0]->shape.rank);
}

static thaw_status infer(thaw_node *node)
{
    const int32_t rank = node->inputs[0]->shape.rank, first = first_dimension(node);
    const int32_t end = clamp_place(thaw_node_int(node, "end", rank), rank);
    const thaw_shape shape = {.rank = 1, .dims = {end > first ? end - first : 0}};
    return thaw_node_set_output(node, 0, THAW_INT64, &shape);
}

static thaw_status fold(thaw_node *node)
{
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    for (int64_t i = 0; i < output->count; i++)
        thaw_tensor_set_int(output, i, node->inputs[0]->shape.dims[first_dimension(node) + i]);
    return THAW_OK;
}

const thaw_op thaw_op_shape = {
    .name = "shape",
    .onnx_type = "Shape",
    .flags = THAW_OP_READS_SHAPE | THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
