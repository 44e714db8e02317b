/* Operators that only move elements: a box of up to eight dimensions, read with one set of strides and written with
 * another. */
#ifndef THAW_OPS_SHARED_MOVEMENT_H
#define THAW_OPS_SHARED_MOVEMENT_H

#include "ops/op.h"

/* to[to_offset + sum(i[d] * to_stride[d])] = from[from_offset + sum(i[d] * from_stride[d])] for every i below `extent`.
 * Offsets and strides in elements; a from_stride may be negative or 0. */
typedef struct thaw_move {
    int32_t rank;
    int64_t extent[THAW_MAX_RANK];
    int64_t from_stride[THAW_MAX_RANK], to_stride[THAW_MAX_RANK];
    int64_t from_offset, to_offset;
} thaw_move;

/* A move that fills a row-major tensor of that shape; where from is left to the caller (strides and offset 0). */
thaw_move thaw_move_into(const thaw_shape *shape);
/* Drops dimensions of one element and joins neighbours that are walked as one. The elements moved stay the same. */
void thaw_move_collapse(thaw_move *move);
/* The same elements the other way. */
thaw_move thaw_move_reversed(const thaw_move *move);
/* Elements of any dtype, the same for both. */
void thaw_move_on_host(const thaw_move *move, const thaw_tensor *from, thaw_tensor *to);

/* A move made ready for a device, of float32 elements. */
typedef struct thaw_mover {
    thaw_move move;      /* collapsed */
    thaw_kernel *kernel; /* NULL: a plain copy */
    int64_t tile[2];     /* places per work-item along the inner two dimensions, the innermost first */
} thaw_mover;

/* False where each work-item should do many elements: on CPUs, unless THAW_ALGORITHM is "plain". */
bool thaw_items_are_cheap(const thaw_device *device);
/* Numbers in a vector of kernels that are written with vectors: the device's, or 4 where it has none. */
int32_t thaw_vector_width(const thaw_device *device);

/* `accumulate` adds to what is in the target: no element may be written twice then. THAW_ERR_SIZE,
 * THAW_ERR_COMPILE. */
THAW_MUST_CHECK thaw_status thaw_mover_prepare(thaw_device *device, const thaw_move *move, bool accumulate,
                                               thaw_mover *mover);
/* Queues it; nothing where the box is empty. */
THAW_MUST_CHECK thaw_status thaw_mover_run(const thaw_mover *mover, thaw_buffer *from, thaw_buffer *to);

/* Fails unless input `index` is constant, floating or bool: all that a device moves is float32, masks too. */
THAW_MUST_CHECK thaw_status thaw_move_check_input(const thaw_node *node, size_t index);

/* Row-major strides of `from` aligned with the dimensions of `to`, which it broadcasts to: 0 where it repeats. */
void thaw_broadcast_strides(const thaw_shape *from, const thaw_shape *to, int64_t strides[THAW_MAX_RANK]);
/* Where element `index` (row-major) of `shape` lies in a tensor with these strides. */
int64_t thaw_strided_index(const thaw_shape *shape, const int64_t strides[THAW_MAX_RANK], int64_t index);

/* The state of operators that are one move from input 0 to output 0, which infer fills in. */
typedef struct thaw_move_state {
    thaw_move move;
    thaw_mover forward, backward;
} thaw_move_state;

THAW_MUST_CHECK thaw_status thaw_move_allocate(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_move_fold(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_move_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_move_forward(thaw_node *node);
/* Only for moves that read no element twice. */
THAW_MUST_CHECK thaw_status thaw_move_backward(thaw_node *node);

#endif
