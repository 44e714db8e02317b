/* Softmax and LogSoftmax. */
#include "op_harness.h"
#include "test.h"

#include <math.h>
#include <string.h>

static void softmax_line(const double *x, double *y, int64_t length, int64_t step, bool log_of)
{
    double largest = x[0], sum = 0;
    for (int64_t i = 1; i < length; i++)
        largest = x[i * step] > largest ? x[i * step] : largest;
    for (int64_t i = 0; i < length; i++)
        sum += exp(x[i * step] - largest);
    for (int64_t i = 0; i < length; i++)
        y[i * step] = log_of ? x[i * step] - largest - log(sum) : exp(x[i * step] - largest) / sum;
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const bool flattens = thaw_node_opset(node) < 13, log_of = strcmp(node->op->onnx_type, "LogSoftmax") == 0;
    int64_t axis = thaw_node_int(node, "axis", flattens ? 1 : -1);
    axis += axis < 0 ? x->rank : 0;
    int64_t outer = 1, length = 1, inner = 1;
    for (int32_t d = 0; d < x->rank; d++)
        *(d < axis ? &outer : d == axis || flattens ? &length : &inner) *= x->dims[d];
    for (int64_t i = 0; i < outer; i++)
        for (int64_t j = 0; j < inner; j++)
            softmax_line(inputs[0] + i * length * inner + j, outputs[0] + i * length * inner + j, length, inner,
                         log_of);
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "3x7", 13, 0, NULL},
        {"", "1000", 13, 0, NULL},
        {"", "2x1000", 22, 0, NULL},
        {"axis=0", "15x17", 13, 0, NULL},
        {"axis=1", "2x16x7x5", 13, 0, NULL},
        {"axis=-2", "2x3x33x4", 13, 0, NULL},
        {"axis=-1", "2x3x4x31", 13, 0, NULL},
        {"axis=2", "2x3x1x4", 13, 0, NULL},
        {"", "2x3x64", 7, 0, NULL},
        {"", "2x3x4x5", 11, 0, NULL},
        {"axis=0", "3x4x5", 11, 0, NULL},
        {"axis=2", "3x4x5x2", 12, 0, NULL},
        {"axis=-1", "3x4x5", 11, 0, NULL},
        {"axis=3", "3x4x5", 7, 0, NULL},
        {"", "7", 7, 0, NULL},
        {"", "1x1", 13, 0, NULL},
        {"", "33x64", 13, 0, "extreme"},
        {"", "19x49", 13, 0, "wide"},
        {"", "130x33", 13, 0, "nan"},
        {"", "3x197", 13, 0, NULL},
        {"", "2x4111", 13, 0, NULL},
        {"axis=0", "33x64", 13, 0, "nan"},
        {"", "0x5", 13, 0, NULL},
        {"axis=0", "5x0", 13, 0, NULL},
        {"", "5x0", 13, 0, NULL},
    };
    op_check("Softmax", OP_CASES(cases), reference, 1e-6, "plain");
    op_check("LogSoftmax", OP_CASES(cases), reference, 1e-6, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "3x7", 13, 0, NULL},           {"axis=0", "15x3", 13, 0, NULL}, {"axis=1", "2x16x3x2", 13, 0, NULL},
        {"axis=-1", "2x3x33", 13, 0, NULL}, {"", "2x3x4x2", 11, 0, NULL},    {"axis=2", "3x1x5", 12, 0, NULL},
        {"", "1x1", 13, 0, NULL},           {"", "0x5", 13, 0, NULL},        {"", "70x17", 13, 0, NULL},
        {"", "3x197", 13, 0, NULL},
    };
    op_check_gradient("Softmax", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_by("Softmax", OP_CASES(cases), reference, 1e-5, "plain");
    op_check_gradient("LogSoftmax", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_by("LogSoftmax", OP_CASES(cases), reference, 1e-5, "plain");
}

static void test_refused(void)
{
    static const op_case axes[] = {{"axis=2", "2x3", 13, 0, NULL},
                                   {"axis=-3", "2x3", 13, 0, NULL},
                                   {"axis=3", "2x3", 11, 0, NULL},
                                   {"", "s", 13, 0, NULL}};
    static const op_case other[] = {{"axes=1,", "2x3", 13, 0, NULL}, {"", "i:1,2", 13, 0, NULL}};
    static const op_case inputs[] = {{"", "2x3 2x3", 13, 0, NULL}};
    op_check_refused("Softmax", OP_CASES(axes), THAW_ERR_SHAPE);
    op_check_refused("Softmax", OP_CASES(other), THAW_ERR_UNSUPPORTED);
    op_check_refused("Softmax", OP_CASES(inputs), THAW_ERR_MODEL);
}

void suite_softmax(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"gradients", test_gradient},
        {"what is refused", test_refused},
    };
    TEST_SUITE("softmax", tests);
}
