/* Shapes and host tensors, as the rest of the library uses them. */
#ifndef THAW_TENSOR_TENSOR_H
#define THAW_TENSOR_TENSOR_H

#include <thaw/tensor.h>
#include "base/context.h"

#define THAW_SHAPE_TEXT 192

/* "[8,3,224,224]"; -1 is written as "?". */
const char *thaw_shape_text(const thaw_shape *shape, char text[THAW_SHAPE_TEXT]);
bool thaw_shape_equal(const thaw_shape *a, const thaw_shape *b);
/* The product of the dimensions, 1 for a scalar. THAW_ERR_SIZE if it overflows or one is negative. */
THAW_MUST_CHECK thaw_status thaw_shape_count(thaw_context *context, const thaw_shape *shape, int64_t *count);
/* For shapes already checked. */
int64_t thaw_shape_size(const thaw_shape *shape);
/* The product of dims[from .. to). */
int64_t thaw_shape_span(const thaw_shape *shape, int32_t from, int32_t to);
/* NumPy's broadcasting of two shapes. THAW_ERR_SHAPE. */
THAW_MUST_CHECK thaw_status thaw_shape_broadcast(thaw_context *context, const thaw_shape *a, const thaw_shape *b,
                                                 thaw_shape *out);
/* Row-major strides in elements. */
void thaw_shape_strides(const thaw_shape *shape, int64_t strides[THAW_MAX_RANK]);

bool thaw_dtype_is_float(thaw_dtype dtype);   /* float16, bfloat16, float32, float64 */
bool thaw_dtype_is_integer(thaw_dtype dtype); /* bool included */
bool thaw_dtype_from_onnx(int32_t code, thaw_dtype *dtype);
int32_t thaw_dtype_to_onnx(thaw_dtype dtype);

/* A tensor over memory that somebody else keeps alive (nothing is copied; it is never written through). */
THAW_MUST_CHECK thaw_status thaw_tensor_borrow(thaw_context *context, thaw_dtype dtype, const thaw_shape *shape,
                                               const void *data, thaw_tensor **tensor);
/* A copy in float32 of a floating tensor (or of an integer one, rounded); the same tensor retained if it is float32
 * already. */
THAW_MUST_CHECK thaw_status thaw_tensor_to_float32(thaw_context *context, thaw_tensor *tensor, thaw_tensor **out);
/* Element `index` as a double or as an int64 (floats truncated towards zero and saturated, bool 0 or 1), and back
 * (integers wrap, float16 and bfloat16 rounded to nearest even). */
double thaw_tensor_get(const thaw_tensor *tensor, int64_t index);
int64_t thaw_tensor_get_int(const thaw_tensor *tensor, int64_t index);
void thaw_tensor_set(thaw_tensor *tensor, int64_t index, double value);
void thaw_tensor_set_int(thaw_tensor *tensor, int64_t index, int64_t value);

float thaw_half_to_float(uint16_t half);
uint16_t thaw_float_to_half(float value);
/* The same for arrays. */
void thaw_halves_from_floats(const float *floats, size_t count, uint16_t *halves);
void thaw_halves_to_floats(const uint16_t *halves, size_t count, float *floats);

#endif
