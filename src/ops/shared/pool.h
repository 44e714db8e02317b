/* What the pooling operators with a window have in common. */
#ifndef THAW_OPS_SHARED_POOL_H
#define THAW_OPS_SHARED_POOL_H

#include "ops/shared/window.h"

typedef struct thaw_pooling {
    thaw_window window;
    int64_t planes, places; /* n * c; elements of one of them in the output */
    int32_t block;          /* storage of input and output: see thaw_value */
    thaw_kernel *kernel;
    thaw_kernel *backward, *largest; /* the second one for MaxPool */
} thaw_pooling;

/* Checks the attributes (`known` lists them) and makes the state. */
THAW_MUST_CHECK thaw_status thaw_pooling_attributes(thaw_node *node, const char *known, size_t most_outputs);
/* Window, flops and output 0. */
THAW_MUST_CHECK thaw_status thaw_pooling_infer(thaw_node *node);
/* In blocks, where output 0 is all that is asked for. */
int32_t thaw_pooling_layout(thaw_node *node, int32_t block, int32_t *wanted);
/* Kernel `name` of cl/pool.cl, or its counterpart for blocks. */
THAW_MUST_CHECK thaw_status thaw_pooling_prepare(thaw_node *node, const char *name, const char *options);
/* Queues it: the kernel gets output, input, these `count` (at most THAW_POOLING_OWN) arguments, and the window. */
#define THAW_POOLING_OWN 4
THAW_MUST_CHECK thaw_status thaw_pooling_run(const thaw_node *node, const thaw_argument *own, size_t count);

/* For prepare: kernel `name` of cl/pool_backward.cl, or its counterpart for blocks, where the input has a gradient. */
THAW_MUST_CHECK thaw_status thaw_pooling_prepare_backward(thaw_node *node, const char *name, bool finds_largest);
THAW_MUST_CHECK thaw_status thaw_max_pooling_backward(thaw_node *node);
/* `counted`: the arguments count_d, count_h, count_w of the kernels. */
THAW_MUST_CHECK thaw_status thaw_average_pooling_backward(thaw_node *node,
                                                          const thaw_argument counted[THAW_WINDOW_AXES]);

#endif
