/* Matrices that are constants: packed once for cl/gemm_packed.cl. */
#ifndef THAW_OPS_SHARED_WEIGHTS_H
#define THAW_OPS_SHARED_WEIGHTS_H

#include "device/gemm_packed.h"
#include "ops/shared/epilogue.h"

/* For layout: whether input `index`, used as a matrix [k, n], is to be packed: on devices that
 * multiply packed matrices best. */
bool thaw_weights_fit(const thaw_node *node, size_t index, int64_t n, int64_t k);

/* For prepare: the panels of input 1. Sets node->halves_weights where these are 16-bit floats: as the program wants it,
 * unless a weight is too large for that (65504). */
THAW_MUST_CHECK thaw_status thaw_weights_pack(thaw_node *node, bool transposed, int64_t n, int64_t k,
                                              thaw_buffer **panels);
/* The precision of these panels. */
thaw_precision thaw_weights_precision(const thaw_node *node);
/* For prepare: a constant as float32, as it stands. */
THAW_MUST_CHECK thaw_status thaw_weights_upload(const thaw_node *node, const thaw_value *value, thaw_buffer **buffer);

#endif
