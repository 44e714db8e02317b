/* Values that are elements of another one in another order, as strides: what a kernel may read from there itself. */
#ifndef THAW_MODEL_STRIDED_H
#define THAW_MODEL_STRIDED_H

#include "model/graph.h"

/* Element (i, j, ..) of the value is element offset + i * stride[0] + j * stride[1] + .. of `source`, both row-major. */
typedef struct thaw_strided {
    thaw_value *source;
    thaw_shape shape;
    int64_t offset, stride[THAW_MAX_RANK];
} thaw_strided;

/* The value itself. */
thaw_strided thaw_strided_of(thaw_value *value);
/* As far back as Transposes, other shapes and Gathers of one slice go. */
thaw_strided thaw_strided_trace(thaw_value *value);
/* Under another shape of as many elements, one at least; false where no strides say that, and nothing is changed. */
bool thaw_strided_reshape(thaw_strided *strided, const thaw_shape *shape);
/* The dimensions of a Transpose's input in its output; false for another node, or another rank. */
bool thaw_transpose_order(const thaw_node *node, int32_t rank, int32_t order[THAW_MAX_RANK]);

#endif
