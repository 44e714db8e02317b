/* Add, Sub, Mul and Div. */
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where element `index` of `y` lies in a tensor that is broadcast to it, its first dimension at `axis` of y. */
static int64_t operand_index(const thaw_shape *y, int64_t index, const thaw_shape *operand, int32_t axis)
{
    int64_t at = 0, place[THAW_MAX_RANK];
    for (int32_t d = y->rank - 1; d >= 0; d--) {
        place[d] = index % y->dims[d];
        index /= y->dims[d];
    }
    for (int32_t d = 0; d < operand->rank; d++)
        at = at * operand->dims[d] + (operand->dims[d] == 1 ? 0 : place[axis + d]);
    return at;
}

static double combine(const char *type, double a, double b)
{
    if (strcmp(type, "Add") == 0)
        return a + b;
    if (strcmp(type, "Sub") == 0)
        return a - b;
    return strcmp(type, "Mul") == 0 ? a * b : a / b;
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape, *y = &node->outputs[0]->shape;
    const int32_t axis = (int32_t)thaw_node_int(node, "axis", y->rank - b->rank);
    for (int64_t i = 0; i < thaw_shape_size(y); i++)
        outputs[0][i] = combine(node->op->onnx_type, inputs[0][operand_index(y, i, a, y->rank - a->rank)],
                                inputs[1][operand_index(y, i, b, axis)]);
}

static const char *const types[] = {"Add", "Sub", "Mul", "Div"};
enum { TYPES = sizeof types / sizeof *types };

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "s s", 0, 0, "positive"},
        {"", "1 1", 7, 0, "positive"},
        {"", "17x31 17x31", 13, 0, "positive"},
        {"", "2x3x7x15 2x3x7x15", 14, 0, "positive"},
        {"", "2x16x7x7 s", 0, 0, "positive"},
        {"", "s 33x3", 0, 0, "positive"},
        {"", "2x16x7x7 c:1x16x1x1", 0, 0, "positive"},
        {"", "2x16x7x7 16x1x1", 0, 0, "positive"},
        {"", "c:1x15x1x1 3x15x4x4", 0, 0, "positive"},
        {"", "2x16x7x7 2x16x1x1", 0, 0, "positive"},
        {"", "33x64 64", 0, 0, "positive"},
        {"", "33x64 33x1", 0, 0, "positive"},
        {"", "33x1 1x17", 0, 0, "positive"},
        {"", "1x17 33x1", 0, 0, "positive"},
        {"", "3x1x5 4x1", 0, 0, "positive"},
        {"", "1x1x1 1", 0, 0, "positive"},
        {"", "2x1x3x1x2x1x3x1 1x3x1x2x1x3x1x2", 0, 0, "positive"},
        {"", "2x3x2x3x2x3x2x3 3", 0, 0, "positive"},
        {"", "3x1x2x1x3x1x2x1 2", 0, 0, "positive"},
        {"", "0x3 3", 0, 0, "positive"},
        {"", "2x0x3 2x1x3", 0, 0, "positive"},
        {"", "3x0 1x1", 0, 0, "positive"},
        {"", "15x16 15x16", 0, 0, "extreme"},
        {"", "15x16 16", 0, 0, "nan"},
        /* on the host */
        {"", "c:2x3x4 c:3x1", 0, 0, "positive"},
        {"", "f:0.1 f:0.3,0.7", 0, 0, NULL},
        {"", "c:2x0 c:1", 0, 0, NULL},
        /* where the second operand was put by hand */
        {"broadcast=1", "2x3x4 4", 6, 0, "positive"},
        {"broadcast=1 axis=1", "2x3x4x5 3x4", 6, 0, "positive"},
        {"broadcast=1 axis=0", "2x3x4 2", 6, 0, "positive"},
        {"broadcast=1 axis=0", "2x3 2x1", 6, 0, "positive"},
    };
    for (size_t i = 0; i < TYPES; i++)
        op_check(types[i], OP_CASES(cases), reference, 1e-6, NULL);
}

/* Exact where rounding to float is all that there is. */
static void test_bits(void)
{
    static const op_case cases[] = {{"", "15x16 15x16", 0, 0, "extreme"}, {"", "15x16 16", 0, 0, "nan"}};
    for (size_t i = 0; i < 3; i++)
        op_check(types[i], OP_CASES(cases), reference, 0, NULL);
}

static void test_blocks(void)
{
    static const op_case cases[] = {
        {"", "2x17x3x5 2x17x3x5", 0, 0, "positive"},
        {"", "1x3x23x31 1x3x23x31", 0, 0, "positive"},
        {"", "2x17x3x5 2x17x1x1", 0, 0, "positive"},
        {"", "2x16x1x1 2x16x3x5", 0, 0, "positive"},
        {"", "1x17x1x1 2x17x3x5", 0, 0, "positive"},
        {"", "2x17x3x5 1x17x3x5", 0, 0, "positive"},
        {"", "2x17x3x5 2x1x3x5", 0, 0, "positive"},
        {"", "2x1x3x5 2x17x1x1", 0, 0, "positive"},
        {"", "2x1x3x5 2x1x3x5", 0, 0, "positive"},
        {"", "2x17x3x5 1x1x1x1", 0, 0, "positive"},
        {"", "2x17x3x5 s", 0, 0, "positive"},
        {"", "2x17x3x5 f:0.25", 0, 0, "positive"},
        {"", "f:3@1x1 2x17x3x5", 0, 0, "positive"},
        {"", "2x16x3x5 c:16x1x1", 0, 0, "positive"},
        {"", "2x16x3x5 16x1x1", 0, 0, "positive"},
        {"", "c:1x16x1x1 2x16x3x5", 0, 0, "positive"},
        {"", "2x16x1x1 2x16x1x1", 0, 0, "positive"},
        /* row by row */
        {"", "2x17x3x5 c:17x1x1", 0, 0, "positive"},
        {"", "2x17x3x5 2x17x3x1", 0, 0, "positive"},
        {"", "2x17x3x5 2x17x1x5", 0, 0, "positive"},
        {"", "2x17x3x5 c:2x17x3x5", 0, 0, "positive"},
        {"", "2x16x3x5 5", 0, 0, "positive"},
        {"", "2x7x3x5 f:0", 0, 0, "positive"},
        {"", "2x7x3x5 2x1x2x7x3x5", 0, 0, "positive"},
        {"broadcast=1 axis=1", "2x16x3x5 16", 6, 0, "positive"},
        {"", "0x7x3x5 0x7x3x5", 0, 0, "positive"},
    };
    static const op_case exact[] = {{"", "2x5x3x5 2x5x3x5", 0, 0, "extreme"}, {"", "2x5x3x5 2x5x1x1", 0, 0, "nan"}};
    for (size_t i = 0; i < TYPES; i++)
        op_check_amid_blocks(types[i], OP_CASES(cases), reference, 1e-6);
    for (size_t i = 0; i < 3; i++)
        op_check_amid_blocks(types[i], OP_CASES(exact), reference, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "s s", 0, 0, "positive"},
        {"", "17x31 17x31", 13, 0, "positive"},
        {"", "2x16x3x3 s", 0, 0, "positive"},
        {"", "s 33x3", 0, 0, "positive"},
        {"", "2x16x3x3 c:1x16x1x1", 0, 0, "positive"},
        {"", "2x16x3x3 16x1x1", 0, 0, "positive"},
        {"", "1x15x1x1 3x15x2x2", 0, 0, "positive"},
        {"", "2x16x3x3 2x16x1x1", 0, 0, "positive"},
        {"", "33x16 16", 0, 0, "positive"},
        {"", "33x16 33x1", 0, 0, "positive"},
        {"", "33x1 1x17", 0, 0, "positive"},
        {"", "3x1x5 4x1", 0, 0, "positive"},
        {"", "2x1x3x1x2x1x3x1 1x3x1x2x1x3x1x2", 0, 0, "positive"},
        {"", "2x3x2x3x2x3 3", 0, 0, "positive"},
        {"", "3x1x2x1x3x1x2x1 2", 0, 0, "positive"},
        {"", "0x3 3", 0, 0, "positive"},
        {"", "2x300 300", 0, 0, "positive"},
        {"broadcast=1 axis=1", "2x3x4x5 3x4", 6, 0, "positive"},
        {"broadcast=1 axis=0", "2x3x4 2", 6, 0, "positive"},
    };
    static const op_case blocks[] = {
        {"", "2x17x3x5 2x17x3x5", 0, 0, "positive"}, {"", "2x17x3x5 2x17x1x1", 0, 0, "positive"},
        {"", "2x16x1x1 2x16x3x5", 0, 0, "positive"}, {"", "1x17x1x1 2x17x3x5", 0, 0, "positive"},
        {"", "2x17x3x5 1x17x3x5", 0, 0, "positive"}, {"", "2x17x3x5 2x1x3x5", 0, 0, "positive"},
        {"", "2x3x3x5 2x1x3x5", 0, 0, "positive"},   {"", "2x1x3x5 2x17x1x1", 0, 0, "positive"},
        {"", "2x1x3x5 2x1x3x5", 0, 0, "positive"},   {"", "2x17x3x5 1x1x1x1", 0, 0, "positive"},
        {"", "2x17x3x5 s", 0, 0, "positive"},        {"", "2x17x3x5 f:0.25", 0, 0, "positive"},
        {"", "2x16x3x5 c:16x1x1", 0, 0, "positive"}, {"", "2x16x3x5 16x1x1", 0, 0, "positive"},
        {"", "2x16x1x1 2x16x1x1", 0, 0, "positive"}, {"", "2x17x3x5 2x17x3x1", 0, 0, "positive"},
        {"", "2x16x3x5 5", 0, 0, "positive"},
    };
    for (size_t i = 0; i < TYPES; i++) {
        op_check_gradient(types[i], OP_CASES(cases), reference, 2e-5);
        op_check_gradient_blocked(types[i], OP_CASES(blocks), reference, 2e-5);
    }
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "2x3 2", 0, 0, NULL}, {"", "3x4 4x3", 0, 0, NULL}, {"", "0 2", 0, 0, NULL}};
    static const op_case old_shapes[] = {{"broadcast=1 axis=2", "2x3x4 3x4", 6, 0, NULL},
                                         {"broadcast=1 axis=3", "2x3x4 4", 6, 0, NULL}};
    static const op_case attributes[] = {{"axis=1", "2x3 3", 7, 0, NULL}};
    static const op_case counts[] = {{"", "2x3", 0, 0, NULL}, {"", "2 2 2", 0, 0, NULL}, {"", "2 -", 0, 0, NULL}};
    static const op_case run_time_integers[] = {{"", "2 i:1,2", 0, 0, NULL}};
    static const op_case mixed[] = {{"", "f:1,2 i:1,2", 0, 0, NULL}, {"", "b:1,0 b:1,1", 0, 0, NULL}};
    for (size_t i = 0; i < TYPES; i++) {
        op_check_refused(types[i], OP_CASES(shapes), THAW_ERR_SHAPE);
        op_check_refused(types[i], OP_CASES(old_shapes), THAW_ERR_SHAPE);
        op_check_refused(types[i], OP_CASES(attributes), THAW_ERR_UNSUPPORTED);
        op_check_refused(types[i], OP_CASES(counts), THAW_ERR_MODEL);
        op_check_refused(types[i], OP_CASES(run_time_integers), THAW_ERR_UNSUPPORTED);
        op_check_refused(types[i], OP_CASES(mixed), THAW_ERR_MODEL);
    }
}

/* --- constants of every type --- */

static thaw_value *add_number(thaw_graph *graph, const char *name, thaw_dtype dtype, int64_t number)
{
    thaw_value *value;
    const thaw_shape scalar = {0};
    test_must(thaw_graph_add_value(graph, name, &value));
    test_must(thaw_tensor_create(test_context(), dtype, &scalar, &value->constant));
    thaw_tensor_set_int(value->constant, 0, number);
    value->dtype = dtype;
    value->shape_known = true;
    return value;
}

/* a <op> b for scalars of that type, computed on the host; released by the caller. */
static thaw_status fold_numbers(const char *type, thaw_dtype dtype, int64_t a, int64_t b, thaw_tensor **result)
{
    thaw_graph *graph;
    thaw_node *node;
    thaw_value *y;
    thaw_program *program;
    *result = NULL;
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 14;
    test_must(thaw_graph_add_node(graph, thaw_op_find(type), "", 2, 1, &node));
    thaw_node_set_input(node, 0, add_number(graph, "a", dtype, a));
    thaw_node_set_input(node, 1, add_number(graph, "b", dtype, b));
    test_must(thaw_graph_add_value(graph, "y", &y));
    thaw_node_set_output_value(node, 0, y);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    const thaw_status status = thaw_program_create(graph, NULL, &(thaw_program_options){.batch = 0}, &program);
    if (status == THAW_OK) {
        test_must(thaw_program_read(program, 0, result));
        thaw_program_destroy(&program);
    }
    thaw_graph_destroy(&graph);
    return status;
}

/* Integers wrap around at the width of their type and their division truncates towards zero. */
static void test_integers(void)
{
    static const struct {
        const char *type;
        thaw_dtype dtype;
        int64_t a, b, wanted;
    } cases[] = {
        {"Add", THAW_INT8, 100, 100, -56},
        {"Add", THAW_UINT8, 200, 100, 44},
        {"Sub", THAW_UINT8, 1, 2, 255},
        {"Sub", THAW_INT8, -100, 100, 56},
        {"Mul", THAW_INT8, 16, 16, 0},
        {"Mul", THAW_UINT16, 300, 300, 24464},
        {"Add", THAW_INT16, 32767, 1, -32768},
        {"Sub", THAW_UINT16, 0, 1, 65535},
        {"Add", THAW_INT32, INT32_MAX, 1, INT32_MIN},
        {"Mul", THAW_INT32, 65536, 65536, 0},
        {"Sub", THAW_UINT32, 0, 1, UINT32_MAX},
        {"Add", THAW_INT64, INT64_MAX, 1, INT64_MIN},
        {"Mul", THAW_INT64, INT64_MAX, 2, -2},
        {"Add", THAW_UINT64, -1, 2, 1}, /* the 64 bits of 2^64 - 1 */
        {"Div", THAW_INT8, -7, 2, -3},
        {"Div", THAW_INT8, -128, -1, -128},
        {"Div", THAW_INT16, 7, -2, -3},
        {"Div", THAW_INT32, INT32_MIN, -1, INT32_MIN},
        {"Div", THAW_INT64, INT64_MIN, -1, INT64_MIN},
        {"Div", THAW_INT64, -9, 4, -2},
        {"Div", THAW_UINT8, 255, 2, 127},
        {"Div", THAW_UINT32, UINT32_MAX, 2, INT32_MAX},
        {"Div", THAW_UINT64, -1, 2, INT64_MAX},
        {"Div", THAW_UINT64, 5, -1, 0},
        {"Add", THAW_FLOAT16, 2048, 1, 2048}, /* 11 bits of significand */
        {"Add", THAW_BFLOAT16, 256, 1, 256},  /* 8 bits */
        {"Add", THAW_FLOAT64, INT64_C(1) << 40, 1, (INT64_C(1) << 40) + 1},
        {"Mul", THAW_FLOAT32, 3, -5, -15},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        thaw_tensor *result;
        test_must(fold_numbers(cases[i].type, cases[i].dtype, cases[i].a, cases[i].b, &result));
        CU_ASSERT_EQUAL(result->dtype, cases[i].dtype);
        CU_ASSERT_EQUAL(thaw_tensor_get_int(result, 0), cases[i].wanted);
        thaw_tensor_release(&result);
    }
}

static void test_division_by_zero(void)
{
    static const thaw_dtype integers[] = {THAW_INT8,  THAW_UINT8,  THAW_INT16, THAW_UINT16,
                                          THAW_INT32, THAW_UINT32, THAW_INT64, THAW_UINT64};
    thaw_tensor *result;
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        CU_ASSERT_EQUAL(fold_numbers("Div", integers[i], 7, 0, &result), THAW_ERR_MODEL);
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "divides 7 by zero"));
    }
    test_must(fold_numbers("Div", THAW_FLOAT32, 7, 0, &result));
    CU_ASSERT(isinf(thaw_tensor_get(result, 0)));
    thaw_tensor_release(&result);
}

/* --- with an activation fused into it --- */

/* Output of x <op> y followed by LeakyRelu, for random x [3,5,7] and y [5,1]. */
static thaw_tensor *run_chain(const char *type, bool fuse, size_t *nodes)
{
    const op_case row = {"", "3x5x7 5x1", 0, 0, "extreme"};
    op_subject subject;
    thaw_node *activation;
    thaw_value *y;
    thaw_program *program;
    thaw_tensor *result;
    test_must(op_subject_build(type, &row, 5, &subject));
    test_must(thaw_graph_add_node(subject.graph, thaw_op_find("LeakyRelu"), "", 1, 1, &activation));
    thaw_node_set_input(activation, 0, subject.node->outputs[0]);
    test_must(thaw_graph_add_value(subject.graph, "last", &y));
    thaw_node_set_output_value(activation, 0, y);
    test_must(activation->op->attributes(activation));
    const char *const outputs[] = {"last"};
    const thaw_shape shapes[] = {subject.tensors[0]->shape, subject.tensors[1]->shape};
    const thaw_program_options options = {.shapes = shapes, .outputs = outputs, .output_count = 1, .fuse = fuse};
    test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
    *nodes = program->graph->node_count;
    for (size_t i = 0; i < 2; i++)
        test_must(thaw_program_write(program, i, subject.tensors[i]));
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &result));
    thaw_program_destroy(&program);
    op_subject_free(&subject);
    return result;
}

static void test_fused(void)
{
    for (size_t i = 0; i < TYPES; i++) {
        size_t plain_nodes, fused_nodes;
        thaw_tensor *plain = run_chain(types[i], false, &plain_nodes);
        thaw_tensor *fused = run_chain(types[i], true, &fused_nodes);
        CU_ASSERT_EQUAL(plain_nodes, 2);
        CU_ASSERT_EQUAL(fused_nodes, 1);
        CU_ASSERT_EQUAL(memcmp(plain->data, fused->data, plain->bytes), 0);
        thaw_tensor_release(&plain);
        thaw_tensor_release(&fused);
    }
}

void suite_binary(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},     {"bit by bit", test_bits},
        {"in blocks of channels", test_blocks},      {"gradients", test_gradient},
        {"what is refused", test_refused},           {"integers of every width", test_integers},
        {"division by zero", test_division_by_zero}, {"activations fused into them", test_fused},
    };
    TEST_SUITE("binary", tests);
}
