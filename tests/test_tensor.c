/* Shapes, element types and host tensors. */
#include "op_harness.h"
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_shape_count(void)
{
    static const struct {
        thaw_shape shape;
        thaw_status status;
        int64_t count;
        const char *text;
    } cases[] = {
        {{0, {0}}, THAW_OK, 1, "[]"},
        {{1, {7}}, THAW_OK, 7, "[7]"},
        {{4, {8, 3, 224, 224}}, THAW_OK, 1204224, "[8,3,224,224]"},
        {{3, {5, 0, 7}}, THAW_OK, 0, "[5,0,7]"},
        {{2, {0, INT64_MAX}}, THAW_OK, 0, "[0,9223372036854775807]"},
        {{2, {INT64_MAX, 2}}, THAW_ERR_SIZE, 0, "[9223372036854775807,2]"},
        {{3, {INT64_MAX, 2, 0}}, THAW_ERR_SIZE, 0, "[9223372036854775807,2,0]"},
        {{2, {-1, 3}}, THAW_ERR_SIZE, 0, "[?,3]"},
        {{2, {3, INT64_MIN}}, THAW_ERR_SIZE, 0, "[3,-9223372036854775808]"},
        {{8, {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN}},
         THAW_ERR_SIZE,
         0,
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[THAW_SHAPE_TEXT];
        int64_t count = 0;
        CU_ASSERT_EQUAL(thaw_shape_count(test_context(), &cases[i].shape, &count), cases[i].status);
        CU_ASSERT_EQUAL(count, cases[i].count);
        thaw_shape_text(&cases[i].shape, text);
        CU_ASSERT(strlen(text) < THAW_SHAPE_TEXT);
        if (cases[i].text)
            CU_ASSERT_STRING_EQUAL(text, cases[i].text);
    }
    const thaw_shape deep = {9, {1}};
    int64_t count;
    CU_ASSERT_EQUAL(thaw_shape_count(test_context(), &deep, &count), THAW_ERR_SIZE);
}

static void test_shape_parts(void)
{
    const thaw_shape shape = {4, {2, 3, 5, 7}}, other = {4, {2, 3, 5, 8}}, shorter = {3, {2, 3, 5}};
    int64_t strides[THAW_MAX_RANK];
    thaw_shape_strides(&shape, strides);
    CU_ASSERT(strides[0] == 105 && strides[1] == 35 && strides[2] == 7 && strides[3] == 1);
    CU_ASSERT_EQUAL(thaw_shape_size(&shape), 210);
    CU_ASSERT_EQUAL(thaw_shape_span(&shape, 1, 3), 15);
    CU_ASSERT_EQUAL(thaw_shape_span(&shape, 2, 2), 1);
    CU_ASSERT_TRUE(thaw_shape_equal(&shape, &shape));
    CU_ASSERT_FALSE(thaw_shape_equal(&shape, &other));
    CU_ASSERT_FALSE(thaw_shape_equal(&shape, &shorter));
}

static void test_broadcast(void)
{
    static const struct {
        thaw_shape a, b, out;
        thaw_status status;
    } cases[] = {
        {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 4}}, THAW_OK},
        {{2, {3, 1}}, {2, {1, 4}}, {2, {3, 4}}, THAW_OK},
        {{4, {8, 3, 5, 5}}, {3, {3, 1, 1}}, {4, {8, 3, 5, 5}}, THAW_OK},
        {{0, {0}}, {2, {3, 4}}, {2, {3, 4}}, THAW_OK},
        {{1, {0}}, {1, {1}}, {1, {0}}, THAW_OK},
        {{1, {3}}, {1, {4}}, {0, {0}}, THAW_ERR_SHAPE},
        {{1, {0}}, {1, {3}}, {0, {0}}, THAW_ERR_SHAPE},
        {{2, {3, 4}}, {1, {3}}, {0, {0}}, THAW_ERR_SHAPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_shape out = {0}, swapped = {0};
        CU_ASSERT_EQUAL(thaw_shape_broadcast(test_context(), &cases[i].a, &cases[i].b, &out), cases[i].status);
        CU_ASSERT_EQUAL(thaw_shape_broadcast(test_context(), &cases[i].b, &cases[i].a, &swapped), cases[i].status);
        CU_ASSERT_TRUE(thaw_shape_equal(&out, &cases[i].out));
        CU_ASSERT_TRUE(thaw_shape_equal(&swapped, &cases[i].out));
    }
}

static void test_dtypes(void)
{
    for (int i = 0; i < THAW_DTYPE_COUNT; i++) {
        thaw_dtype back;
        CU_ASSERT_TRUE(thaw_dtype_from_onnx(thaw_dtype_to_onnx((thaw_dtype)i), &back));
        CU_ASSERT_EQUAL(back, (thaw_dtype)i);
        CU_ASSERT_NOT_EQUAL(thaw_dtype_is_float((thaw_dtype)i), thaw_dtype_is_integer((thaw_dtype)i));
    }
    static const int32_t unknown[] = {0, -1, 8, 14, 15, 17, 22, 99};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        thaw_dtype dtype;
        CU_ASSERT_FALSE(thaw_dtype_from_onnx(unknown[i], &dtype));
    }
    CU_ASSERT_EQUAL(thaw_dtype_bytes(THAW_BFLOAT16), 2);
    CU_ASSERT_STRING_EQUAL(thaw_dtype_text(THAW_FLOAT64), "float64");
}

/* Arrays are converted by other code: every half, and floats all around. */
static void test_half_arrays(void)
{
    enum { COUNT = 65536 };
    static uint16_t halves[COUNT], again[COUNT];
    static float floats[COUNT];
    int wrong = 0;
    for (size_t i = 0; i < COUNT; i++)
        halves[i] = (uint16_t)i;
    thaw_halves_to_floats(halves, COUNT, floats);
    for (size_t i = 0; i < COUNT; i++) {
        const float one = thaw_half_to_float(halves[i]);
        wrong += isnan(one) ? !isnan(floats[i]) : memcmp(&one, &floats[i], sizeof one) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (uint32_t step = 0; step < 64; step++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            const uint32_t bits = (i << 16 | (i * 2654435761u >> 8 & 0xffff)) ^ step
                                                                                    << 10; /* every sign and exponent */
            memcpy(&floats[i], &bits, sizeof bits);
        }
        thaw_halves_from_floats(floats, COUNT, again);
        for (size_t i = 0; i < COUNT; i++) {
            const bool same = again[i] == thaw_float_to_half(floats[i]);
            wrong += isnan(floats[i]) ? !isnan(thaw_half_to_float(again[i])) : !same;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_halves(void)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const float value = thaw_half_to_float((uint16_t)bits);
        const uint16_t back = thaw_float_to_half(value);
        if (isnan(value) ? !isnan(thaw_half_to_float(back)) : back != bits)
            CU_FAIL("a half changed on its way through float");
    }
    static const struct {
        float value;
        uint16_t half;
    } cases[] = {{1.0f, 0x3c00},           {-2.0f, 0xc000},          {65504.0f, 0x7bff},   {65519.0f, 0x7bff},
                 {65520.0f, 0x7c00},       {1e30f, 0x7c00},          {-1e30f, 0xfc00},     {0x1p-24f, 0x0001},
                 {0x1p-25f, 0x0000},       {0x1.8p-25f, 0x0001},     {0x1.8p-24f, 0x0002}, {0x1.ffcp-15f, 0x0400},
                 {1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02}, {-0.0f, 0x8000},      {INFINITY, 0x7c00}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(thaw_float_to_half(cases[i].value), cases[i].half);
    CU_ASSERT_EQUAL(thaw_half_to_float(0x3555), 0x1.554p-2f);
    test_half_arrays();
}

/* A number put into a tensor of each type, and what comes out. */
static void test_elements(void)
{
    static const struct {
        thaw_dtype dtype;
        double in, out;
        int64_t out_int;
    } cases[] = {
        {THAW_FLOAT32, 1.5, 1.5, 1},
        {THAW_FLOAT32, -1.9, (double)-1.9f, -1},
        {THAW_FLOAT32, 1e30, (double)1e30f, INT64_MAX},
        {THAW_FLOAT64, -1e30, -1e30, INT64_MIN},
        {THAW_FLOAT64, 0x1.23456789abcdep5, 0x1.23456789abcdep5, 36},
        {THAW_FLOAT16, 1.0 + 0x1p-11 + 0x1p-40, 1.0 + 0x1p-10, 1}, /* one rounding, not two */
        {THAW_FLOAT16, 70000, INFINITY, INT64_MAX},
        {THAW_BFLOAT16, 1.0 + 0x1p-8 + 0x1p-40, 1.0 + 0x1p-7, 1},
        {THAW_BFLOAT16, 3e38, 0x1.c4p127, INT64_MAX},
        {THAW_BFLOAT16, -3.5, -3.5, -3},
        {THAW_BFLOAT16, 0x1p-133, 0x1p-133, 0},
        {THAW_UINT8, 255, 255, 255},
        {THAW_UINT8, 257, 1, 1},
        {THAW_INT8, 200, -56, -56},
        {THAW_INT8, -1.9, -1, -1},
        {THAW_UINT16, 65537, 1, 1},
        {THAW_INT16, 40000, -25536, -25536},
        {THAW_INT32, 3e9, -1294967296, -1294967296},
        {THAW_UINT32, 3e9, 3e9, 3000000000},
        {THAW_INT64, 0x1p62, 0x1p62, (int64_t)1 << 62},
        {THAW_INT64, 1e300, 0x1p63, INT64_MAX},
        {THAW_INT64, NAN, 0, 0},
        {THAW_UINT64, 0x1p63, 0x1p63, INT64_MIN},
        {THAW_UINT64, 1e300, 0x1p64, -1},
        {THAW_BOOL, 0.25, 1, 1},
        {THAW_BOOL, 0, 0, 0},
    };
    const thaw_shape shape = {1, {3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_tensor *tensor;
        CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), cases[i].dtype, &shape, &tensor), THAW_OK);
        thaw_tensor_set(tensor, 1, cases[i].in);
        CU_ASSERT_EQUAL(thaw_tensor_get(tensor, 1), cases[i].out);
        CU_ASSERT_EQUAL(thaw_tensor_get_int(tensor, 1), cases[i].out_int);
        CU_ASSERT(thaw_tensor_get(tensor, 0) == 0 && thaw_tensor_get(tensor, 2) == 0);
        thaw_tensor_set_int(tensor, 2, -3);
        const int64_t minus_three = thaw_tensor_get_int(tensor, 2);
        const size_t bits = 8 * thaw_dtype_bytes(cases[i].dtype);
        const int64_t mask = bits < 64 ? ((int64_t)1 << bits) - 1 : -1;
        CU_ASSERT(minus_three == -3 || minus_three == (-3 & mask) || (cases[i].dtype == THAW_BOOL && minus_three == 1));
        thaw_tensor_release(&tensor);
    }
}

static void test_lifetime(void)
{
    thaw_context *context = test_context();
    const thaw_shape shape = {2, {3, 5}}, huge = {2, {(int64_t)1 << 31, (int64_t)1 << 31}}, empty = {2, {0, 5}};
    thaw_tensor *tensor, *other;
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(context, THAW_INT16, &shape, &tensor), THAW_OK);
    CU_ASSERT(tensor->count == 15 && tensor->bytes == 30);
    other = thaw_tensor_retain(tensor);
    thaw_tensor_release(&tensor);
    CU_ASSERT_PTR_NULL(tensor);
    CU_ASSERT_EQUAL(other->count, 15);
    thaw_tensor_release(&other);
    thaw_tensor_release(&other);
    thaw_tensor_release(NULL);

    CU_ASSERT_EQUAL(thaw_tensor_create(context, THAW_FLOAT64, &huge, &tensor), THAW_ERR_SIZE);
    CU_ASSERT_PTR_NULL(tensor);
    CU_ASSERT_EQUAL(thaw_tensor_create(context, THAW_FLOAT32, &empty, &tensor), THAW_OK);
    CU_ASSERT(tensor->count == 0 && tensor->bytes == 0 && tensor->data);
    thaw_tensor_release(&tensor);

    static const int32_t numbers[15] = {4, 5, 6};
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_borrow(context, THAW_INT32, &shape, numbers, &tensor), THAW_OK);
    CU_ASSERT_PTR_EQUAL(tensor->data, numbers);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_to_float32(context, tensor, &other), THAW_OK);
    CU_ASSERT_EQUAL(((const float *)other->data)[2], 6.0f);
    thaw_tensor_release(&tensor);
    CU_ASSERT_EQUAL(thaw_tensor_to_float32(context, other, &tensor), THAW_OK);
    CU_ASSERT_PTR_EQUAL(tensor, other);
    thaw_tensor_release(&tensor);
    thaw_tensor_release(&other);
}

void suite_tensor(void)
{
    static const test_entry tests[] = {{"element counts and text", test_shape_count},
                                       {"strides, spans, equality", test_shape_parts},
                                       {"broadcasting", test_broadcast},
                                       {"element types", test_dtypes},
                                       {"half floats", test_halves},
                                       {"elements in and out", test_elements},
                                       {"lifetime", test_lifetime}};
    TEST_SUITE("tensor", tests);
}
