/* Element types: what they are, and numbers into and out of them. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

static const struct {
    size_t bytes;
    int32_t onnx;
    const char *text;
} dtypes[THAW_DTYPE_COUNT] = {
#define DTYPE_ROW(name, bytes, onnx, numpy, text) [THAW_##name] = {bytes, onnx, text},
    THAW_DTYPE_LIST(DTYPE_ROW)
#undef DTYPE_ROW
};

size_t thaw_dtype_bytes(thaw_dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *thaw_dtype_text(thaw_dtype dtype)
{
    return dtypes[dtype].text;
}

bool thaw_dtype_is_float(thaw_dtype dtype)
{
    return dtype == THAW_FLOAT32 || dtype == THAW_FLOAT64 || dtype == THAW_FLOAT16 || dtype == THAW_BFLOAT16;
}

bool thaw_dtype_is_integer(thaw_dtype dtype)
{
    return !thaw_dtype_is_float(dtype);
}

bool thaw_dtype_from_onnx(int32_t code, thaw_dtype *dtype)
{
    for (int i = 0; i < THAW_DTYPE_COUNT; i++)
        if (dtypes[i].onnx == code) {
            *dtype = (thaw_dtype)i;
            return true;
        }
    return false;
}

int32_t thaw_dtype_to_onnx(thaw_dtype dtype)
{
    return dtypes[dtype].onnx;
}

/* IEEE 754 with the given widths, from a double in one rounding (to nearest even). */
static uint16_t encode_float(double value, int fraction_bits, int exponent_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int infinity = ((1 << exponent_bits) - 1) << fraction_bits;
    const int sign = signbit(value) ? 0x8000 : 0;
    const double magnitude = fabs(value);
    int bits;
    if (isnan(value)) {
        bits = infinity | 1 << (fraction_bits - 1);
    } else if (isinf(value)) {
        bits = infinity;
    } else if (magnitude < ldexp(1, 1 - bias)) { /* subnormal: a carry into the exponent is right */
        bits = (int)nearbyint(ldexp(magnitude, bias - 1 + fraction_bits));
    } else {
        int exponent;
        const double fraction = frexp(magnitude, &exponent); /* 0.5 to 1 */
        const int significand = (int)nearbyint(ldexp(fraction, fraction_bits + 1));
        bits = ((exponent - 2 + bias) << fraction_bits) + significand;
        bits = bits < infinity ? bits : infinity;
    }
    return (uint16_t)(sign | bits);
}

static float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float thaw_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0)
        return copysignf((float)fraction * 0x1p-24f, sign ? -1.0f : 1.0f);
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000 | fraction << 13);
    return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t thaw_float_to_half(float value)
{
    return encode_float((double)value, 10, 5);
}

double thaw_tensor_get(const thaw_tensor *tensor, int64_t index)
{
    assert(index >= 0 && index < tensor->count);
    switch (tensor->dtype) {
    case THAW_FLOAT32:
        return (double)((const float *)tensor->data)[index];
    case THAW_FLOAT64:
        return ((const double *)tensor->data)[index];
    case THAW_FLOAT16:
        return (double)thaw_half_to_float(((const uint16_t *)tensor->data)[index]);
    case THAW_BFLOAT16:
        return (double)float_from_bits((uint32_t)((const uint16_t *)tensor->data)[index] << 16);
    case THAW_UINT64:
        return (double)((const uint64_t *)tensor->data)[index];
    default:
        return (double)thaw_tensor_get_int(tensor, index);
    }
}

static int64_t truncated(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

/* For the upper half of uint64. */
static uint64_t truncated_above(double value)
{
    return value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
}

int64_t thaw_tensor_get_int(const thaw_tensor *tensor, int64_t index)
{
    assert(index >= 0 && index < tensor->count);
    switch (tensor->dtype) {
    case THAW_UINT8:
        return ((const uint8_t *)tensor->data)[index];
    case THAW_INT8:
        return ((const int8_t *)tensor->data)[index];
    case THAW_UINT16:
        return ((const uint16_t *)tensor->data)[index];
    case THAW_INT16:
        return ((const int16_t *)tensor->data)[index];
    case THAW_UINT32:
        return ((const uint32_t *)tensor->data)[index];
    case THAW_INT32:
        return ((const int32_t *)tensor->data)[index];
    case THAW_UINT64:
    case THAW_INT64:
        return ((const int64_t *)tensor->data)[index];
    case THAW_BOOL:
        return ((const uint8_t *)tensor->data)[index] != 0;
    default:
        return truncated(thaw_tensor_get(tensor, index));
    }
}

void thaw_tensor_set(thaw_tensor *tensor, int64_t index, double value)
{
    assert(index >= 0 && index < tensor->count);
    switch (tensor->dtype) {
    case THAW_FLOAT32:
        ((float *)tensor->data)[index] = (float)value;
        break;
    case THAW_FLOAT64:
        ((double *)tensor->data)[index] = value;
        break;
    case THAW_FLOAT16:
        ((uint16_t *)tensor->data)[index] = encode_float(value, 10, 5);
        break;
    case THAW_BFLOAT16:
        ((uint16_t *)tensor->data)[index] = encode_float(value, 7, 8);
        break;
    case THAW_BOOL:
        ((uint8_t *)tensor->data)[index] = value != 0;
        break;
    case THAW_UINT64:
        ((uint64_t *)tensor->data)[index] = value >= 0x1p63 ? truncated_above(value) : (uint64_t)truncated(value);
        break;
    default:
        thaw_tensor_set_int(tensor, index, truncated(value));
    }
}

void thaw_tensor_set_int(thaw_tensor *tensor, int64_t index, int64_t value)
{
    assert(index >= 0 && index < tensor->count);
    switch (tensor->dtype) {
    case THAW_UINT8:
    case THAW_INT8:
        ((uint8_t *)tensor->data)[index] = (uint8_t)value;
        break;
    case THAW_UINT16:
    case THAW_INT16:
        ((uint16_t *)tensor->data)[index] = (uint16_t)value;
        break;
    case THAW_UINT32:
    case THAW_INT32:
        ((uint32_t *)tensor->data)[index] = (uint32_t)value;
        break;
    case THAW_UINT64:
    case THAW_INT64:
        ((int64_t *)tensor->data)[index] = value;
        break;
    case THAW_BOOL:
        ((uint8_t *)tensor->data)[index] = value != 0;
        break;
    default:
        thaw_tensor_set(tensor, index, (double)value);
    }
}

thaw_status thaw_tensor_to_float32(thaw_context *context, thaw_tensor *tensor, thaw_tensor **out)
{
    if (tensor->dtype == THAW_FLOAT32) {
        *out = thaw_tensor_retain(tensor);
        return THAW_OK;
    }
    THAW_TRY(thaw_tensor_create(context, THAW_FLOAT32, &tensor->shape, out));
    float *values = (*out)->data;
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = (float)thaw_tensor_get(tensor, i);
    return THAW_OK;
}
