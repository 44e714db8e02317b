/* For operators that move elements or fold on the host: exact expectations, and places in row-major arrays. */
#ifndef THAW_TESTS_OP_MOVEMENT_H
#define THAW_TESTS_OP_MOVEMENT_H

#include "op_subject.h"

/* A row of constants (or, for operators that read shapes only, of anything), and the tensor that the host must make of
 * it, written as in op_case: "i:1,2@1x2". */
typedef struct op_folded_case {
    const char *type, *attributes, *inputs;
    int64_t opset; /* 0: 13 */
    const char *expected;
} op_folded_case;

/* Type, shape and every bit must be as expected. */
void op_check_folded(const op_folded_case *cases, size_t count);

/* The node's first input is exchanged for a constant of `dtype` with these elements, whatever it was. */
void op_subject_replace(op_subject *subject, thaw_dtype dtype, const thaw_shape *shape, const double *elements);

void op_unravel(const thaw_shape *shape, int64_t index, int64_t place[THAW_MAX_RANK]);
int64_t op_ravel(const thaw_shape *shape, const int64_t place[THAW_MAX_RANK]);

#endif
