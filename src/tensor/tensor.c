#include "tensor/tensor.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

struct thaw_tensor_owner {
    atomic_size_t references;
    void *memory; /* what goes with the last reference; NULL: borrowed */
};

/* Tensor and owner in one block. */
typedef struct owned_tensor {
    thaw_tensor tensor;
    struct thaw_tensor_owner owner;
} owned_tensor;

/* A tensor without data, its size checked. */
static thaw_status create_header(thaw_context *context, thaw_dtype dtype, const thaw_shape *shape, thaw_tensor **tensor)
{
    *tensor = NULL;
    int64_t count, bytes;
    THAW_TRY(thaw_shape_count(context, shape, &count));
    if (!thaw_multiply(count, (int64_t)thaw_dtype_bytes(dtype), &bytes)) {
        char text[THAW_SHAPE_TEXT];
        return thaw_fail(context, THAW_ERR_SIZE, "shape %s has too many elements", thaw_shape_text(shape, text));
    }
    owned_tensor *made;
    THAW_TRY(thaw_allocate(context, 1, sizeof *made, &made));
    made->tensor =
        (thaw_tensor){.dtype = dtype, .shape = *shape, .count = count, .bytes = (size_t)bytes, .owner = &made->owner};
    atomic_init(&made->owner.references, 1);
    *tensor = &made->tensor;
    return THAW_OK;
}

thaw_status thaw_tensor_create(thaw_context *context, thaw_dtype dtype, const thaw_shape *shape, thaw_tensor **tensor)
{
    THAW_TRY(create_header(context, dtype, shape, tensor));
    const thaw_status status = thaw_allocate(context, (*tensor)->bytes, 1, &(*tensor)->owner->memory);
    (*tensor)->data = (*tensor)->owner->memory;
    if (status != THAW_OK)
        thaw_tensor_release(tensor);
    return status;
}

thaw_status thaw_tensor_borrow(thaw_context *context, thaw_dtype dtype, const thaw_shape *shape, const void *data,
                               thaw_tensor **tensor)
{
    assert((uintptr_t)data % thaw_dtype_bytes(dtype) == 0);
    THAW_TRY(create_header(context, dtype, shape, tensor));
    (*tensor)->data = (void *)(uintptr_t)data; /* never written through */
    return THAW_OK;
}

thaw_tensor *thaw_tensor_retain(thaw_tensor *tensor)
{
    atomic_fetch_add_explicit(&tensor->owner->references, 1, memory_order_relaxed);
    return tensor;
}

void thaw_tensor_release(thaw_tensor **tensor)
{
    if (!tensor || !*tensor)
        return;
    struct thaw_tensor_owner *owner = (*tensor)->owner;
    if (atomic_fetch_sub_explicit(&owner->references, 1, memory_order_acq_rel) == 1) {
        free(owner->memory);
        free(*tensor);
    }
    *tensor = NULL;
}
