/* Pools: one number out of each window of each channel. */
#ifndef THAW_OPS_SHARED_POOL_H
#define THAW_OPS_SHARED_POOL_H

#include "ops/shared/window.h"

typedef struct thaw_pool {
    thaw_window window;
    thaw_kernel *kernel;
} thaw_pool;

/* Makes node->state, checks kernel_shape and auto_pad. `known` lists the attributes. */
THAW_MUST_CHECK thaw_status thaw_pool_attributes(thaw_node *node, const char *known, size_t most_outputs);
/* The window, and the shape of output 0 and (where it is read, as int64) output 1. */
THAW_MUST_CHECK thaw_status thaw_pool_infer(thaw_node *node);
/* Gets a kernel of cl/pool.cl with the window's constants as -D options behind `options`. */
THAW_MUST_CHECK thaw_status thaw_pool_prepare(thaw_node *node, const char *kernel, const char *options);
/* One work-item per output element, channel by channel. */
thaw_range thaw_pool_range(const thaw_node *node);

#endif
