/* Squares of pixels that become channels, and back. */
#ifndef THAW_OPS_SHARED_DEPTH_H
#define THAW_OPS_SHARED_DEPTH_H

#include "ops/shared/movement.h"

/* How a channel of the deep tensor is told: by its place in the square first (DCR), or by the flat one's channel. */
THAW_MUST_CHECK thaw_status thaw_depth_attributes(thaw_node *node, const char *known);
/* Input 0 [n, c, h, w] to output 0: [n, c / b^2, h * b, w * b] where `to_space`, else [n, c * b^2, h / b, w / b], b
 * being `blocksize`. */
THAW_MUST_CHECK thaw_status thaw_depth_infer(thaw_node *node, bool to_space);

#endif
