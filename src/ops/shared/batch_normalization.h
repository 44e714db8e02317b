/* BatchNormalization: its state, and what it does in training. */
#ifndef THAW_OPS_SHARED_BATCH_NORMALIZATION_H
#define THAW_OPS_SHARED_BATCH_NORMALIZATION_H

#include "ops/op.h"

/* The inputs. */
enum { THAW_BATCH_X, THAW_BATCH_SCALE, THAW_BATCH_SHIFT, THAW_BATCH_MEAN, THAW_BATCH_VARIANCE, THAW_BATCH_INPUTS };

/* In blocks, pixels for one work-item at a time: what fits into the cache nearest to a processor. */
#define THAW_BATCH_RUN 512

typedef struct thaw_batch_normalization {
    float epsilon, momentum;
    bool training;              /* the file asks for the batch's statistics */
    int64_t n, channels, inner; /* x as [n, channels, inner] */
    int32_t block;              /* storage of input and output: see thaw_value */
    int32_t width;              /* by work-groups that read vectors of so many numbers; 0: not by work-groups */
    int64_t stride;             /* channels, to whole blocks */
    thaw_buffer *factors;       /* [4, stride]: see cl/batch_normalization.cl; NULL where nothing reads them */
    thaw_buffer *statistics;    /* of the batch: mean, variance, and room for more; NULL where they are always given */
    thaw_kernel *normalize;
    thaw_kernel *make_factors;            /* NULL: made once, on the host, or not at all */
    thaw_kernel *pieces, *join, *running; /* for statistics of the batch; by work-groups, join moves running ones */
    thaw_kernel *products, *finish;       /* for gradients: sums over channels */
    thaw_kernel *give, *give_own; /* x's; where the statistics are the batch's own. By work-groups, one does both */
} thaw_batch_normalization;

/* Does the next forward (or did the last one) take the batch's own statistics? */
bool thaw_batch_is_own(const thaw_node *node);

/* For prepare. */
THAW_MUST_CHECK thaw_status thaw_batch_prepare_training(thaw_node *node);
/* The batch's mean and variance per channel into `statistics`, and the running ones moved towards them. */
THAW_MUST_CHECK thaw_status thaw_batch_measure(const thaw_node *node);
/* Fills `factors` from the statistics that are to be taken. */
THAW_MUST_CHECK thaw_status thaw_batch_make_factors(const thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_batch_backward(thaw_node *node);

/* Where a step of training puts the running mean (which 0) or variance (1), NULL where nobody wants it, and the share
 * of the batch's own in that. */
const thaw_buffer *thaw_batch_running(const thaw_node *node, int which);
float thaw_batch_share(const thaw_node *node, int which);

/* --- by work-groups: row-major, on devices whose work-items are cheap --- */

/* The width of their vectors; 0: not by work-groups. */
int32_t thaw_batch_group_width(const thaw_node *node);
/* Statistics only where they may be the batch's own. */
THAW_MUST_CHECK thaw_status thaw_batch_group_prepare(thaw_node *node, bool statistics);
/* Statistics of the batch, the running ones, and factors. */
THAW_MUST_CHECK thaw_status thaw_batch_group_measure(const thaw_node *node);
/* The output, from factors. */
THAW_MUST_CHECK thaw_status thaw_batch_group_normalize(const thaw_node *node);
/* The gradients of scale and shift, and what x's needs into `slopes`. */
THAW_MUST_CHECK thaw_status thaw_batch_group_sum(const thaw_node *node, const thaw_buffer *slopes);
THAW_MUST_CHECK thaw_status thaw_batch_group_give(const thaw_node *node, const thaw_buffer *slopes);

#endif
