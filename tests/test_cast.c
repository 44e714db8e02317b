#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdio.h>

/* `value` with that many significant bits, to nearest even, in a format whose smallest step is 2^smallest and whose
 * largest number is below `limit`. */
static double rounded(double value, int bits, int smallest, double limit)
{
    int exponent;
    if (isnan(value) || isinf(value) || value == 0)
        return value;
    frexp(value, &exponent);
    const int step = exponent - bits > smallest ? exponent - bits : smallest;
    const double near = ldexp(nearbyint(ldexp(value, -step)), step);
    return fabs(near) < limit ? near : copysign(INFINITY, value);
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->outputs[0]->shape); i++)
        switch (node->outputs[0]->dtype) {
        case THAW_FLOAT16:
            outputs[0][i] = rounded(inputs[0][i], 11, -24, 0x1p16);
            break;
        case THAW_BFLOAT16:
            outputs[0][i] = rounded(inputs[0][i], 8, -133, 0x1p128);
            break;
        default:
            outputs[0][i] = inputs[0][i];
        }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"to=1", "3x7", 0, 0, NULL},        {"to=11", "3x7", 0, 0, "extreme"}, {"to=10", "31x7", 0, 0, NULL},
        {"to=10", "31x7", 0, 0, "extreme"}, {"to=10", "31x7", 0, 0, "nan"},    {"to=16", "31x7", 0, 0, NULL},
        {"to=16", "31x7", 0, 0, "extreme"}, {"to=16", "31x7", 0, 0, "nan"},    {"to=10 saturate=1", "s", 19, 0, NULL},
        {"to=16", "0x3", 0, 0, NULL},
    };
    op_check("Cast", OP_CASES(cases), reference, 0, NULL);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"to=1", "3x7", 0, 0, NULL}, {"to=11", "17", 0, 0, NULL}, {"to=1", "0x3", 0, 0, NULL}};
    op_check_gradient("Cast", OP_CASES(cases), reference, 1e-5);
}

static void test_folded(void)
{
    static const struct {
        thaw_dtype from, to;
        double value, expected;
    } cases[] = {
        {THAW_FLOAT32, THAW_INT32, -2.75, -2},
        {THAW_FLOAT32, THAW_INT64, 3.99, 3},
        {THAW_FLOAT64, THAW_UINT8, 200.5, 200},
        {THAW_FLOAT16, THAW_INT8, -7.5, -7},
        {THAW_BFLOAT16, THAW_FLOAT64, 0.15625, 0.15625},
        {THAW_FLOAT64, THAW_FLOAT16, 65520, INFINITY},
        {THAW_FLOAT64, THAW_FLOAT16, 2049, 2048},
        {THAW_FLOAT32, THAW_BFLOAT16, 257, 256},
        {THAW_FLOAT32, THAW_BOOL, 0.25, 1},
        {THAW_FLOAT32, THAW_BOOL, 0, 0},
        {THAW_INT64, THAW_BOOL, 256, 1},
        {THAW_BOOL, THAW_FLOAT32, 1, 1},
        {THAW_BOOL, THAW_INT64, 1, 1},
        {THAW_INT64, THAW_INT32, -5, -5},
        {THAW_INT64, THAW_UINT8, 257, 1},
        {THAW_INT8, THAW_UINT16, -1, 65535},
        {THAW_UINT32, THAW_INT64, 4294967295, 4294967295},
        {THAW_UINT64, THAW_FLOAT64, 0x1p63, 0x1p63},
        {THAW_INT16, THAW_FLOAT16, -300, -300},
        {THAW_FLOAT32, THAW_UINT64, 7.9, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char attributes[32];
        snprintf(attributes, sizeof attributes, "to=%d", thaw_dtype_to_onnx(cases[i].to));
        const op_case row = {.attributes = attributes, .inputs = "f:0"};
        const thaw_shape shape = {.rank = 1, .dims = {1}};
        op_subject subject;
        test_must(op_subject_build("Cast", &row, 1, &subject));
        op_subject_replace(&subject, cases[i].from, &shape, &cases[i].value);
        test_must(subject.node->op->infer(subject.node));
        test_must(subject.node->op->fold(subject.node));
        const thaw_tensor *got = subject.node->outputs[0]->constant;
        CU_ASSERT_EQUAL(got->dtype, cases[i].to);
        CU_ASSERT_EQUAL(thaw_tensor_get(got, 0), cases[i].expected);
        op_subject_free(&subject);
    }
}

/* No digit of a 64-bit integer is lost. */
static void test_folded_exactly(void)
{
    static const op_folded_case cases[] = {
        {"Cast", "to=7", "i:-3,0,9007199254740991", 0, "i:-3,0,9007199254740991"},
        {"Cast", "to=9", "f:0.5,0,-0,2", 0, "b:1,0,0,1"},
        {"Cast", "to=7", "b:1,0@2x1", 0, "i:1,0@2x1"},
        {"Cast", "to=1", "i:-1,16777217@2", 0, "f:-1,16777216"},
        {"Cast", "to=7", "f:", 0, "i:"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case unsupported[] = {
        {"to=7", "3x7", 0, 0, NULL},   {"to=8", "f:1", 0, 0, NULL},          {"to=17", "f:1", 19, 0, NULL},
        {"to=22", "f:1", 21, 0, NULL}, {"to=99", "f:1", 0, 0, NULL},         {"to=-1", "f:1", 0, 0, NULL},
        {"", "f:1", 0, 0, NULL},       {"to=4294967297", "f:1", 0, 0, NULL},
    };
    op_check_refused("Cast", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(thaw_error_message(test_context()));
}

static const test_entry tests[] = {
    {"forward", test_forward},    {"folded", test_folded},   {"folded exactly", test_folded_exactly},
    {"gradients", test_gradient}, {"refused", test_refused},
};

void suite_cast(void)
{
    TEST_SUITE("cast", tests);
}
