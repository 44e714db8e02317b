/* Weights that are constants: how they are stored, and matrices of them, packed once for cl/gemm_packed.cl. */
#ifndef THAW_OPS_SHARED_WEIGHTS_H
#define THAW_OPS_SHARED_WEIGHTS_H

#include "device/gemm_packed.h"
#include "ops/shared/epilogue.h"

/* For layout: whether input `index`, used as a matrix [k, n], is to be packed: on devices that
 * multiply packed matrices best. */
bool thaw_weights_fit(const thaw_node *node, size_t index, int64_t n, int64_t k);

/* Whether constant input `index` is to be stored as 16-bit floats: the program wants it, and no weight is too large for
 * that (65504). */
bool thaw_weights_halve(const thaw_node *node, size_t index);
/* Logs a warning if the program wants 16-bit floats and the node, which could store its weights so, does not. */
void thaw_weights_warn(const thaw_node *node);

/* For prepare: the panels of input 1. Sets node->halves_weights to what thaw_weights_halve() says. */
THAW_MUST_CHECK thaw_status thaw_weights_pack(thaw_node *node, bool transposed, int64_t n, int64_t k,
                                              thaw_buffer **panels);
/* The precision of these panels. */
thaw_precision thaw_weights_precision(const thaw_node *node);
/* For prepare: a constant as float32, as it stands. */
THAW_MUST_CHECK thaw_status thaw_weights_upload(const thaw_node *node, const thaw_value *value, thaw_buffer **buffer);
/* The same with zeros behind it, `count` numbers in all; zeros alone where it is NULL or no constant. */
THAW_MUST_CHECK thaw_status thaw_weights_upload_padded(const thaw_node *node, const thaw_value *value, int64_t count,
                                                       thaw_buffer **buffer);

#endif
