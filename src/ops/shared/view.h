/* Operators that give a tensor another shape and leave its elements where they are. */
#ifndef THAW_OPS_SHARED_VIEW_H
#define THAW_OPS_SHARED_VIEW_H

#include "ops/op.h"

/* Sets the output: input 0 as `shape`. THAW_ERR_SHAPE if that has another number of elements. */
THAW_MUST_CHECK thaw_status thaw_view_infer(thaw_node *node, const thaw_shape *shape);
/* [n, c, 1, 1] lies in whole blocks as it lies row by row; what keeps its shape may keep its blocks. */
int32_t thaw_view_layout(thaw_node *node, int32_t block, int32_t *wanted);
/* Copies the constant. */
THAW_MUST_CHECK thaw_status thaw_view_fold(thaw_node *node);

/* Attribute `axes` before opset 13, input 1 since; *count -1 where there is none. */
THAW_MUST_CHECK thaw_status thaw_view_axes(const thaw_node *node, int64_t axes[THAW_MAX_RANK], int32_t *count);
/* Marks which of `rank` dimensions the axes mean. THAW_ERR_SHAPE for one that is out of range or listed twice. */
THAW_MUST_CHECK thaw_status thaw_view_mark(const thaw_node *node, const int64_t *axes, int32_t count, int32_t rank,
                                           bool marked[THAW_MAX_RANK]);

#endif
