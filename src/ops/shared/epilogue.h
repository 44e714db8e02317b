/* What conv, gemm and the like do to their result: y = activation(y + scale * bias + residual). */
#ifndef THAW_OPS_SHARED_EPILOGUE_H
#define THAW_OPS_SHARED_EPILOGUE_H

#include "ops/op.h"

#define THAW_EPILOGUE_OPTIONS 64

/* A pass over an output seen as [planes, rows, columns]. The bias at (row, column) is
 * bias[row * bias_row + column * bias_column]: a stride of 0 repeats it. */
typedef struct thaw_epilogue_pass {
    int64_t planes, rows, columns;
    const thaw_value *bias; /* NULL: none */
    int64_t bias_row, bias_column;
    float bias_scale;
    thaw_kernel *kernel; /* set by prepare; NULL: there is nothing to do */
} thaw_epilogue_pass;

/* Input `index`, unless it is absent or is what the fusion listed behind the operator's own inputs. */
thaw_value *thaw_epilogue_own_input(const thaw_node *node, size_t index);

/* "-DACTIVATION=1 -DBIAS -DRESIDUAL": for kernels that finish their results themselves, with cl/common.clh. */
const char *thaw_epilogue_options(const thaw_node *node, bool bias, char text[THAW_EPILOGUE_OPTIONS]);

/* The same with fewer different programs, for kernels that look for a residual at run time: linear, Relu and Clip are
 * all a Clip. */
const char *thaw_epilogue_few_options(const thaw_node *node, char text[THAW_EPILOGUE_OPTIONS]);
/* The node's epilogue with the parameters that belong to these options. */
thaw_epilogue thaw_epilogue_few(const thaw_node *node);

THAW_MUST_CHECK thaw_status thaw_epilogue_prepare(const thaw_node *node, thaw_epilogue_pass *pass);
/* Queues the pass over output 0, in place. */
THAW_MUST_CHECK thaw_status thaw_epilogue_run(const thaw_node *node, const thaw_epilogue_pass *pass);

/* The residual's buffer, or NULL. */
const thaw_buffer *thaw_epilogue_residual(const thaw_node *node);

#endif
