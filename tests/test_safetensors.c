/* Safetensors: what is written is read again; what breaks the rules is refused. */
#include "op_harness.h"
#include "test.h"

#include "base/file.h"
#include "format/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *file_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/some.safetensors", test_folder());
    return path;
}

static const float floats[6] = {1, -2, 3.5f, 0, 1e30f, -0.0f};
static const uint8_t bytes[3] = {1, 2, 255};
static const int64_t longs[2] = {-1, INT64_MAX};
static const thaw_safetensor tensors[] = {
    {"small", THAW_UINT8, {1, {3}}, bytes, sizeof bytes},
    {"b", THAW_FLOAT32, {2, {2, 3}}, floats, sizeof floats},
    {"a", THAW_FLOAT32, {1, {1}}, floats, sizeof(float)},
    {"empty", THAW_FLOAT32, {2, {0, 7}}, floats, 0},
    {"scalar \xc3\xa9\"\\", THAW_FLOAT32, {0}, floats + 2, sizeof(float)},
    {"long", THAW_INT64, {1, {2}}, longs, sizeof longs},
};
enum { COUNT = sizeof tensors / sizeof tensors[0] };
static const thaw_safetensors_note notes[] = {{"z", "last"}, {"format", "pt"}};

static void round_trip(void)
{
    thaw_safetensors file;
    uint8_t *first, *second;
    size_t first_size, second_size;
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_write(test_context(), file_path(), tensors, COUNT, notes, 2), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), file_path(), 1 << 20, &first, &first_size), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_read(test_context(), file_path(), 1 << 20, &file), THAW_OK);
    CU_ASSERT_EQUAL(file.count, COUNT);
    CU_ASSERT_STRING_EQUAL(file.tensors[0].name, "long"); /* by size, then by name */
    CU_ASSERT_EQUAL(((const uint8_t *)file.tensors[0].data - file.bytes) % 8, 0);
    for (size_t i = 0; i < COUNT; i++) {
        const thaw_safetensor *found = thaw_safetensors_find(&file, tensors[i].name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(found);
        CU_ASSERT_EQUAL(found->dtype, tensors[i].dtype);
        CU_ASSERT(thaw_shape_equal(&found->shape, &tensors[i].shape));
        CU_ASSERT(found->bytes == tensors[i].bytes && memcmp(found->data, tensors[i].data, found->bytes) == 0);
    }
    CU_ASSERT_STRING_EQUAL(thaw_safetensors_note_of(&file, "format"), "pt");
    CU_ASSERT_PTR_NULL(thaw_safetensors_note_of(&file, "none"));
    CU_ASSERT_PTR_NULL(thaw_safetensors_find(&file, "none"));
    /* The same content in another order gives the same bytes. */
    CU_ASSERT_EQUAL(thaw_safetensors_write(test_context(), file_path(), file.tensors, COUNT, file.notes, 2), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), file_path(), 1 << 20, &second, &second_size), THAW_OK);
    CU_ASSERT(first_size == second_size && memcmp(first, second, first_size) == 0);
    thaw_safetensors_free(&file);
    free(first);
    free(second);
}

static void put(const void *content, size_t size)
{
    FILE *file = fopen(file_path(), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(content, 1, size, file), size);
    fclose(file);
}

static thaw_status read_back(void)
{
    thaw_safetensors file;
    const thaw_status status = thaw_safetensors_read(test_context(), file_path(), 1 << 20, &file);
    if (status != THAW_OK)
        CU_ASSERT_EQUAL(strncmp(thaw_error_message(test_context()), file_path(), strlen(file_path())), 0);
    thaw_safetensors_free(&file);
    return status;
}

/* A header with `data_bytes` zeros behind it. */
static thaw_status read_header(const char *header, size_t data_bytes)
{
    uint8_t content[1024] = {0};
    const size_t length = strlen(header);
    content[0] = (uint8_t)length;
    content[1] = (uint8_t)(length >> 8);
    memcpy(content + 8, header, length);
    put(content, 8 + length + data_bytes);
    return read_back();
}

static void refused(void)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        thaw_status status;
    } cases[] = {
        {"{}", 0, THAW_OK},
        {"{}   ", 0, THAW_OK},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, THAW_OK},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, THAW_OK},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         2, THAW_OK},
        {"", 0, THAW_ERR_MODEL},
        {" {}", 0, THAW_ERR_MODEL},
        {"[]", 0, THAW_ERR_MODEL},
        {"{", 0, THAW_ERR_MODEL},
        {"{}x", 0, THAW_ERR_MODEL},
        {"{}", 1, THAW_ERR_MODEL}, /* bytes that belong to nothing */
        {"{\"a\":1}", 0, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, THAW_ERR_MODEL},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         1, THAW_ERR_MODEL}, /* a name twice */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, THAW_ERR_MODEL}, /* overlap */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
         3, THAW_ERR_MODEL}, /* a gap */
        {"{\"__metadata__\":{\"a\":1}}", 0, THAW_ERR_MODEL},
        {"{\"__metadata__\":[]}", 0, THAW_ERR_MODEL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(read_header(cases[i].header, cases[i].data_bytes), cases[i].status);
}

/* A file cut off anywhere, or with a length that can't be, is refused. */
static void damaged(void)
{
    uint8_t *whole;
    size_t size;
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_write(test_context(), file_path(), tensors, COUNT, notes, 2), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), file_path(), 1 << 20, &whole, &size), THAW_OK);
    for (size_t length = 0; length < size; length++) {
        put(whole, length);
        CU_ASSERT_EQUAL(read_back(), THAW_ERR_MODEL);
    }
    for (size_t i = 0; i < 8; i++) {
        whole[i] ^= 0x80;
        put(whole, size);
        CU_ASSERT_EQUAL(read_back(), THAW_ERR_MODEL);
        whole[i] ^= 0x80;
    }
    put(whole, size);
    CU_ASSERT_EQUAL(read_back(), THAW_OK);
    thaw_safetensors file;
    CU_ASSERT_EQUAL(thaw_safetensors_read(test_context(), file_path(), size - 1, &file), THAW_ERR_SIZE);
    CU_ASSERT_EQUAL(thaw_safetensors_read(test_context(), "no/such/file", 100, &file), THAW_ERR_IO);
    free(whole);
}

static void not_written(void)
{
    const thaw_safetensor twice[] = {tensors[0], tensors[0]};
    const thaw_safetensor foreign = {"\xff", THAW_UINT8, {1, {3}}, bytes, sizeof bytes};
    const thaw_safetensors_note bad_note = {"a", "\xff"};
    char path[256];
    snprintf(path, sizeof path, "%s/not_written", test_folder());
    CU_ASSERT_EQUAL(thaw_safetensors_write(test_context(), path, twice, 2, NULL, 0), THAW_ERR_DATA);
    CU_ASSERT_EQUAL(thaw_safetensors_write(test_context(), path, &foreign, 1, NULL, 0), THAW_ERR_DATA);
    CU_ASSERT_EQUAL(thaw_safetensors_write(test_context(), path, NULL, 0, &bad_note, 1), THAW_ERR_DATA);
    CU_ASSERT_PTR_NULL(fopen(path, "rb"));
    CU_ASSERT_EQUAL(thaw_safetensors_write(test_context(), "no/such/file", tensors, COUNT, notes, 2), THAW_ERR_IO);
}

void suite_safetensors(void)
{
    static const test_entry tests[] = {
        {"round trip", round_trip}, {"refused", refused}, {"damaged", damaged}, {"not written", not_written}};
    TEST_SUITE("safetensors", tests);
}
