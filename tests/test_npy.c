/* .npy files: round trips, headers as others write them, damaged ones. */
#include "op_harness.h"
#include "test.h"

#include "base/file.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

static const char *npy_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/x.npy", test_folder());
    return path;
}

static void put_file(const void *bytes, size_t size)
{
    FILE *file = fopen(npy_path(), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void test_round_trip(void)
{
    static const thaw_shape shapes[] = {{0, {0}},           {1, {7}},    {2, {3, 5}},
                                        {4, {2, 1, 3, 17}}, {2, {0, 4}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int dtype = 0; dtype < THAW_DTYPE_COUNT; dtype++) {
            thaw_tensor *tensor, *back;
            CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), (thaw_dtype)dtype, &shapes[s], &tensor), THAW_OK);
            for (int64_t i = 0; i < tensor->count; i++)
                thaw_tensor_set(tensor, i, (double)(i * 3 % 50));
            const thaw_status expected = dtype == THAW_BFLOAT16 ? THAW_ERR_DATA : THAW_OK;
            CU_ASSERT_EQUAL(thaw_npy_write(test_context(), npy_path(), tensor), expected);
            if (expected == THAW_OK) {
                CU_ASSERT_EQUAL_FATAL(thaw_npy_read(test_context(), npy_path(), &back), THAW_OK);
                CU_ASSERT_EQUAL(back->dtype, tensor->dtype);
                CU_ASSERT_TRUE(thaw_shape_equal(&back->shape, &tensor->shape));
                CU_ASSERT_EQUAL(memcmp(back->data, tensor->data, tensor->bytes), 0);
                thaw_tensor_release(&back);
            }
            thaw_tensor_release(&tensor);
        }
}

/* The exact bytes that NumPy writes for numpy.array([1, 2], "<i2"). */
static void test_exact_bytes(void)
{
    const thaw_shape shape = {1, {2}};
    thaw_tensor *tensor;
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_INT16, &shape, &tensor), THAW_OK);
    thaw_tensor_set(tensor, 0, 1);
    thaw_tensor_set(tensor, 1, 2);
    CU_ASSERT_EQUAL(thaw_npy_write(test_context(), npy_path(), tensor), THAW_OK);
    thaw_tensor_release(&tensor);
    char expected[133];
    snprintf(expected, sizeof expected, "\x93NUMPY\x01_v_%-117s\n\x01_\x02_",
             "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }");
    expected[7] = 0;
    expected[8] = 118;
    expected[9] = 0;
    expected[129] = 0;
    expected[131] = 0;
    uint8_t *bytes;
    size_t size;
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), npy_path(), 1000, &bytes, &size), THAW_OK);
    CU_ASSERT_EQUAL(size, 132);
    CU_ASSERT_EQUAL(memcmp(bytes, expected, 132), 0);
    free(bytes);
}

/* Version, header and four zero bytes of data. Returns the size. */
static size_t make_file(uint8_t version, const char *header, size_t data_bytes, uint8_t bytes[512])
{
    const size_t length = strlen(header), start = version == 1 ? 10 : 12;
    memset(bytes, 0, 512);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = version;
    bytes[8] = (uint8_t)length;
    memcpy(bytes + start, header, length);
    return start + length + data_bytes;
}

static void test_headers(void)
{
    static const struct {
        uint8_t version;
        const char *header;
        size_t data_bytes;
        thaw_status status;
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_OK},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_OK},
        {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_OK},
        {1, "{'shape':(),'fortran_order':False,'descr':'<i4'}", 4, THAW_OK},
        {1, " { 'shape' : ( 2 , 2 , ) , 'fortran_order' : False , 'descr' : '|u1' } ", 4, THAW_ERR_DATA},
        {1, "{ 'shape': ( 2 , 2 , ) , 'fortran_order': False , 'descr': '|u1' } ", 4, THAW_OK},
        {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {0, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", 8, THAW_ERR_DATA},
        {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 5, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4, THAW_ERR_DATA},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, THAW_ERR_DATA},
        {1, "", 4, THAW_ERR_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[512];
        put_file(bytes, make_file(cases[i].version, cases[i].header, cases[i].data_bytes, bytes));
        thaw_tensor *tensor;
        CU_ASSERT_EQUAL(thaw_npy_read(test_context(), npy_path(), &tensor), cases[i].status);
        CU_ASSERT_EQUAL(tensor != NULL, cases[i].status == THAW_OK);
        if (!tensor)
            CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), npy_path()));
        thaw_tensor_release(&tensor);
    }
}

/* Cut anywhere it is refused; with bytes changed it is read or refused. */
static void test_damaged(void)
{
    uint8_t bytes[512];
    const size_t size = make_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }\n", 12, bytes);
    thaw_tensor *tensor;
    for (size_t length = 0; length < size; length++) {
        put_file(bytes, length);
        CU_ASSERT_EQUAL(thaw_npy_read(test_context(), npy_path(), &tensor), THAW_ERR_DATA);
    }
    thaw_random random = {5};
    for (int i = 0; i < 500; i++) {
        uint8_t damaged[512];
        memcpy(damaged, bytes, size);
        for (int j = 0; j < 2; j++)
            damaged[thaw_random_below(&random, size)] = (uint8_t)thaw_random_next(&random);
        put_file(damaged, size);
        const thaw_status status = thaw_npy_read(test_context(), npy_path(), &tensor);
        CU_ASSERT(status == THAW_OK || status == THAW_ERR_DATA);
        thaw_tensor_release(&tensor);
    }
    CU_ASSERT_EQUAL(thaw_npy_read(test_context(), "/no/such/file.npy", &tensor), THAW_ERR_IO);
}

void suite_npy(void)
{
    static const test_entry tests[] = {{"round trip", test_round_trip},
                                       {"NumPy's bytes", test_exact_bytes},
                                       {"headers", test_headers},
                                       {"damaged files", test_damaged}};
    TEST_SUITE("npy", tests);
}
