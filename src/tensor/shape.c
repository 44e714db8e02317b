#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "tensor/tensor.h"

const char *thaw_shape_text(const thaw_shape *shape, char text[THAW_SHAPE_TEXT])
{
    size_t used = 0;
    text[used++] = '[';
    for (int32_t i = 0; i < shape->rank; i++) {
        used += (size_t)snprintf(text + used, THAW_SHAPE_TEXT - used, "%s", i ? "," : "");
        if (shape->dims[i] == -1)
            used += (size_t)snprintf(text + used, THAW_SHAPE_TEXT - used, "?");
        else
            used += (size_t)snprintf(text + used, THAW_SHAPE_TEXT - used, "%" PRId64, shape->dims[i]);
    }
    snprintf(text + used, THAW_SHAPE_TEXT - used, "]");
    return text;
}

bool thaw_shape_equal(const thaw_shape *a, const thaw_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

/* A dimension of 0 makes the product 0, but the others must be in range all the same. */
thaw_status thaw_shape_count(thaw_context *context, const thaw_shape *shape, int64_t *count)
{
    if (shape->rank < 0 || shape->rank > THAW_MAX_RANK)
        return thaw_fail(context, THAW_ERR_SIZE, "%d dimensions, at most %d are supported", shape->rank, THAW_MAX_RANK);
    char text[THAW_SHAPE_TEXT];
    int64_t product = 1;
    bool empty = false;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            return thaw_fail(context, THAW_ERR_SIZE, "shape %s has a negative dimension", thaw_shape_text(shape, text));
        if (shape->dims[i] == 0)
            empty = true;
        else if (!thaw_multiply(product, shape->dims[i], &product))
            return thaw_fail(context, THAW_ERR_SIZE, "shape %s has too many elements", thaw_shape_text(shape, text));
    }
    *count = empty ? 0 : product;
    return THAW_OK;
}

int64_t thaw_shape_size(const thaw_shape *shape)
{
    return thaw_shape_span(shape, 0, shape->rank);
}

int64_t thaw_shape_span(const thaw_shape *shape, int32_t from, int32_t to)
{
    assert(from >= 0 && to <= shape->rank);
    int64_t product = 1;
    for (int32_t i = from; i < to; i++)
        product *= shape->dims[i];
    return product;
}

/* The dimension of `shape` that lines up with dimension `i` of a result of rank `rank`; 1 where it has none. */
static int64_t aligned_dim(const thaw_shape *shape, int32_t i, int32_t rank)
{
    const int32_t place = i - (rank - shape->rank);
    return place < 0 ? 1 : shape->dims[place];
}

thaw_status thaw_shape_broadcast(thaw_context *context, const thaw_shape *a, const thaw_shape *b, thaw_shape *out)
{
    thaw_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t i = 0; i < result.rank; i++) {
        const int64_t x = aligned_dim(a, i, result.rank), y = aligned_dim(b, i, result.rank);
        if (x != y && x != 1 && y != 1) {
            char a_text[THAW_SHAPE_TEXT], b_text[THAW_SHAPE_TEXT];
            return thaw_fail(context, THAW_ERR_SHAPE, "shapes %s and %s do not broadcast", thaw_shape_text(a, a_text),
                             thaw_shape_text(b, b_text));
        }
        result.dims[i] = x == 1 ? y : x;
    }
    *out = result;
    return THAW_OK;
}

void thaw_shape_strides(const thaw_shape *shape, int64_t strides[THAW_MAX_RANK])
{
    int64_t stride = 1;
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->dims[i];
    }
}
