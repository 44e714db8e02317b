/* Arithmetic on two tensors, element by element, with NumPy's broadcasting. */
#ifndef THAW_OPS_SHARED_BINARY_H
#define THAW_OPS_SHARED_BINARY_H

#include "ops/op.h"

/* Numbers as in cl/binary.cl. */
typedef enum thaw_arithmetic { THAW_ADD, THAW_SUBTRACT, THAW_MULTIPLY, THAW_DIVIDE } thaw_arithmetic;

/* The state: the output seen as a box of as few dimensions as will do, and where its elements' operands lie. */
typedef struct thaw_binary {
    thaw_arithmetic arithmetic;
    int32_t rank;
    int64_t extent[THAW_MAX_RANK];    /* innermost last */
    int64_t stride[2][THAW_MAX_RANK]; /* of each operand, in elements; 0 where it repeats; innermost 0 or 1 */
    thaw_kernel *kernel;
} thaw_binary;

/* The steps of an operator: all but the first are used as they are. */
THAW_MUST_CHECK thaw_status thaw_binary_attributes(thaw_node *node, thaw_arithmetic arithmetic);
THAW_MUST_CHECK thaw_status thaw_binary_infer(thaw_node *node);
/* Any numeric type; integers wrap around, and their division truncates. THAW_ERR_MODEL for a division by zero. */
THAW_MUST_CHECK thaw_status thaw_binary_fold(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_binary_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_binary_forward(thaw_node *node);

#endif
