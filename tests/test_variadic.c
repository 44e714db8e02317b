/* Min, Max, Sum, Mean, Pow, PRelu and Mod. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <string.h>

static double combine(const char *type, double a, double b)
{
    if (strcmp(type, "Min") == 0)
        return isnan(a) || a < b ? a : b;
    if (strcmp(type, "Max") == 0)
        return isnan(a) || a > b ? a : b;
    if (strcmp(type, "PRelu") == 0)
        return a < 0 ? a * b : a;
    return strcmp(type, "Pow") == 0 ? pow(a, b) : a + b;
}

/* Element `index` of y, in a tensor that is broadcast to it. */
static double element(const thaw_shape *y, int64_t index, const thaw_shape *x, const double *numbers)
{
    int64_t place[THAW_MAX_RANK], own[THAW_MAX_RANK];
    op_unravel(y, index, place);
    for (int32_t d = 0; d < x->rank; d++)
        own[d] = x->dims[d] == 1 ? 0 : place[y->rank - x->rank + d];
    return numbers[op_ravel(x, own)];
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *y = &node->outputs[0]->shape;
    const bool mean = strcmp(node->op->onnx_type, "Mean") == 0;
    for (int64_t i = 0; i < thaw_shape_size(y); i++) {
        double value = element(y, i, &node->inputs[0]->shape, inputs[0]);
        for (size_t j = 1; j < node->input_count; j++)
            value = combine(node->op->onnx_type, value, element(y, i, &node->inputs[j]->shape, inputs[j]));
        outputs[0][i] = mean ? value / (double)node->input_count : value;
    }
}

static const char *const types[] = {"Min", "Max", "Sum", "Mean"};
enum { TYPES = sizeof types / sizeof *types };

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "3x7", 0, 0, NULL},           {"", "3x7 3x7", 0, 0, NULL},           {"", "3x17 17", 0, 0, NULL},
        {"", "3x1 1x17 3x17", 0, 0, NULL}, {"", "s 2x3x5 3x1 5", 0, 0, NULL},     {"", "33 33 33 33 33", 8, 0, NULL},
        {"", "0x3 3 3", 0, 0, NULL},       {"", "c:3x7 c:7 c:3x1", 0, 0, NULL},   {"", "16x16 16x16", 0, 0, "nan"},
        {"", "c:5", 0, 0, NULL},           {"", "c:5x3 7x1x1 c:5x1", 0, 0, NULL},
    };
    static const op_case blocks[] = {{"", "2x17x3x5 2x17x3x5", 0, 0, NULL}, {"", "2x17x3x5 f:0.5", 0, 0, NULL}};
    for (size_t i = 0; i < TYPES; i++) {
        op_check(types[i], OP_CASES(cases), reference, 1e-6, NULL);
        op_check_amid_blocks(types[i], OP_CASES(blocks), reference, 1e-6);
    }
}

static void test_gradient(void)
{
    static const op_case two[] = {{"", "3x7 3x7", 0, 0, NULL},
                                  {"", "3x17 17", 0, 0, NULL},
                                  {"", "3x1 1x17", 0, 0, NULL},
                                  {"", "4x3", 0, 0, NULL}};
    static const op_case more[] = {{"", "3x1 1x17 3x17", 0, 0, NULL}, {"", "s 2x3x5 3x1 5", 0, 0, NULL}};
    for (size_t i = 0; i < TYPES; i++)
        op_check_gradient(types[i], OP_CASES(two), reference, 1e-4);
    for (size_t i = 2; i < TYPES; i++)
        op_check_gradient(types[i], OP_CASES(more), reference, 1e-4);
}

static void test_power(void)
{
    static const op_case cases[] = {
        {"", "3x7 f:2@s", 0, 0, NULL},        {"", "3x17 f:3", 12, 0, NULL},
        {"", "33 f:0.5@s", 0, 0, "positive"}, {"", "33 f:-2@s", 0, 0, "positive"},
        {"", "33 f:1.3@s", 0, 0, "positive"}, {"", "33 f:-0.5@s", 0, 0, "positive"},
        {"", "33 i:2@s", 0, 0, NULL},         {"", "2x3 i:1,2,3", 0, 0, NULL},
        {"", "3x17 3x17", 7, 0, "positive"},  {"", "3x1 17", 0, 0, "positive"},
        {"", "s 5", 0, 0, "positive"},        {"", "c:3x4 c:4", 0, 0, "positive"},
        {"", "0x3 3", 0, 0, "positive"},      {"", "4x3 f:0@s", 0, 0, NULL},
    };
    static const op_case gradients[] = {
        {"", "3x7 f:2@s", 0, 0, NULL},         {"", "3x7 f:3@s", 0, 0, NULL},
        {"", "33 f:0.5@s", 0, 0, "positive"},  {"", "33 f:1.3@s", 0, 0, "positive"},
        {"", "33 f:-1@s", 0, 0, "positive"},   {"", "33 f:0@s", 0, 0, "positive"},
        {"", "3x17 3x17", 0, 0, "positive"},   {"", "3x1 17", 0, 0, "positive"},
        {"", "2x3 i:1,2,3", 0, 0, "positive"},
    };
    op_check("Pow", OP_CASES(cases), reference, 2e-6, NULL);
    op_check_gradient("Pow", OP_CASES(gradients), reference, 1e-4);
}

static void test_bent(void)
{
    static const op_case cases[] = {
        {"", "3x7 3x7", 0, 0, NULL},      {"", "2x16x7x5 16x1x1", 0, 0, NULL}, {"", "2x17x3x5 c:17x1x1", 9, 0, NULL},
        {"", "33x5 f:0.25", 16, 0, NULL}, {"", "0x3 3", 0, 0, NULL},           {"", "c:3x4 c:4", 0, 0, NULL}};
    static const op_case gradients[] = {{"", "3x7 3x7", 0, 0, NULL},
                                        {"", "2x16x7x5 16x1x1", 0, 0, NULL},
                                        {"", "2x5x3 u:5x1", 0, 0, NULL},
                                        {"", "33x5 1", 0, 0, NULL}};
    op_check("PRelu", OP_CASES(cases), reference, 1e-6, NULL);
    op_check_amid_blocks("PRelu", OP_CASES(cases), reference, 1e-6);
    op_check_gradient("PRelu", OP_CASES(gradients), reference, 1e-4);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Min", "", "i:1,-5,3 i:2@s", 0, "i:1,-5,2"},
        {"Max", "", "i:1,-5,3 i:2@s i:-9,9,0", 0, "i:2,9,3"},
        {"Pow", "", "i:2,-3,0 i:3@s", 0, "i:8,-27,0"},
        {"Pow", "", "i:1,-1,7 i:-1@s", 0, "i:1,-1,0"},
        {"Mod", "", "i:-4,7,5,4,-7,8 i:2,-3,8,-2,3,5", 0, "i:0,-2,5,0,2,3"},
        {"Mod", "fmod=1", "i:-4,7,5,4,-7,8 i:2,-3,8,-2,3,5", 0, "i:0,1,5,0,-1,3"},
        {"Mod", "fmod=1", "f:-4.5 f:2", 0, "f:-0.5"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "2x3 4", 0, 0, NULL}, {"", "2x3 3 4", 0, 0, NULL}};
    static const op_case model[] = {{"", "3 - 3", 0, 0, NULL}, {"", "", 0, 0, NULL}};
    static const op_case unsupported[] = {{"", "3 i:1,2,3 3", 0, 0, NULL}, {"alpha=1.0", "3 3", 0, 0, NULL}};
    op_check_refused("Max", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Sum", OP_CASES(model), THAW_ERR_MODEL);
    op_check_refused("Mean", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_variadic(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"gradients", test_gradient},
        {"Pow", test_power},
        {"PRelu", test_bent},
        {"on the host", test_folded},
        {"what is refused", test_refused},
    };
    TEST_SUITE("variadic", tests);
}
