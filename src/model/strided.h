/* Values that are elements of another one in another order, as strides: what a kernel may read from there itself. */
#ifndef THAW_MODEL_STRIDED_H
#define THAW_MODEL_STRIDED_H

#include "model/graph.h"

enum { THAW_STRIDED_FACTORS = 2 * THAW_MAX_RANK };

/* Each dimension is walked as a box of its own: of none, one or several factors, the outermost first. The first element
 * is element `offset` of `source`, which is row-major, and a step along factor i leads stride[i] elements further. */
typedef struct thaw_strided {
    thaw_value *source;
    thaw_shape shape;
    int64_t offset;
    int64_t extent[THAW_STRIDED_FACTORS], stride[THAW_STRIDED_FACTORS];
    int32_t end[THAW_MAX_RANK]; /* of each dimension's factors, which begin where those before end */
} thaw_strided;

/* The value itself: a factor for each dimension. */
thaw_strided thaw_strided_of(thaw_value *value);
/* As far back as Transposes, other shapes and Gathers of one slice go. */
thaw_strided thaw_strided_trace(thaw_value *value);
/* Under another shape of as many elements, one at least. False, with nothing changed, where factors don't divide so. */
bool thaw_strided_reshape(thaw_strided *strided, const thaw_shape *shape);
/* One stride for each dimension, 0 where it is of one element; false where one has several factors. After
 * thaw_strided_reshape(), which joins what it can. */
bool thaw_strided_simple(const thaw_strided *strided, int64_t stride[THAW_MAX_RANK]);
/* The dimensions of a Transpose's input in its output; false for another node, or another rank. */
bool thaw_transpose_order(const thaw_node *node, int32_t rank, int32_t order[THAW_MAX_RANK]);

#endif
