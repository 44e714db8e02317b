/* Matrix products from packed panels (cl/gemm_packed.cl): for CPUs, and for weights that stay as they are. */
#ifndef THAW_DEVICE_GEMM_PACKED_H
#define THAW_DEVICE_GEMM_PACKED_H

#include "device/blas.h"

/* thaw_gemm_run()'s work, operands packed into scratch memory of the pool where that helps; sizes of 1 and more,
 * matrices inside their buffers. */
THAW_MUST_CHECK thaw_status thaw_gemm_run_packed(thaw_device *device, const thaw_gemm *gemm);

/* Whether the product is large enough for it: below, cl/gemm.cl is faster, which is a single launch. */
bool thaw_gemm_packed_pays(const thaw_device *device, const thaw_gemm *gemm);

/* op(B) [k, n] of host memory, without gaps between its rows as stored, as panels on the device, of 16-bit floats if
 * `precision` says so (65504 at most); n, k >= 1. */
THAW_MUST_CHECK thaw_status thaw_gemm_pack(thaw_device *device, const float *b, bool transpose_b, int64_t n, int64_t k,
                                           thaw_precision precision, thaw_buffer **panels);

/* What becomes of a product's result, in the kernel: y = activation(alpha * A B + bias_scale * bias + residual), where
 * the bias at (row, column) is bias[row * bias_row + column * bias_column], and the residual lies as y does. */
typedef struct thaw_gemm_finish {
    const char *options; /* -DACTIVATION, -DBIAS, -DRESIDUAL: for cl/common.clh and cl/gemm_packed.cl */
    const thaw_buffer *bias;
    int64_t bias_row, bias_column; /* the latter 0 or 1 */
    float bias_scale;
    const thaw_buffer *residual;
    float alpha, beta; /* of the activation */
} thaw_gemm_finish;

/* A product with such panels, of that precision, for b: each is read once for 64 rows of A or more. A [m, k] and C
 * [m, n] row-major from the start of their buffers, without gaps; beta 0. */
THAW_MUST_CHECK thaw_status thaw_gemm_run_panels(thaw_device *device, const thaw_gemm *gemm, thaw_precision precision,
                                                 const thaw_gemm_finish *finish);

#endif
