/* What ConvTranspose knows after infer. */
#ifndef THAW_OPS_SHARED_CONV_TRANSPOSE_H
#define THAW_OPS_SHARED_CONV_TRANSPOSE_H

#include "ops/shared/window.h"

/* The node's state begins with it. */
typedef struct thaw_conv_transpose {
    thaw_window window; /* in: of x, out: of y */
    int64_t images, groups, group_in, group_out;
} thaw_conv_transpose;

#endif
