/* ONNX files that are wrong, hostile or damaged: each gives a status and one line. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

static void no_graph(onnx_subject *s)
{
    s->model.graph = NULL;
}
static void no_nodes(onnx_subject *s)
{
    s->graph.n_node = 0;
}
static void no_outputs(onnx_subject *s)
{
    s->graph.n_output = 0;
}
static void no_opset(onnx_subject *s)
{
    s->model.n_opset_import = 0;
}
static void other_opset(onnx_subject *s)
{
    s->opset.domain = subject_text(s, "ai.onnx.ml");
}
static void old_opset(onnx_subject *s)
{
    s->opset.version = 5;
}
static void negative_opset(onnx_subject *s)
{
    s->opset.version = -9;
}
static void negative_dim(onnx_subject *s)
{
    s->initializers[0]->dims[0] = -4;
}
static void overflowing_dims(onnx_subject *s)
{
    s->initializers[0]->dims[0] = s->initializers[0]->dims[1] = INT64_MAX;
}
static void wrapping_dims(onnx_subject *s)
{
    s->initializers[0]->dims[0] = s->initializers[0]->dims[1] = INT64_C(1) << 32;
}
static void large_dim(onnx_subject *s)
{
    s->initializers[0]->dims[0] = INT64_C(1) << 40;
}
static void zero_dim(onnx_subject *s)
{
    s->initializers[0]->dims[0] = 0;
}
static void nine_dims(onnx_subject *s)
{
    s->initializers[0]->n_dims = 9;
}
static void one_byte_short(onnx_subject *s)
{
    s->initializers[0]->raw_data.len--;
}
static void one_element_short(onnx_subject *s)
{
    s->initializers[0]->raw_data.len -= 4;
}
static void no_data(onnx_subject *s)
{
    s->initializers[0]->raw_data.len = 0;
}
static void wider_type(onnx_subject *s)
{
    s->initializers[0]->data_type = 11;
}
static void type_float8(onnx_subject *s)
{
    s->initializers[0]->data_type = 17;
}
static void type_string(onnx_subject *s)
{
    s->initializers[0]->data_type = 8;
}
static void type_undefined(onnx_subject *s)
{
    s->initializers[0]->data_type = 0;
}
static void type_unheard_of(onnx_subject *s)
{
    s->initializers[0]->data_type = -77;
}
static void nameless_tensor(onnx_subject *s)
{
    s->initializers[0]->name = NULL;
}
static void tensor_twice(onnx_subject *s)
{
    s->initializers[1]->name = s->initializers[0]->name;
}
static void input_twice(onnx_subject *s)
{
    subject_input(s, "x", (thaw_shape){0, {0}});
}
static void nameless_input(onnx_subject *s)
{
    s->inputs[0]->name = NULL;
}
static void typeless_input(onnx_subject *s)
{
    s->inputs[0]->type->tensor_type = NULL;
}
static void string_input(onnx_subject *s)
{
    s->inputs[0]->type->tensor_type->elem_type = 8;
}
static void made_twice(onnx_subject *s)
{
    s->nodes[1]->output[0] = subject_text(s, "c");
}
static void weight_made(onnx_subject *s)
{
    s->nodes[1]->output[0] = subject_text(s, "w");
}
static void input_made(onnx_subject *s)
{
    s->nodes[1]->output[0] = subject_text(s, "x");
}
static void circle(onnx_subject *s)
{
    s->nodes[0]->input[0] = subject_text(s, "prob");
}
static void own_input(onnx_subject *s)
{
    s->nodes[1]->input[0] = subject_text(s, "r");
}
static void dangling(onnx_subject *s)
{
    s->nodes[1]->input[0] = subject_text(s, "nowhere");
}
static void unmade_output(onnx_subject *s)
{
    s->outputs[0]->name = subject_text(s, "nowhere");
}
static void output_twice(onnx_subject *s)
{
    subject_output(s, "prob", (thaw_shape){0, {0}});
}
static void nameless_output(onnx_subject *s)
{
    s->outputs[0]->name = NULL;
}
static void typeless_node(onnx_subject *s)
{
    s->nodes[1]->op_type = NULL;
}
static void one_unknown(onnx_subject *s)
{
    s->nodes[1]->op_type = subject_text(s, "If");
}
static void other_domain(onnx_subject *s)
{
    s->nodes[1]->domain = subject_text(s, "com.example");
}

static void nine_input_dims(onnx_subject *s)
{
    s->graph.n_input = 0;
    subject_input(s, "x", (thaw_shape){8, {1, 1, 1, 1, 1, 1, 1, 1}});
    onnx_shape *shape = s->inputs[0]->type->tensor_type->shape;
    onnx_dimension **dims;
    if (thaw_onnx_allocate(&s->arena, 9, sizeof *dims, &dims) != THAW_OK)
        abort();
    for (size_t i = 0; i < 9; i++)
        dims[i] = shape->dim[0];
    shape->n_dim = 9;
    shape->dim = dims;
}

static void many_unknown(onnx_subject *s)
{
    s->nodes[1]->op_type = subject_text(s, "Loop");
    s->nodes[2]->op_type = subject_text(s, "Fancy\nPool");
    s->nodes[4]->domain = subject_text(s, "com.example");
    s->nodes[4]->name = NULL;
}

static void external_data(onnx_subject *s)
{
    s->initializers[0]->has_data_location = 1;
    s->initializers[0]->data_location = 1;
    s->initializers[0]->has_raw_data = 0;
}

static void segment(onnx_subject *s)
{
    s->initializers[0]->has_segment = 1;
}

static void sparse(onnx_subject *s)
{
    static ProtobufCBinaryData nothing;
    s->graph.n_sparse_initializer = 1;
    s->graph.sparse_initializer = &nothing;
}

static void short_list(onnx_subject *s)
{
    static float three[3];
    s->initializers[1]->has_raw_data = 0;
    s->initializers[1]->raw_data.len = 0;
    s->initializers[1]->n_float_data = 3;
    s->initializers[1]->float_data = three;
}

static void nameless_attribute(onnx_subject *s)
{
    subject_attribute(s, s->nodes[1], "", 1);
}

static void missing_tensor(onnx_subject *s)
{
    subject_attribute(s, s->nodes[1], "value", 1);
    s->nodes[1]->attribute[0]->type = ONNX_TENSOR;
}

static void test_refused(void)
{
    static const struct {
        void (*spoil)(onnx_subject *);
        thaw_status status;
        const char *message; /* a part of it */
    } cases[] = {
        {no_graph, THAW_ERR_MODEL, "no graph"},
        {no_nodes, THAW_ERR_MODEL, "no nodes"},
        {no_outputs, THAW_ERR_MODEL, "no outputs"},
        {no_opset, THAW_ERR_MODEL, "opset_import"},
        {other_opset, THAW_ERR_MODEL, "opset_import"},
        {old_opset, THAW_ERR_UNSUPPORTED, "opset 5"},
        {negative_opset, THAW_ERR_MODEL, "opset"},
        {negative_dim, THAW_ERR_SIZE, "tensor 'w': shape [-4,3,3,3] has a negative"},
        {overflowing_dims, THAW_ERR_SIZE, "too many elements"},
        {wrapping_dims, THAW_ERR_SIZE, "too many elements"},
        {large_dim, THAW_ERR_MODEL, "holds 432 bytes"},
        {zero_dim, THAW_ERR_MODEL, "holds 432 bytes"},
        {nine_dims, THAW_ERR_UNSUPPORTED, "9 dimensions"},
        {one_byte_short, THAW_ERR_MODEL, "holds 431 bytes"},
        {one_element_short, THAW_ERR_MODEL, "holds 428 bytes"},
        {no_data, THAW_ERR_MODEL, "holds 0 numbers"},
        {wider_type, THAW_ERR_MODEL, "float64"},
        {short_list, THAW_ERR_MODEL, "tensor 'b': holds 3 numbers"},
        {type_float8, THAW_ERR_UNSUPPORTED, "float8e4m3fn"},
        {type_string, THAW_ERR_UNSUPPORTED, "string"},
        {type_undefined, THAW_ERR_MODEL, "element type 0"},
        {type_unheard_of, THAW_ERR_MODEL, "element type -77"},
        {external_data, THAW_ERR_MODEL, "no location"},
        {segment, THAW_ERR_UNSUPPORTED, "segment"},
        {sparse, THAW_ERR_UNSUPPORTED, "sparse"},
        {nameless_tensor, THAW_ERR_MODEL, "no name"},
        {tensor_twice, THAW_ERR_MODEL, "'w' is used twice"},
        {input_twice, THAW_ERR_MODEL, "'x' is used twice"},
        {nameless_input, THAW_ERR_MODEL, "no name"},
        {typeless_input, THAW_ERR_UNSUPPORTED, "'x'"},
        {string_input, THAW_ERR_UNSUPPORTED, "'x'"},
        {nine_input_dims, THAW_ERR_UNSUPPORTED, "9 dimensions"},
        {made_twice, THAW_ERR_MODEL, "'c'"},
        {weight_made, THAW_ERR_MODEL, "'w'"},
        {input_made, THAW_ERR_MODEL, "'x'"},
        {circle, THAW_ERR_MODEL, "'prob'"},
        {own_input, THAW_ERR_MODEL, "'r'"},
        {dangling, THAW_ERR_MODEL, "'nowhere'"},
        {unmade_output, THAW_ERR_MODEL, "'nowhere'"},
        {output_twice, THAW_ERR_MODEL, "'prob'"},
        {nameless_output, THAW_ERR_MODEL, "output ''"},
        {typeless_node, THAW_ERR_MODEL, "node 1 has no type"},
        {one_unknown, THAW_ERR_UNSUPPORTED, "1 unsupported node: relu (If)"},
        {other_domain, THAW_ERR_UNSUPPORTED, "relu (com.example.Relu)"},
        {many_unknown, THAW_ERR_UNSUPPORTED,
         "3 unsupported nodes: relu (Loop), pool (Fancy Pool), node 4 (com.example.Gemm)"},
        {nameless_attribute, THAW_ERR_MODEL, "no name"},
        {missing_tensor, THAW_ERR_MODEL, "no tensor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        onnx_subject subject;
        thaw_model *model;
        subject_classifier(&subject);
        cases[i].spoil(&subject);
        CU_ASSERT_EQUAL(subject_load(&subject, &model), cases[i].status);
        if (!strstr(thaw_error_message(test_context()), cases[i].message)) {
            printf("\n    '%s' is not in '%s'", cases[i].message, thaw_error_message(test_context()));
            CU_FAIL("another message was expected");
        }
        thaw_model_close(&model);
        subject_close(&subject);
    }
}

/* --- damaged files ------------------------------------------------------------------------------------------------ */

static void test_not_onnx(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"", 0},
                 {"\x08", 1},
                 {"hello, world", 12},
                 {"\x89PNG\r\n\x1a\n", 8},
                 {":oops", 5},
                 {"\x3a\xff\xff\xff\xff\x0f", 6},                          /* a graph of 4 GiB */
                 {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* of 2^64 bytes */
                 {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12}, /* a number without end */
                 {"\x08\x08\x3a\x04\x0a\xff\xff\x7f", 8},                  /* a node larger than its graph */
                 {"\x08\x08\x03\x03\x03\x03", 6},                          /* groups */
                 {"\x08\x08\x3a\x00", 4},                                  /* an empty graph */
                 {"\x08\x08", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_model *model;
        CU_ASSERT_EQUAL(subject_load_bytes((const uint8_t *)cases[i].bytes, cases[i].size, &model), THAW_ERR_MODEL);
    }
    thaw_model *model;
    CU_ASSERT_EQUAL(thaw_model_load(test_context(), "/no/such/file.onnx", &model), THAW_ERR_IO);
    CU_ASSERT_EQUAL(thaw_model_load(test_context(), "/", &model), THAW_ERR_IO);
}

static void test_cut_anywhere(void)
{
    onnx_subject subject;
    size_t size;
    subject_classifier(&subject);
    uint8_t *bytes = subject_pack(&subject, &size);
    for (size_t length = 0; length < size; length++) {
        thaw_model *model;
        CU_ASSERT_NOT_EQUAL(subject_load_bytes(bytes, length, &model), THAW_OK);
    }
    free(bytes);
    subject_close(&subject);
}

/* Two files, one behind the other: protobuf merges them, and every name is there twice. */
static void test_merged(void)
{
    onnx_subject subject;
    thaw_model *model;
    size_t size;
    subject_classifier(&subject);
    uint8_t *bytes = subject_pack(&subject, &size), *twice = malloc(2 * size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(twice);
    memcpy(twice, bytes, size);
    memcpy(twice + size, bytes, size);
    CU_ASSERT_EQUAL(subject_load_bytes(twice, 2 * size, &model), THAW_ERR_MODEL);
    free(twice);
    free(bytes);
    subject_close(&subject);
}

static void test_changed_bytes(void)
{
    onnx_subject subject;
    size_t size, loaded = 0;
    subject_classifier(&subject);
    uint8_t *bytes = subject_pack(&subject, &size), *damaged = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(damaged);
    thaw_random random = {7};
    for (int i = 0; i < 4000; i++) {
        memcpy(damaged, bytes, size);
        for (uint64_t j = thaw_random_below(&random, 4) + 1; j > 0; j--)
            damaged[thaw_random_below(&random, size)] ^= (uint8_t)(1u << thaw_random_below(&random, 8));
        thaw_model *model;
        loaded += subject_load_bytes(damaged, size, &model) == THAW_OK;
        thaw_model_close(&model);
    }
    CU_ASSERT(loaded > 0 && loaded < 4000); /* some change a weight only */
    free(damaged);
    free(bytes);
    subject_close(&subject);
}

void suite_onnx_refused(void)
{
    static const test_entry tests[] = {{"wrong models", test_refused},
                                       {"files that are not ONNX", test_not_onnx},
                                       {"cut at every length", test_cut_anywhere},
                                       {"two files in one", test_merged},
                                       {"bits flipped", test_changed_bytes}};
    TEST_SUITE("onnx_refused", tests);
}
