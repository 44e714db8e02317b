/* Reading ONNX: what the messages become. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include "base/file.h"
#include "format/onnx_tensor.h"

#include <stdlib.h>
#include <string.h>

static void test_graph(void)
{
    onnx_subject subject;
    thaw_model *model;
    subject_classifier(&subject);
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    const thaw_graph *graph = model->graph;
    CU_ASSERT_EQUAL(graph->node_count, 6);
    CU_ASSERT_EQUAL(graph->opset, 13);
    CU_ASSERT_EQUAL(graph->file_batch, 0);
    CU_ASSERT_EQUAL(thaw_model_input_count(model), 1);
    CU_ASSERT_STRING_EQUAL(thaw_model_input_name(model, 0), "x");
    CU_ASSERT_PTR_NULL(thaw_model_input_name(model, 1));
    CU_ASSERT_STRING_EQUAL(thaw_model_output_name(model, 0), "prob");
    const thaw_node *conv = graph->nodes[0];
    CU_ASSERT_STRING_EQUAL(conv->name, "conv");
    CU_ASSERT(conv->input_count == 3 && conv->inputs[1] == thaw_graph_find_value(graph, "w"));
    CU_ASSERT_EQUAL(conv->inputs[1]->constant->shape.dims[1], 3);
    CU_ASSERT_EQUAL(thaw_tensor_get(conv->inputs[1]->constant, 9), 1.125);
    CU_ASSERT_PTR_EQUAL(conv->outputs[0]->producer, conv);
    CU_ASSERT(conv->outputs[0]->shape_known && conv->outputs[0]->shape.dims[3] == 2);
    CU_ASSERT_EQUAL(thaw_node_int(graph->nodes[4], "transB", 0), 1);
    thaw_model_close(&model);
    CU_ASSERT_PTR_NULL(model);
    thaw_model_close(&model);
    subject_close(&subject);
}

/* Initializers listed as inputs, a batch fixed in the file, open and missing dimensions, absent optional inputs, an
 * unnamed node. */
static void test_inputs(void)
{
    onnx_subject subject;
    thaw_model *model;
    subject_classifier(&subject);
    subject_input(&subject, "w", (thaw_shape){4, {4, 3, 3, 3}});
    subject_input(&subject, "unused", (thaw_shape){1, {2}});
    subject.inputs[0]->type->tensor_type->shape->dim[0]->value_case =
        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    subject.inputs[0]->type->tensor_type->shape->dim[0]->dim_value = 16;
    subject.inputs[0]->type->tensor_type->shape->dim[2]->dim_value = 0;
    subject.inputs[2]->type->tensor_type->shape = NULL;
    subject.nodes[0]->input[2] = subject_text(&subject, "");
    subject.nodes[0]->name = NULL;
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    const thaw_graph *graph = model->graph;
    CU_ASSERT_EQUAL(graph->file_batch, 16);
    CU_ASSERT_EQUAL(thaw_model_input_count(model), 2);
    CU_ASSERT_STRING_EQUAL(thaw_model_input_name(model, 1), "unused");
    CU_ASSERT(graph->inputs[0]->shape.dims[2] == -1 && graph->inputs[0]->shape.dims[3] == 4);
    CU_ASSERT_FALSE(graph->inputs[1]->shape_known);
    CU_ASSERT_EQUAL(graph->nodes[0]->input_count, 2);
    CU_ASSERT(strlen(graph->nodes[0]->name) > 0);
    thaw_model_close(&model);
    subject_close(&subject);
}

/* --- initializers ------------------------------------------------------------------------------------------------- */

/* Two numbers in every typed list that the format has for them. */
static void test_typed_lists(void)
{
    static int32_t small[] = {-1, 2}, bytes[] = {250, 2}, flags[] = {1, 0}, halves[] = {0x3c00, 0xc000},
                   brains[] = {0x3f80, 0xc000};
    static float floats[] = {0.5f, -2};
    static double doubles[] = {0.1, -2};
    static int64_t longs[] = {INT64_MIN, 2};
    static uint64_t unsigneds[] = {4294967295u, 2};
    static const struct {
        thaw_dtype dtype;
        const void *list;
        double expected[2];
    } cases[] = {
        {THAW_FLOAT32, floats, {0.5, -2}},
        {THAW_FLOAT64, doubles, {0.1, -2}},
        {THAW_INT64, longs, {-0x1p63, 2}},
        {THAW_UINT64, unsigneds, {4294967295, 2}},
        {THAW_UINT32, unsigneds, {4294967295, 2}},
        {THAW_INT32, small, {-1, 2}},
        {THAW_INT16, small, {-1, 2}},
        {THAW_INT8, small, {-1, 2}},
        {THAW_UINT16, bytes, {250, 2}},
        {THAW_UINT8, bytes, {250, 2}},
        {THAW_BOOL, flags, {1, 0}},
        {THAW_FLOAT16, halves, {1, -2}},
        {THAW_BFLOAT16, brains, {1, -2}},
    };
    CU_ASSERT_EQUAL(sizeof cases / sizeof cases[0], THAW_DTYPE_COUNT);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t dims[] = {2, 1};
        onnx_tensor message = ONNX__TENSOR_PROTO__INIT;
        message.data_type = thaw_dtype_to_onnx(cases[i].dtype);
        message.n_dims = 2;
        message.dims = dims;
        void *list = (void *)(uintptr_t)cases[i].list;
        if (list == floats)
            message.n_float_data = 2, message.float_data = list;
        else if (list == doubles)
            message.n_double_data = 2, message.double_data = list;
        else if (list == longs)
            message.n_int64_data = 2, message.int64_data = list;
        else if (list == unsigneds)
            message.n_uint64_data = 2, message.uint64_data = list;
        else
            message.n_int32_data = 2, message.int32_data = list;
        thaw_tensor *tensor;
        CU_ASSERT_EQUAL_FATAL(thaw_onnx_read_tensor(test_context(), NULL, &message, &tensor), THAW_OK);
        CU_ASSERT(tensor->dtype == cases[i].dtype && tensor->count == 2);
        CU_ASSERT_EQUAL(thaw_tensor_get(tensor, 0), cases[i].expected[0]);
        CU_ASSERT_EQUAL(thaw_tensor_get(tensor, 1), cases[i].expected[1]);
        thaw_tensor_release(&tensor);
    }
}

static void test_raw_data(void)
{
    for (int dtype = 0; dtype < THAW_DTYPE_COUNT; dtype++) {
        onnx_subject subject;
        thaw_model *model;
        subject_classifier(&subject);
        subject_initializer(&subject, "extra", (thaw_dtype)dtype, (thaw_shape){2, {5, 7}});
        subject_initializer(&subject, "scalar", (thaw_dtype)dtype, (thaw_shape){0, {0}});
        subject_initializer(&subject, "empty", (thaw_dtype)dtype, (thaw_shape){2, {0, 7}});
        CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
        const thaw_tensor *extra = thaw_graph_find_value(model->graph, "extra")->constant;
        CU_ASSERT(extra->dtype == (thaw_dtype)dtype && extra->count == 35);
        CU_ASSERT_EQUAL(memcmp(extra->data, subject.initializers[4]->raw_data.data, extra->bytes), 0);
        CU_ASSERT_EQUAL(thaw_graph_find_value(model->graph, "scalar")->constant->count, 1);
        CU_ASSERT_EQUAL(thaw_graph_find_value(model->graph, "empty")->constant->count, 0);
        thaw_model_close(&model);
        subject_close(&subject);
    }
}

static void test_tensor_file(void)
{
    onnx_subject subject;
    subject_open(&subject);
    const onnx_tensor *message = subject_initializer(&subject, "t", THAW_FLOAT16, (thaw_shape){1, {3}});
    uint8_t bytes[256];
    const size_t size = onnx__tensor_proto__pack(message, bytes);
    char path[256];
    snprintf(path, sizeof path, "%s/tensor.pb", test_folder());
    thaw_tensor *tensor;
    CU_ASSERT_EQUAL(thaw_file_write(test_context(), path, bytes, size), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_onnx_tensor_read(test_context(), path, &tensor), THAW_OK);
    CU_ASSERT(tensor->dtype == THAW_FLOAT16 && thaw_tensor_get(tensor, 2) == 0.25);
    thaw_tensor_release(&tensor);
    CU_ASSERT_EQUAL(thaw_file_write(test_context(), path, bytes, size - 1), THAW_OK);
    CU_ASSERT_EQUAL(thaw_onnx_tensor_read(test_context(), path, &tensor), THAW_ERR_MODEL);
    CU_ASSERT_PTR_NULL(tensor);
    subject_close(&subject);
}

void suite_onnx(void)
{
    static const test_entry tests[] = {{"a graph", test_graph},
                                       {"inputs", test_inputs},
                                       {"initializers in typed lists", test_typed_lists},
                                       {"initializers as raw data", test_raw_data},
                                       {"a tensor's file", test_tensor_file}};
    TEST_SUITE("onnx", tests);
}
