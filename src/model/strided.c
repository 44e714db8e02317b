#include "model/strided.h"

thaw_strided thaw_strided_of(thaw_value *value)
{
    thaw_strided strided = {.source = value, .shape = value->shape};
    thaw_shape_strides(&value->shape, strided.stride);
    return strided;
}

bool thaw_transpose_order(const thaw_node *node, int32_t rank, int32_t order[THAW_MAX_RANK])
{
    size_t count;
    if (!thaw_node_is(node, "Transpose") || node->inputs[0]->shape.rank != rank)
        return false;
    const int64_t *perm = thaw_node_ints(node, "perm", &count);
    for (int32_t i = 0; i < rank; i++)
        order[i] = perm ? (int32_t)(perm[i] < 0 ? perm[i] + rank : perm[i]) : rank - 1 - i;
    return true;
}

static bool apply_transpose(thaw_strided *strided, const thaw_node *node)
{
    int32_t order[THAW_MAX_RANK];
    const thaw_strided before = *strided;
    if (!thaw_transpose_order(node, strided->shape.rank, order))
        return false;
    for (int32_t i = 0; i < before.shape.rank; i++) {
        strided->shape.dims[i] = before.shape.dims[order[i]];
        strided->stride[i] = before.stride[order[i]];
    }
    return true;
}

/* Of one slice, whose axis goes. */
static bool apply_gather(thaw_strided *strided, const thaw_node *node)
{
    const thaw_value *index = node->inputs[1];
    const int32_t rank = strided->shape.rank;
    if (!thaw_node_is(node, "Gather") || !index->constant || index->shape.rank != 0)
        return false;
    const int64_t written = thaw_node_int(node, "axis", 0), axis = written < 0 ? written + rank : written;
    const int64_t place = thaw_tensor_get_int(index->constant, 0);
    strided->offset += strided->stride[axis] * (place < 0 ? place + strided->shape.dims[axis] : place);
    for (int32_t i = (int32_t)axis; i + 1 < rank; i++) {
        strided->shape.dims[i] = strided->shape.dims[i + 1];
        strided->stride[i] = strided->stride[i + 1];
    }
    strided->shape.rank--;
    return true;
}

thaw_strided thaw_strided_trace(thaw_value *value)
{
    const thaw_node *node = value->producer;
    if (value->constant || !node || !node->inputs[0] || node->inputs[0]->constant)
        return thaw_strided_of(value);
    const bool moves = thaw_node_is(node, "Transpose") || thaw_node_is(node, "Gather");
    if (!moves && !(node->op->flags & THAW_OP_VIEW))
        return thaw_strided_of(value);
    thaw_strided strided = thaw_strided_trace(node->inputs[0]);
    const bool applied = node->op->flags & THAW_OP_VIEW
                             ? thaw_strided_reshape(&strided, &value->shape)
                             : apply_transpose(&strided, node) || apply_gather(&strided, node);
    return applied ? strided : thaw_strided_of(value);
}

/* Without dimensions of one element. */
static thaw_strided squeeze(const thaw_strided *strided)
{
    thaw_strided squeezed = *strided;
    squeezed.shape.rank = 0;
    for (int32_t i = 0; i < strided->shape.rank; i++)
        if (strided->shape.dims[i] != 1) {
            squeezed.shape.dims[squeezed.shape.rank] = strided->shape.dims[i];
            squeezed.stride[squeezed.shape.rank++] = strided->stride[i];
        }
    return squeezed;
}

/* Goes through the dimensions of both from the innermost on: a few of the one are as many elements as a few of the
 * other, and those of the old shape must be walked as one. */
bool thaw_strided_reshape(thaw_strided *strided, const thaw_shape *shape)
{
    const thaw_strided old = squeeze(strided);
    thaw_strided seen = {.source = old.source, .offset = old.offset, .shape = *shape};
    if (thaw_shape_size(shape) == 0 || thaw_shape_size(shape) != thaw_shape_size(&strided->shape))
        return false;
    int64_t left = 1, stride = 1; /* of the old dimensions at hand, elements that the new ones have not used */
    int32_t at = old.shape.rank;
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        int64_t wanted = shape->dims[i];
        if (left == 1 && wanted > 1) {
            left = old.shape.dims[--at];
            stride = old.stride[at];
        }
        for (; left % wanted != 0; left *= old.shape.dims[at])
            if (at == 0 || old.stride[--at] != stride * left)
                return false;
        seen.stride[i] = stride;
        stride *= wanted;
        left /= wanted;
    }
    *strided = seen;
    return true;
}
