/* ScatterND: data, save that each row of indices [..., k] names a slice by its first k indices, which gets its update
 * [..., the dimensions that are left]. On the host. */
#include "ops/op.h"

#include <string.h>

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    THAW_TRY(thaw_node_known_attributes(node, "reduction"));
    const char *reduction = thaw_node_string(node, "reduction", "none");
    if (strcmp(reduction, "none") != 0)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "with reduction '%s'", reduction);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *data = node->inputs[0], *indices = node->inputs[1], *updates = node->inputs[2];
    const int32_t rank = indices->shape.rank, outer = rank - 1;
    char text[THAW_SHAPE_TEXT];
    thaw_shape_text(&indices->shape, text);
    if (rank < 1 || indices->shape.dims[outer] > data->shape.rank || data->dtype != updates->dtype ||
        indices->dtype != THAW_INT64)
        return thaw_node_fail(node, THAW_ERR_MODEL, "indices %s", text);
    const int32_t listed = (int32_t)indices->shape.dims[outer], inner = data->shape.rank - listed;
    thaw_shape wanted = {.rank = outer + inner};
    if (wanted.rank > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_SIZE, "indices %s", text);
    for (int32_t d = 0; d < wanted.rank; d++)
        wanted.dims[d] = d < outer ? indices->shape.dims[d] : data->shape.dims[listed + d - outer];
    if (!thaw_shape_equal(&wanted, &updates->shape))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "updates are %s", thaw_shape_text(&updates->shape, text));
    return thaw_node_set_output(node, 0, data->dtype, &data->shape);
}

static thaw_status fold(thaw_node *node)
{
    const thaw_tensor *data = node->inputs[0]->constant, *indices = node->inputs[1]->constant;
    const thaw_tensor *updates = node->inputs[2]->constant;
    const int32_t listed = (int32_t)indices->shape.dims[indices->shape.rank - 1];
    const int64_t rows = thaw_shape_span(&indices->shape, 0, indices->shape.rank - 1);
    const size_t bytes =
        (size_t)thaw_shape_span(&data->shape, listed, data->shape.rank) * thaw_dtype_bytes(data->dtype);
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    memcpy(y->data, data->data, y->bytes);
    for (int64_t row = 0; row < rows; row++) {
        int64_t slice = 0;
        for (int32_t d = 0; d < listed; d++) {
            const int64_t size = data->shape.dims[d], given = thaw_tensor_get_int(indices, row * listed + d);
            const int64_t index = given < 0 ? given + size : given;
            if (index < 0 || index >= size)
                return thaw_node_fail(node, THAW_ERR_MODEL, "index %lld of %lld", (long long)given, (long long)size);
            slice = slice * size + index;
        }
        memcpy((char *)y->data + (size_t)slice * bytes, (const char *)updates->data + (size_t)row * bytes, bytes);
    }
    return THAW_OK;
}

const thaw_op thaw_op_scatter_nd = {
    .name = "scatter_nd",
    .onnx_type = "ScatterND",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
