/* What the pooling operators with a window have in common. */
#ifndef THAW_OPS_SHARED_POOL_H
#define THAW_OPS_SHARED_POOL_H

#include "ops/shared/window.h"

typedef struct thaw_pooling {
    thaw_window window;
    int64_t planes, places; /* n * c; elements of one of them in the output */
    thaw_kernel *kernel;
} thaw_pooling;

/* Checks the attributes (`known` lists them) and makes the state. */
THAW_MUST_CHECK thaw_status thaw_pooling_attributes(thaw_node *node, const char *known, size_t most_outputs);
/* Window, flops and output 0. */
THAW_MUST_CHECK thaw_status thaw_pooling_infer(thaw_node *node);
/* One work-item per element of the output: (place in the channel, plane). */
thaw_range thaw_pooling_range(const thaw_pooling *pooling);

#endif
