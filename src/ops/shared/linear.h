/* Products with a matrix of weights and what follows them: y = activation(scale * A op(B) + bias_scale * bias +
 * residual), A [m, k], op(B) [k, n], row-major. What Gemm and MatMul share. */
#ifndef THAW_OPS_SHARED_LINEAR_H
#define THAW_OPS_SHARED_LINEAR_H

#include "ops/shared/weights.h"

/* Part of an operator's state; input 0 of the node is A, input 1 is B. */
typedef struct thaw_linear {
    int64_t m, n, k;
    bool transposed; /* B is stored as [n, k] */
    float scale;
    thaw_epilogue_pass epilogue; /* over y */
    thaw_buffer *panels;         /* B, where it is a constant of a program that is only run; NULL otherwise */
    thaw_buffer *addend;         /* the bias, where it is a constant too */
    thaw_buffer *rows;           /* B as it stands, for the gradient of A, where there are panels */
    char options[THAW_EPILOGUE_OPTIONS];
} thaw_linear;

/* For prepare, once all but the buffers is filled in: packs the weights where layout set node->packs_weights, else gets
 * the kernel of the pass. */
THAW_MUST_CHECK thaw_status thaw_linear_prepare(thaw_node *node, thaw_linear *linear);
/* Queues y where there are panels. Elsewhere it is the operator's product and thaw_epilogue_run(). */
THAW_MUST_CHECK thaw_status thaw_linear_forward(const thaw_node *node, const thaw_linear *linear);
void thaw_linear_release(thaw_linear *linear);

#endif
