/* Functions of one number, for every element by itself, that no other operator takes into its own kernel. */
#ifndef THAW_OPS_SHARED_ELEMENTWISE_H
#define THAW_OPS_SHARED_ELEMENTWISE_H

#include "ops/op.h"

/* Numbers as in cl/elementwise.cl. */
typedef enum thaw_function {
    THAW_TANH = 1,
    THAW_ERF,
    THAW_EXP,
    THAW_LOG,
    THAW_SQRT,
    THAW_ABS,
    THAW_NEGATIVE,
    THAW_RECIPROCAL,
    THAW_ELU,       /* x > 0 ? x : alpha * (e^x - 1) */
    THAW_SELU,      /* beta times that */
    THAW_SOFTPLUS,  /* log(1 + e^x) */
    THAW_MISH,      /* x * tanh(log(1 + e^x)) */
    THAW_GELU,      /* x * (1 + erf(x / sqrt 2)) / 2 */
    THAW_GELU_TANH, /* the same with tanh instead of erf */
    THAW_POWER      /* x^alpha */
} thaw_function;

/* The state. */
typedef struct thaw_elementwise {
    thaw_function function;
    float alpha, beta;
    thaw_kernel *kernel, *backward;
} thaw_elementwise;

/* y = function(x) on the host. */
double thaw_function_value(const thaw_elementwise *elementwise, double x);

/* Checks that there is one input and no attribute but these, and makes the state. */
THAW_MUST_CHECK thaw_status thaw_elementwise_attributes(thaw_node *node, const char *known, thaw_function function,
                                                        float alpha, float beta);
THAW_MUST_CHECK thaw_status thaw_elementwise_infer(thaw_node *node);
/* As the input is stored, for functions that are finite wherever their argument is. */
int32_t thaw_elementwise_layout(thaw_node *node, int32_t block, int32_t *wanted);
/* Floating types; integers for THAW_ABS and THAW_NEGATIVE. */
THAW_MUST_CHECK thaw_status thaw_elementwise_fold(thaw_node *node);
/* For operators whose state is another one: gets the kernels, and runs them. */
THAW_MUST_CHECK thaw_status thaw_elementwise_get(const thaw_node *node, thaw_elementwise *elementwise);
THAW_MUST_CHECK thaw_status thaw_elementwise_run(const thaw_node *node, const thaw_elementwise *elementwise);
THAW_MUST_CHECK thaw_status thaw_elementwise_run_backward(const thaw_node *node, const thaw_elementwise *elementwise);
THAW_MUST_CHECK thaw_status thaw_elementwise_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_elementwise_forward(thaw_node *node);
/* From the output or the input, as the operator's flags say. */
THAW_MUST_CHECK thaw_status thaw_elementwise_backward(thaw_node *node);

#endif
