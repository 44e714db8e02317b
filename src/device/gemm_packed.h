/* Matrix products from packed panels (cl/gemm_packed.cl): for CPUs, and for operands that stay as they are. */
#ifndef THAW_DEVICE_GEMM_PACKED_H
#define THAW_DEVICE_GEMM_PACKED_H

#include "device/blas.h"

/* thaw_gemm_run()'s work, both operands packed into scratch memory of the pool; sizes of 1 and more, matrices inside
 * their buffers. */
THAW_MUST_CHECK thaw_status thaw_gemm_run_packed(thaw_device *device, const thaw_gemm *gemm);

#endif
