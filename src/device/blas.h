/* Matrix products: CLBlast where the device runs it well, kernels of our own elsewhere. */
#ifndef THAW_DEVICE_BLAS_H
#define THAW_DEVICE_BLAS_H

#include "device/kernel.h"

/* C = alpha * op(A) op(B) + beta * C, row-major float32; op(A) is [m, k], op(B) is [k, n], C is [m, n]. Offsets and
 * leading dimensions in elements. beta 0 never reads C. Sizes of 0: k = 0 scales C by beta, m or n = 0 does nothing. */
typedef struct thaw_gemm {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    float alpha, beta;
    const thaw_buffer *a, *b;
    thaw_buffer *c;
    int64_t a_offset, b_offset, c_offset;
    int64_t a_stride, b_stride, c_stride; /* leading dimensions: elements from row to row as stored */
} thaw_gemm;

/* THAW_ALGORITHM in the environment forces one: "plain" (cl/gemm.cl), "packed" (cl/gemm_packed.cl), "dot"
 * (cl/gemm_dot.cl, where only B is transposed) or "clblast", where it runs. THAW_ERR_SIZE if a matrix does not lie
 * inside its buffer. */
THAW_MUST_CHECK thaw_status thaw_gemm_run(thaw_device *device, const thaw_gemm *gemm);

/* The same by CLBlast (THAW_ERR_UNSUPPORTED where it does not run), or by the kernel of Thaw's own that would be chosen
 * if there were no CLBlast. */
typedef enum thaw_gemm_maker { THAW_GEMM_CLBLAST, THAW_GEMM_THAW } thaw_gemm_maker;
THAW_MUST_CHECK thaw_status thaw_gemm_run_by(thaw_device *device, const thaw_gemm *gemm, thaw_gemm_maker maker);
/* Its name, as THAW_ALGORITHM knows it. */
const char *thaw_gemm_algorithm(thaw_device *device, const thaw_gemm *gemm, thaw_gemm_maker maker);

#endif
