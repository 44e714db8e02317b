/* Arithmetic on two tensors, element by element, with NumPy's broadcasting. */
#ifndef THAW_OPS_SHARED_BINARY_H
#define THAW_OPS_SHARED_BINARY_H

#include "ops/shared/terms.h"

/* Numbers as in cl/binary.cl. */
typedef enum thaw_arithmetic {
    THAW_ADD,
    THAW_SUBTRACT,
    THAW_MULTIPLY,
    THAW_DIVIDE,
    THAW_MINIMUM,
    THAW_MAXIMUM,
    THAW_RAISE,     /* a to the power of b */
    THAW_SCALED,    /* alpha * (a + b) on the device, a + b on the host */
    THAW_BEND,      /* a where it is not negative, else a * b */
    THAW_MODULO,    /* what division leaves, with b's sign; on the host alone, as the next one */
    THAW_REMAINDER, /* the same with a's sign */
    THAW_QUESTION   /* the first of thaw_comparison, on the device alone: 1 or 0 */
} thaw_arithmetic;

/* Where an operand of an output in blocks of channels, [n, blocks, h * w, block], lies: strides in elements, 0 where it
 * repeats. */
typedef struct thaw_binary_operand {
    int64_t image, block, pixel, lane; /* `lane` is 0 or 1 */
} thaw_binary_operand;

/* The state: the output seen as a box of as few dimensions as will do, and where its elements' operands lie. */
typedef struct thaw_binary {
    thaw_arithmetic arithmetic;
    int32_t rank;
    int64_t extent[THAW_MAX_RANK];    /* innermost last */
    int64_t stride[2][THAW_MAX_RANK]; /* of each operand, in elements; 0 where it repeats; innermost 0 or 1 */
    thaw_shape shape[2];              /* the operands' shapes, 1s put in so that they end where the output's does */
    int32_t block; /* storage of the output: see thaw_value; more than 1: the operands lie as this says: */
    thaw_binary_operand operand[2];
    thaw_kernel *kernel;
    int64_t run, rows; /* of a work-item, along the inner two dimensions; 0: it does one element */
    thaw_terms gradient[2], rest[2]; /* of each operand; what is left of a sum in blocks */
} thaw_binary;

/* Lets a and b be broadcast to y. */
void thaw_binary_set_shapes(thaw_binary *binary, const thaw_shape *a, const thaw_shape *b, const thaw_shape *y);
/* The kernel for row-major operands, then to be run. */
THAW_MUST_CHECK thaw_status thaw_binary_get(const thaw_node *node, thaw_binary *binary);
THAW_MUST_CHECK thaw_status thaw_binary_run(const thaw_binary *binary, const thaw_epilogue *epilogue, thaw_buffer *y,
                                            const thaw_buffer *a, const thaw_buffer *b);
/* The same on the host; y may be one of the operands that has its shape. */
THAW_MUST_CHECK thaw_status thaw_binary_compute(const thaw_node *node, const thaw_binary *binary, const thaw_tensor *a,
                                                const thaw_tensor *b, thaw_tensor *y);
/* What an operand's gradient is, for row-major operands. */
thaw_terms thaw_binary_terms(const thaw_binary *binary, int operand);

/* The steps of an operator: all but the first are used as they are. */
THAW_MUST_CHECK thaw_status thaw_binary_attributes(thaw_node *node, thaw_arithmetic arithmetic);
THAW_MUST_CHECK thaw_status thaw_binary_infer(thaw_node *node);
/* Any numeric type; integers wrap around, and their division truncates. THAW_ERR_MODEL for a division by zero. */
THAW_MUST_CHECK thaw_status thaw_binary_fold(thaw_node *node);
/* In blocks where an operand is and the other one can be or lies so that it does not matter. */
int32_t thaw_binary_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_binary_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_binary_forward(thaw_node *node);
/* For prepare: what backward needs, for the operands that have a gradient. */
THAW_MUST_CHECK thaw_status thaw_binary_prepare_backward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_binary_backward(thaw_node *node);
void thaw_binary_release(thaw_node *node);

#endif
