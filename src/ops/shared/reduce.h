/* Means, sums, extremes and norms over some of a tensor's dimensions. */
#ifndef THAW_OPS_SHARED_REDUCE_H
#define THAW_OPS_SHARED_REDUCE_H

#include "ops/shared/terms.h"

#define THAW_REDUCE_GROUPS (THAW_MAX_RANK / 2) /* kept and reduced ones alternate */

/* Neighbouring dimensions that are walked as one, innermost first; unused ones have an extent of 1. */
typedef struct thaw_reduce_groups {
    int64_t extent[THAW_REDUCE_GROUPS];
    int64_t stride[THAW_REDUCE_GROUPS]; /* in the input, in elements */
} thaw_reduce_groups;

/* Numbers as in cl/reduce.cl, which does all but means. */
typedef enum thaw_reduction {
    THAW_REDUCE_MEAN,
    THAW_REDUCE_SUM,
    THAW_REDUCE_MAX,
    THAW_REDUCE_MIN,
    THAW_REDUCE_L1,         /* the sum of |x| */
    THAW_REDUCE_L2,         /* the root of the sum of x^2 */
    THAW_REDUCE_SUM_SQUARE, /* the sum of x^2 */
    THAW_REDUCE_LOG_SUM,    /* the logarithm of the sum */
    THAW_REDUCE_PRODUCT,
    THAW_REDUCE_LOG_SUM_EXP /* the logarithm of the sum of e^x */
} thaw_reduction;

/* The state. */
typedef struct thaw_reduce {
    thaw_reduction reduction;
    bool marked[THAW_MAX_RANK]; /* which dimensions of the input go */
    thaw_reduce_groups kept, reduced;
    bool spatial;   /* [n, c, h, w] over h and w */
    int32_t block;  /* storage of the input: see thaw_value */
    int64_t pieces; /* more than 1: the sums of as many parts of an image's pixels come first, into scratch */
    thaw_kernel *kernel, *first;
    thaw_terms backward; /* of means and sums */
    thaw_kernel *slope;  /* of the others */
} thaw_reduce;

THAW_MUST_CHECK thaw_status thaw_reduce_create(thaw_node *node);
/* The same for an operator with `axes`, an attribute before opset `since`, input 1 since, and all steps to follow. */
THAW_MUST_CHECK thaw_status thaw_reduce_attributes(thaw_node *node, thaw_reduction reduction, int64_t since);
THAW_MUST_CHECK thaw_status thaw_reduce_infer_axes(thaw_node *node, int64_t since);
/* On the host. Integers too, where the result is one. */
THAW_MUST_CHECK thaw_status thaw_reduce_fold(thaw_node *node);
/* From input 0 to output 0, over the dimensions marked, which stay as 1 with `keep_dims` and go without. */
THAW_MUST_CHECK thaw_status thaw_reduce_infer(thaw_node *node, const bool marked[THAW_MAX_RANK], bool keep_dims);
/* Sorts the dimensions of an input of that shape into reduce->kept and reduce->reduced. */
void thaw_reduce_group(thaw_reduce *reduce, const thaw_shape *x, const bool marked[THAW_MAX_RANK]);
/* All but images and channels: [n, c, ...] to [n, c, 1, ...]. */
THAW_MUST_CHECK thaw_status thaw_reduce_infer_global(thaw_node *node);
/* In blocks where the input is, if it is a mean over height and width. */
int32_t thaw_reduce_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_reduce_prepare(thaw_node *node);
/* The groups, as kernels want them. */
#define THAW_REDUCE_ARGUMENTS (4 * THAW_REDUCE_GROUPS)
void thaw_reduce_list(const thaw_reduce *reduce, thaw_argument arguments[THAW_REDUCE_ARGUMENTS]);
THAW_MUST_CHECK thaw_status thaw_reduce_forward(thaw_node *node);
/* For prepare, where the input has a gradient. */
THAW_MUST_CHECK thaw_status thaw_reduce_prepare_backward(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_reduce_backward(thaw_node *node);
void thaw_reduce_release(thaw_node *node);

#endif
