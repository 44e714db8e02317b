/* Weights in files beside an ONNX model: read where they belong to it, refused where they lead elsewhere. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", test_folder(), name);
}

/* Bytes of zeros, then the tensor's, then some more. */
static void write_data(const char *name, const onnx_tensor *tensor, size_t before, size_t behind)
{
    char path[512];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (size_t i = 0; i < before; i++)
        fputc(0, file);
    CU_ASSERT_EQUAL(fwrite(tensor->raw_data.data, 1, tensor->raw_data.len, file), tensor->raw_data.len);
    for (size_t i = 0; i < behind; i++)
        fputc(0, file);
    fclose(file);
}

/* Lets the weight say that its data is elsewhere; NULL leaves an entry out. */
static void move_out(onnx_subject *s, onnx_tensor *tensor, const char *location, const char *offset, const char *length)
{
    const char *const keys[] = {"location", "offset", "length"}, *const values[] = {location, offset, length};
    static onnx_pair pairs[3];
    static onnx_pair *list[3];
    tensor->n_external_data = 0;
    for (size_t i = 0; i < 3; i++) {
        onnx__string_string_entry_proto__init(&pairs[i]);
        if (!values[i])
            continue;
        pairs[i].key = subject_text(s, keys[i]);
        pairs[i].value = subject_text(s, values[i]);
        list[tensor->n_external_data++] = &pairs[i];
    }
    tensor->external_data = list;
    tensor->has_data_location = 1;
    tensor->data_location = 1;
    tensor->raw_data.len = 0;
    tensor->has_raw_data = 0;
}

/* The weight in a file of its own, from byte 64 on; the model written from that has it inside, and needs no other. */
static void test_read(void)
{
    char path[512], folder[512], data[512];
    onnx_subject plain, moved;
    thaw_model *wanted, *model, *again;
    subject_classifier(&plain);
    subject_classifier(&moved);
    onnx_tensor *weight = moved.initializers[0];
    char length[32];
    snprintf(length, sizeof length, "%zu", weight->raw_data.len);
    path_of("weights", folder);
    mkdir(folder, 0777);
    write_data("weights/w.bin", weight, 64, 3);
    move_out(&moved, weight, "weights/w.bin", "64", length);
    CU_ASSERT_EQUAL_FATAL(subject_load(&plain, &wanted), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(subject_load(&moved, &model), THAW_OK);
    path_of("inside.onnx", path);
    path_of("weights/w.bin", data);
    CU_ASSERT_EQUAL(thaw_model_save(model, path), THAW_OK);
    thaw_model_close(&model);
    unlink(data);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), path, &again), THAW_OK);
    const thaw_tensor *before = thaw_graph_find_value(wanted->graph, "w")->constant;
    const thaw_tensor *after = thaw_graph_find_value(again->graph, "w")->constant;
    CU_ASSERT_EQUAL_FATAL(before->bytes, after->bytes);
    CU_ASSERT_EQUAL(memcmp(before->data, after->data, before->bytes), 0);
    thaw_model_close(&wanted);
    thaw_model_close(&again);
    subject_close(&plain);
    subject_close(&moved);
    unlink(path);
    rmdir(folder);
}

static void test_refused(void)
{
    static const struct {
        const char *location, *offset, *length;
        thaw_status status;
        const char *message;
    } cases[] = {
        {"data.bin", NULL, NULL, THAW_OK, ""},
        {"./data.bin", "4", NULL, THAW_OK, ""},
        {"inner", "0", NULL, THAW_OK, ""},
        {NULL, "0", NULL, THAW_ERR_MODEL, "no location"},
        {"", NULL, NULL, THAW_ERR_MODEL, "no location"},
        {"/etc/hostname", NULL, NULL, THAW_ERR_MODEL, "not below the model's folder"},
        {"../data.bin", NULL, NULL, THAW_ERR_MODEL, "not below the model's folder"},
        {"a/../../data.bin", NULL, NULL, THAW_ERR_MODEL, "not below the model's folder"},
        {"a/..", NULL, NULL, THAW_ERR_MODEL, "not below the model's folder"},
        {"..\\data.bin", NULL, NULL, THAW_ERR_MODEL, "not below the model's folder"},
        {"outer", NULL, NULL, THAW_ERR_MODEL, "leads out of the model's folder"},
        {"missing.bin", NULL, NULL, THAW_ERR_IO, "can't be opened"},
        {".", NULL, NULL, THAW_ERR_MODEL, "leads out of the model's folder"},
        {"data.bin", "5", NULL, THAW_ERR_MODEL, "from byte 5 on"},
        {"data.bin", "18446744073709551615", NULL, THAW_ERR_MODEL, "more than"},
        {"data.bin", "-4", NULL, THAW_ERR_MODEL, "offset"},
        {"data.bin", "4x", NULL, THAW_ERR_MODEL, "offset"},
        {"data.bin", "99999999999999999999", NULL, THAW_ERR_MODEL, "offset"},
        {"data.bin", NULL, "4", THAW_ERR_MODEL, "4 bytes where"},
        {"data.bin", NULL, "", THAW_ERR_MODEL, "length"},
    };
    char inner[512], outer[512], data[512];
    onnx_subject first;
    subject_classifier(&first);
    write_data("data.bin", first.initializers[0], 0, 4);
    subject_close(&first);
    path_of("data.bin", data);
    path_of("inner", inner);
    path_of("outer", outer);
    CU_ASSERT_EQUAL(symlink("data.bin", inner), 0);
    CU_ASSERT_EQUAL(symlink("/etc/passwd", outer), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        onnx_subject subject;
        thaw_model *model;
        subject_classifier(&subject);
        move_out(&subject, subject.initializers[0], cases[i].location, cases[i].offset, cases[i].length);
        CU_ASSERT_EQUAL(subject_load(&subject, &model), cases[i].status);
        if (cases[i].status != THAW_OK && !strstr(thaw_error_message(test_context()), cases[i].message)) {
            printf("\n    '%s' is not in '%s'", cases[i].message, thaw_error_message(test_context()));
            CU_FAIL("another message was expected");
        }
        thaw_model_close(&model);
        subject_close(&subject);
    }
    unlink(inner);
    unlink(outer);
    unlink(data);
}

/* A small file that claims to have a large weight gets no memory for it. */
static void test_huge(void)
{
    onnx_subject subject;
    thaw_model *model;
    subject_classifier(&subject);
    write_data("data.bin", subject.initializers[0], 0, 0);
    move_out(&subject, subject.initializers[0], "data.bin", NULL, NULL);
    subject.initializers[0]->dims[0] = INT64_C(1) << 40;
    CU_ASSERT_EQUAL(subject_load(&subject, &model), THAW_ERR_MODEL);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "elements are more than"));
    subject_close(&subject);
    char data[512];
    path_of("data.bin", data);
    unlink(data);
}

void suite_onnx_external(void)
{
    static const test_entry tests[] = {{"read", test_read}, {"refused", test_refused}, {"huge", test_huge}};
    TEST_SUITE("onnx_external", tests);
}
