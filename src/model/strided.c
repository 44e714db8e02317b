#include "model/strided.h"

thaw_strided thaw_strided_of(thaw_value *value)
{
    thaw_strided strided = {.source = value, .shape = value->shape};
    thaw_shape_strides(&value->shape, strided.stride);
    for (int32_t i = 0; i < value->shape.rank; i++) {
        strided.extent[i] = value->shape.dims[i];
        strided.end[i] = i + 1;
    }
    return strided;
}

static int32_t begin_of(const thaw_strided *strided, int32_t dimension)
{
    return dimension > 0 ? strided->end[dimension - 1] : 0;
}

/* Puts dimension `from` of `old` behind those that `strided` has. */
static void append(thaw_strided *strided, const thaw_strided *old, int32_t from)
{
    const int32_t rank = strided->shape.rank++;
    int32_t at = begin_of(strided, rank);
    for (int32_t i = begin_of(old, from); i < old->end[from]; i++, at++) {
        strided->extent[at] = old->extent[i];
        strided->stride[at] = old->stride[i];
    }
    strided->end[rank] = at;
    strided->shape.dims[rank] = old->shape.dims[from];
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
    const thaw_strided old = *strided;
    if (!thaw_transpose_order(node, old.shape.rank, order))
        return false;
    strided->shape.rank = 0;
    for (int32_t i = 0; i < old.shape.rank; i++)
        append(strided, &old, order[i]);
    return true;
}

/* Of one slice, whose axis goes. */
static bool apply_gather(thaw_strided *strided, const thaw_node *node)
{
    const thaw_value *index = node->inputs[1];
    const thaw_strided old = *strided;
    if (!thaw_node_is(node, "Gather") || !index->constant || index->shape.rank != 0)
        return false;
    const int64_t written = thaw_node_int(node, "axis", 0), axis = written < 0 ? written + old.shape.rank : written;
    int64_t place = thaw_tensor_get_int(index->constant, 0);
    place += place < 0 ? old.shape.dims[axis] : 0;
    for (int32_t i = old.end[axis]; i-- > begin_of(&old, (int32_t)axis); place /= old.extent[i])
        strided->offset += place % old.extent[i] * old.stride[i];
    strided->shape.rank = 0;
    for (int32_t i = 0; i < old.shape.rank; i++)
        if (i != axis)
            append(strided, &old, i);
    return true;
}

/* Up through `most` nodes at most. */
static thaw_strided trace(thaw_value *value, int most)
{
    const thaw_node *node = value->producer;
    if (most == 0 || value->constant || !node || !node->inputs[0] || node->inputs[0]->constant ||
        thaw_shape_size(&value->shape) == 0)
        return thaw_strided_of(value);
    const bool views = node->op->flags & THAW_OP_VIEW;
    if (!views && !thaw_node_is(node, "Transpose") && !thaw_node_is(node, "Gather"))
        return thaw_strided_of(value);
    thaw_strided strided = trace(node->inputs[0], most - 1);
    if (views ? thaw_strided_reshape(&strided, &value->shape)
              : apply_transpose(&strided, node) || apply_gather(&strided, node))
        return strided;
    return thaw_strided_of(value);
}

thaw_strided thaw_strided_trace(thaw_value *value)
{
    enum { MOST_NODES = 64 }; /* a file may have any number of them in a row */
    return trace(value, MOST_NODES);
}

/* Factors, the innermost first. */
typedef struct factors {
    int32_t count;
    int64_t extent[THAW_STRIDED_FACTORS], stride[THAW_STRIDED_FACTORS];
} factors;

/* Neighbours that are walked as one become one. */
static factors join(const thaw_strided *strided)
{
    factors joined = {0};
    for (int32_t i = strided->shape.rank > 0 ? strided->end[strided->shape.rank - 1] : 0; i-- > 0;) {
        const int32_t last = joined.count - 1;
        if (strided->extent[i] == 1)
            continue;
        if (last >= 0 && strided->stride[i] == joined.stride[last] * joined.extent[last]) {
            joined.extent[last] *= strided->extent[i];
            continue;
        }
        joined.extent[joined.count] = strided->extent[i];
        joined.stride[joined.count++] = strided->stride[i];
    }
    return joined;
}

/* Deals the old factors out to the new dimensions, the innermost first, cutting one in two where a dimension ends
 * inside it. */
bool thaw_strided_reshape(thaw_strided *strided, const thaw_shape *shape)
{
    factors old = join(strided), dealt = {0};
    int32_t at = 0, counts[THAW_MAX_RANK] = {0};
    if (thaw_shape_size(shape) == 0 || thaw_shape_size(shape) != thaw_shape_size(&strided->shape))
        return false;
    for (int32_t d = shape->rank - 1; d >= 0; d--)
        for (int64_t wanted = shape->dims[d]; wanted > 1;) {
            const bool whole = wanted % old.extent[at] == 0;
            const int64_t taken = whole ? old.extent[at] : wanted;
            if (old.extent[at] % taken != 0 || dealt.count == THAW_STRIDED_FACTORS)
                return false;
            dealt.extent[dealt.count] = taken;
            dealt.stride[dealt.count++] = old.stride[at];
            counts[d]++;
            wanted /= taken;
            old.stride[at] *= taken;
            old.extent[at] /= taken;
            at += old.extent[at] == 1;
        }
    strided->shape = *shape;
    for (int32_t d = 0, end = 0; d < shape->rank; d++)
        strided->end[d] = end += counts[d];
    for (int32_t i = 0; i < dealt.count; i++) {
        strided->extent[i] = dealt.extent[dealt.count - 1 - i];
        strided->stride[i] = dealt.stride[dealt.count - 1 - i];
    }
    return true;
}

bool thaw_strided_simple(const thaw_strided *strided, int64_t stride[THAW_MAX_RANK])
{
    for (int32_t d = 0; d < strided->shape.rank; d++) {
        const int32_t begin = begin_of(strided, d), count = strided->end[d] - begin;
        if (count > 1)
            return false;
        stride[d] = count == 1 ? strided->stride[begin] : 0;
    }
    return true;
}
