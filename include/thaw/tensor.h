/* Tensors in host memory: how arrays go into a model and come out of it. */
#ifndef THAW_TENSOR_H
#define THAW_TENSOR_H

#include <stdint.h>
#include <thaw/status.h>

#define THAW_MAX_RANK 8

/* X(name, bytes per element, ONNX TensorProto.DataType, NumPy type string or NULL, C name in messages) */
#define THAW_DTYPE_LIST(X)                                                                                             \
    X(FLOAT32, 4, 1, "<f4", "float32")                                                                                 \
    X(UINT8, 1, 2, "|u1", "uint8")                                                                                     \
    X(INT8, 1, 3, "|i1", "int8")                                                                                       \
    X(UINT16, 2, 4, "<u2", "uint16")                                                                                   \
    X(INT16, 2, 5, "<i2", "int16")                                                                                     \
    X(INT32, 4, 6, "<i4", "int32")                                                                                     \
    X(INT64, 8, 7, "<i8", "int64")                                                                                     \
    X(BOOL, 1, 9, "|b1", "bool")                                                                                       \
    X(FLOAT16, 2, 10, "<f2", "float16")                                                                                \
    X(FLOAT64, 8, 11, "<f8", "float64")                                                                                \
    X(UINT32, 4, 12, "<u4", "uint32")                                                                                  \
    X(UINT64, 8, 13, "<u8", "uint64")                                                                                  \
    X(BFLOAT16, 2, 16, NULL, "bfloat16")

typedef enum thaw_dtype {
#define THAW_DTYPE_ENUM(name, bytes, onnx, numpy, text) THAW_##name,
    THAW_DTYPE_LIST(THAW_DTYPE_ENUM)
#undef THAW_DTYPE_ENUM
        THAW_DTYPE_COUNT
} thaw_dtype;

THAW_API size_t thaw_dtype_bytes(thaw_dtype dtype);
THAW_API const char *thaw_dtype_text(thaw_dtype dtype); /* "float32", ... */

/* Rank 0 is a scalar. In a model's declared shapes -1 stands for a dimension that is not fixed. */
typedef struct thaw_shape {
    int32_t rank;
    int64_t dims[THAW_MAX_RANK];
} thaw_shape;

/* A row-major array. Reference counted: whoever retains must release. */
typedef struct thaw_tensor {
    thaw_dtype dtype;
    thaw_shape shape;
    int64_t count; /* elements */
    size_t bytes;
    void *data;
    struct thaw_tensor_owner *owner; /* private: who frees data */
} thaw_tensor;

/* A zeroed tensor with one reference. THAW_ERR_SIZE if the product of the dimensions overflows or one is negative,
 * THAW_ERR_MEMORY. */
THAW_API THAW_MUST_CHECK thaw_status thaw_tensor_create(thaw_context *context, thaw_dtype dtype,
                                                        const thaw_shape *shape, thaw_tensor **tensor);
/* Adds a reference and returns the tensor. */
THAW_API thaw_tensor *thaw_tensor_retain(thaw_tensor *tensor);
/* Drops one reference and sets *tensor to NULL; NULL is fine. */
THAW_API void thaw_tensor_release(thaw_tensor **tensor);

/* Reads a NumPy .npy file (versions 1 to 3, C order, little endian, the types above). THAW_ERR_IO if it can't be
 * read, THAW_ERR_DATA if it is not such a file. */
THAW_API THAW_MUST_CHECK thaw_status thaw_npy_read(thaw_context *context, const char *path, thaw_tensor **tensor);
/* Writes one, beside the target and then renamed. THAW_ERR_IO; THAW_ERR_DATA for bfloat16, which NumPy lacks. */
THAW_API THAW_MUST_CHECK thaw_status thaw_npy_write(thaw_context *context, const char *path, const thaw_tensor *tensor);

#endif
