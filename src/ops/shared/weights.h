/* Matrices that are constants: packed once for cl/gemm_packed.cl. */
#ifndef THAW_OPS_SHARED_WEIGHTS_H
#define THAW_OPS_SHARED_WEIGHTS_H

#include "device/gemm_packed.h"
#include "ops/shared/epilogue.h"

/* For layout: whether input `index`, used as a matrix [k, n], is to be packed: on devices that
 * multiply packed matrices best. */
bool thaw_weights_fit(const thaw_node *node, size_t index, int64_t n, int64_t k);

/* For prepare: the constant's panels. */
THAW_MUST_CHECK thaw_status thaw_weights_pack(const thaw_node *node, size_t index, bool transposed, int64_t n,
                                              int64_t k, thaw_buffer **panels);
/* For prepare: a constant as float32, as it stands. */
THAW_MUST_CHECK thaw_status thaw_weights_upload(const thaw_node *node, const thaw_value *value, thaw_buffer **buffer);

#endif
