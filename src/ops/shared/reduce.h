/* Means over some of a tensor's dimensions. */
#ifndef THAW_OPS_SHARED_REDUCE_H
#define THAW_OPS_SHARED_REDUCE_H

#include "ops/shared/terms.h"

#define THAW_REDUCE_GROUPS (THAW_MAX_RANK / 2) /* kept and reduced ones alternate */

/* Neighbouring dimensions that are walked as one, innermost first; unused ones have an extent of 1. */
typedef struct thaw_reduce_groups {
    int64_t extent[THAW_REDUCE_GROUPS];
    int64_t stride[THAW_REDUCE_GROUPS]; /* in the input, in elements */
} thaw_reduce_groups;

/* The state. */
typedef struct thaw_reduce {
    thaw_reduce_groups kept, reduced;
    bool spatial;   /* [n, c, h, w] over h and w */
    int32_t block;  /* storage of the input: see thaw_value */
    int64_t pieces; /* more than 1: the sums of as many parts of an image's pixels come first, into scratch */
    thaw_kernel *kernel, *first;
    thaw_terms backward;
} thaw_reduce;

THAW_MUST_CHECK thaw_status thaw_reduce_create(thaw_node *node);
/* From input 0 to output 0, over the dimensions marked, which stay as 1 with `keep_dims` and go without. */
THAW_MUST_CHECK thaw_status thaw_reduce_infer(thaw_node *node, const bool marked[THAW_MAX_RANK], bool keep_dims);
/* In blocks where the input is, if it is a mean over height and width. */
int32_t thaw_reduce_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_reduce_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_reduce_forward(thaw_node *node);
/* For prepare, where the input has a gradient. */
THAW_MUST_CHECK thaw_status thaw_reduce_prepare_backward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_reduce_backward(thaw_node *node);
void thaw_reduce_release(thaw_node *node);

#endif
