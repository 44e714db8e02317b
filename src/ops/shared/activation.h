/* Operators that map each element by itself, and what the fusion of others with them needs to know. */
#ifndef THAW_OPS_SHARED_ACTIVATION_H
#define THAW_OPS_SHARED_ACTIVATION_H

#include "ops/op.h"

/* The state of every operator that declares THAW_OP_ACTIVATION. */
typedef struct thaw_activation_state {
    thaw_epilogue epilogue;               /* what it computes; no residual */
    bool bounds_at_run_time;              /* Clip: inputs 1 and 2 are read on the device instead of alpha and beta */
    thaw_kernel *kernel, *backward, *add; /* the last one adds to the gradient that is there */
} thaw_activation_state;

/* True if the node is one that an epilogue can do, which it then describes (residual NULL). To be asked after infer. */
bool thaw_activation_of(const thaw_node *node, thaw_epilogue *epilogue);

/* Makes the state. */
THAW_MUST_CHECK thaw_status thaw_activation_create(thaw_node *node, thaw_activation activation, float alpha,
                                                   float beta);
THAW_MUST_CHECK thaw_status thaw_activation_infer(thaw_node *node);
/* As the input is stored. */
int32_t thaw_activation_layout(thaw_node *node, int32_t block, int32_t *wanted);
THAW_MUST_CHECK thaw_status thaw_activation_prepare(thaw_node *node);
THAW_MUST_CHECK thaw_status thaw_activation_forward(thaw_node *node);
/* From the output or the input, as the operator's flags say. */
THAW_MUST_CHECK thaw_status thaw_activation_backward(thaw_node *node);
/* The kernel for that: see cl/activation_backward.cl. */
THAW_MUST_CHECK thaw_status thaw_activation_get_backward(const thaw_node *node, thaw_activation activation, bool add,
                                                         thaw_kernel **kernel);

#endif
