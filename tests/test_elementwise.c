/* Functions of one number: Tanh, Erf, Exp, Log, Sqrt, Abs, Neg, Reciprocal, Elu, Selu, Softplus, Mish and Gelu. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"
#include "ops/shared/elementwise.h"

#include <math.h>
#include <stdio.h>

/* By the host's function, which is tested against known numbers below. */
static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->outputs[0]->shape); i++)
        outputs[0][i] = thaw_function_value(node->state, inputs[0][i]);
}

static const struct {
    const char *type, *attributes;
    const char *values;  /* where it is defined, and gradients are no larger than the numbers */
    const char *special; /* what else it must stand */
    bool blocked;
} functions[] = {
    {"Tanh", "", "wide", "nan", true},     {"Erf", "", NULL, "nan", true},
    {"Exp", "", NULL, NULL, false},        {"Log", "", "positive", "nan", false},
    {"Sqrt", "", "positive", NULL, false}, {"Abs", "", "wide", "nan", true},
    {"Neg", "", "wide", "nan", true},      {"Reciprocal", "", "positive", NULL, false},
    {"Elu", "", "wide", NULL, true},       {"Elu", "alpha=0.5", NULL, NULL, true},
    {"Selu", "", "wide", NULL, true},      {"Selu", "alpha=2.0 gamma=3.0", NULL, NULL, true},
    {"Softplus", "", "wide", NULL, true},  {"Mish", "", "wide", NULL, true},
    {"Gelu", "", "wide", NULL, true},      {"Gelu", "approximate=tanh", "wide", NULL, true},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static int64_t opset_of(const char *type)
{
    return type[0] == 'G' || type[0] == 'M' ? 20 : 13;
}

static void test_forward(void)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const char *attributes = functions[i].attributes, *values = functions[i].values;
        const int64_t opset = opset_of(functions[i].type);
        const op_case cases[] = {
            {attributes, "s", opset, 0, values},     {attributes, "7", opset, 0, values},
            {attributes, "15x1", opset, 0, values},  {attributes, "2x3x17x31", opset, 0, values},
            {attributes, "64x33", opset, 0, values}, {attributes, "0x3", opset, 0, values},
            {attributes, "c:3x7", opset, 0, values}, {attributes, "16", opset, 0, values},
        };
        const op_case special[] = {{attributes, "257", opset, 0, functions[i].special}};
        op_check(functions[i].type, OP_CASES(cases), reference, 1e-6, "plain");
        if (functions[i].special)
            op_check(functions[i].type, OP_CASES(special), reference, 1e-6, NULL);
    }
}

static void test_blocks(void)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const op_case cases[] = {
            {functions[i].attributes, "2x17x3x5", opset_of(functions[i].type), 0, functions[i].values},
            {functions[i].attributes, "1x16x1x7", opset_of(functions[i].type), 0, functions[i].values}};
        if (functions[i].blocked)
            op_check_amid_blocks(functions[i].type, OP_CASES(cases), reference, 1e-6);
    }
}

static void test_gradient(void)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const char *attributes = functions[i].attributes, *values = functions[i].values;
        const int64_t opset = opset_of(functions[i].type);
        const op_case cases[] = {{attributes, "s", opset, 0, values},
                                 {attributes, "3x17x7", opset, 0, values},
                                 {attributes, "0x3", opset, 0, values}};
        const op_case blocks[] = {{attributes, "2x17x3x5", opset, 0, values}};
        op_check_gradient(functions[i].type, OP_CASES(cases), reference, 1e-5);
        if (functions[i].blocked)
            op_check_gradient_blocked(functions[i].type, OP_CASES(blocks), reference, 1e-5);
    }
}

/* Of a line of numbers: what the device makes of each. */
static thaw_tensor *run(const char *type, int64_t count, double (*number)(int64_t))
{
    char shape[32];
    snprintf(shape, sizeof shape, "%lld", (long long)count);
    const op_case row = {"", shape, 20, 0, NULL};
    op_subject subject;
    thaw_program *program;
    thaw_tensor *result;
    test_must(op_subject_build(type, &row, 1, &subject));
    for (int64_t i = 0; i < count; i++)
        thaw_tensor_set(subject.tensors[0], i, number(i));
    const thaw_program_options options = {.shapes = &subject.tensors[0]->shape};
    test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
    test_must(thaw_program_write(program, 0, subject.tensors[0]));
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &result));
    thaw_program_destroy(&program);
    op_subject_free(&subject);
    return result;
}

static double even_steps(int64_t i)
{
    return (float)(0.0037 * (double)(i - 1000));
}

static double factors(int64_t i)
{
    return (float)pow(10, 0.035 * (double)(i - 1000));
}

/* The claims of cl/elementwise.cl: the largest error in units in the last place of the result. */
static void test_precision(void)
{
    enum { COUNT = 2000 };
    static const struct {
        const char *type;
        double (*number)(int64_t), (*exact)(double);
        double units;
    } claims[] = {{"Erf", even_steps, erf, 1.5}, {"Tanh", even_steps, tanh, 2.5}, {"Exp", even_steps, exp, 2},
                  {"Log", factors, log, 2},      {"Elu", even_steps, NULL, 3},    {"Softplus", even_steps, NULL, 3}};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        thaw_tensor *result = run(claims[i].type, test_tiny() ? 600 : COUNT, claims[i].number);
        double worst = 0;
        for (int64_t j = 0; j < result->count; j++) {
            const double x = claims[i].number(j);
            const double exact = claims[i].exact            ? claims[i].exact(x)
                                 : claims[i].type[0] == 'E' ? (x > 0 ? x : expm1(x))
                                                            : log1p(exp(x));
            const double error = fabs(thaw_tensor_get(result, j) - exact) / ldexp(1, ilogb(exact) - 23);
            worst = exact != 0 && error > worst ? error : worst;
        }
        if (worst > claims[i].units)
            printf("\n  %s: an error of %.2f units in the last place", claims[i].type, worst);
        CU_ASSERT(worst <= claims[i].units);
        thaw_tensor_release(&result);
    }
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Neg", "", "i:1,-2,0", 0, "i:-1,2,0"}, {"Abs", "", "i:1,-2,0", 0, "i:1,2,0"},
        {"Sqrt", "", "f:4,0.25", 0, "f:2,0.5"}, {"Reciprocal", "", "f:4@s", 0, "f:0.25@s"},
        {"Exp", "", "f:0", 0, "f:1"},           {"Tanh", "", "f:0,100", 0, "f:0,1"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case unknown[] = {{"beta=0.5", "3", 20, 0, NULL}, {"", "i:1,2", 20, 0, NULL}};
    static const op_case model[] = {{"", "3 3", 20, 0, NULL}, {"approximate=never", "3", 20, 0, NULL}};
    op_check_refused("Gelu", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
    op_check_refused("Exp", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
    op_check_refused("Gelu", OP_CASES(model), THAW_ERR_MODEL);
}

void suite_elementwise(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"in blocks of channels", test_blocks},
        {"gradients", test_gradient},
        {"as precise as is claimed", test_precision},
        {"on the host", test_folded},
        {"what is refused", test_refused},
    };
    TEST_SUITE("elementwise", tests);
}
