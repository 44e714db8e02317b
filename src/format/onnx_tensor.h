/* Single tensors in ONNX's serialisation, as its conformance tests keep them. */
#ifndef THAW_FORMAT_ONNX_TENSOR_H
#define THAW_FORMAT_ONNX_TENSOR_H

#include "tensor/tensor.h"

/* Reads a file that holds one TensorProto. THAW_ERR_IO, THAW_ERR_MODEL if it is damaged, THAW_ERR_UNSUPPORTED for types
 * that Thaw lacks. */
THAW_MUST_CHECK thaw_status thaw_onnx_tensor_read(thaw_context *context, const char *path, thaw_tensor **tensor);

#endif
