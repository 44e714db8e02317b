/* The gradient of slices that were taken along an axis, some of them more than once or never. */
#ifndef THAW_OPS_SHARED_TAKERS_H
#define THAW_OPS_SHARED_TAKERS_H

#include "ops/op.h"

/* For each of `size` slices the places, of `count`, that took it. */
typedef struct thaw_takers {
    int64_t size, count;
    thaw_buffer *begin, *taker; /* see cl/gather_backward.cl */
    thaw_kernel *kernel;
} thaw_takers;

/* Place i took slice index[i]. `count` and `size` are ints. THAW_ERR_COMPILE, THAW_ERR_DEVICE_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_takers_prepare(thaw_device *device, const int32_t *index, int64_t count, int64_t size,
                                                thaw_takers *takers);
/* Queues: to [outer, size, inner] gets added what from [outer, count, inner] has. */
THAW_MUST_CHECK thaw_status thaw_takers_run(const thaw_takers *takers, int64_t outer, int64_t inner,
                                            const thaw_buffer *from, thaw_buffer *to);
/* Frees what prepare made, if it did. */
void thaw_takers_release(thaw_takers *takers);

#endif
