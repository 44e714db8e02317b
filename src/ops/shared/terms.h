/* Gradients of operators that combine or repeat elements: to += scale * term over a box of up to eight dimensions.
 * Where `to` repeats it gets the sum of what its element stood for, always in the same order. */
#ifndef THAW_OPS_SHARED_TERMS_H
#define THAW_OPS_SHARED_TERMS_H

#include "ops/op.h"

/* Numbers as in cl/broadcast_backward.cl. */
typedef enum thaw_term {
    THAW_TERM_PLAIN,    /* from */
    THAW_TERM_PRODUCT,  /* from * q */
    THAW_TERM_SHARE,    /* from / q */
    THAW_TERM_QUOTIENT, /* -from * p / (q * q) */
    THAW_TERM_WINNER,   /* from where p > q, half of it where they are equal */
    THAW_TERM_BASE,     /* from * q * p^(q - 1) */
    THAW_TERM_EXPONENT, /* from * p^q * log(p) */
    THAW_TERM_BENT,     /* from where p > 0, else from * q */
    THAW_TERM_SLOPE,    /* from * p where p <= 0 */
    THAW_TERM_CHOSEN,   /* from where q is not 0 */
    THAW_TERM_PASSED    /* from where q is 0 */
} thaw_term;

/* Operands, in the order of their strides. */
enum { THAW_TO, THAW_FROM, THAW_P, THAW_Q, THAW_TERM_OPERANDS };

typedef struct thaw_terms {
    thaw_term term;
    float scale;
    int32_t rank;
    int64_t extent[THAW_MAX_RANK];                     /* innermost last */
    int64_t stride[THAW_TERM_OPERANDS][THAW_MAX_RANK]; /* in elements; 0 repeats */
    int64_t offset[THAW_TERM_OPERANDS];
    int32_t block; /* more than 1: the box is [images, blocks, pixels, lanes] of that many lanes; offsets are 0 */
    /* Set by prepare: */
    enum { THAW_TERMS_ADD, THAW_TERMS_ADD_BLOCKED, THAW_TERMS_SUM, THAW_TERMS_SUM_BLOCKED } way;
    int32_t kept;                          /* dimensions of `to`: they come first */
    int64_t places, line, segment, pieces; /* elements of `to`; of what is summed: see the kernels */
    thaw_kernel *kernel, *finish;
    thaw_buffer *table;
} thaw_terms;

/* Gets kernels for the box, which may be changed into another one of the same meaning. Along each dimension `to` either
 * repeats or has an element for every place. THAW_ERR_COMPILE, THAW_ERR_DEVICE_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_terms_prepare(thaw_device *device, thaw_terms *terms);
/* For an operator that asks thaw_node_overwrites(): whether the first box for input `index` is to add to the gradient.
 * Where it has to, since it sums or leaves elements out, but nothing is there yet, queues zeros. */
THAW_MUST_CHECK thaw_status thaw_terms_begin(const thaw_node *node, size_t index, const thaw_terms *terms, bool *add);
/* Queues it, nothing where the box is empty or was never prepared. Operands that the term does not have are NULL. Only
 * where thaw_terms_begin() said so may `add` be false. */
THAW_MUST_CHECK thaw_status thaw_terms_run(thaw_device *device, const thaw_terms *terms, thaw_buffer *to,
                                           const thaw_buffer *from, const thaw_buffer *p, const thaw_buffer *q,
                                           bool add);
/* Frees what prepare made, if it did. */
void thaw_terms_release(thaw_terms *terms);

#endif
