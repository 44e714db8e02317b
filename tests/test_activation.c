/* Relu, LeakyRelu, Clip, Sigmoid, HardSigmoid and HardSwish. */
#include "op_trial.h"
#include "test.h"
#include "ops/shared/activation.h"

#include <float.h>
#include <math.h>

static int64_t elements(const thaw_node *node)
{
    return thaw_shape_size(&node->inputs[0]->shape);
}

static void relu(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < elements(node); i++)
        outputs[0][i] = inputs[0][i] < 0 ? 0 : inputs[0][i];
}

static void leaky_relu(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const double alpha = thaw_node_float(node, "alpha", 0.01f);
    for (int64_t i = 0; i < elements(node); i++)
        outputs[0][i] = inputs[0][i] < 0 ? alpha * inputs[0][i] : inputs[0][i];
}

static void clip(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const double lower = node->input_count > 1 && inputs[1] ? inputs[1][0] : thaw_node_float(node, "min", -FLT_MAX);
    const double upper = node->input_count > 2 && inputs[2] ? inputs[2][0] : thaw_node_float(node, "max", FLT_MAX);
    for (int64_t i = 0; i < elements(node); i++) {
        const double raised = inputs[0][i] < lower ? lower : inputs[0][i];
        outputs[0][i] = raised > upper ? upper : raised;
    }
}

static void sigmoid(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < elements(node); i++)
        outputs[0][i] = 1 / (1 + exp(-inputs[0][i]));
}

static double clamped(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static void hard_sigmoid(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const double alpha = thaw_node_float(node, "alpha", 0.2f), beta = thaw_node_float(node, "beta", 0.5f);
    for (int64_t i = 0; i < elements(node); i++)
        outputs[0][i] = clamped(alpha * inputs[0][i] + beta);
}

/* The limit of 0 at minus infinity. */
static void hard_swish(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < elements(node); i++)
        outputs[0][i] = inputs[0][i] < -3 ? 0 : inputs[0][i] * clamped(inputs[0][i] / 6 + 0.5);
}

#define SIZES(attributes)                                                                                              \
    {attributes, "s", 0, 0, NULL}, {attributes, "1", 7, 0, NULL}, {attributes, "7", 14, 0, NULL},                      \
        {attributes, "15x1", 22, 0, NULL}, {attributes, "2x3x17x31", 0, 0, NULL}, {attributes, "64x33", 0, 0, NULL},   \
        {attributes, "0x3", 0, 0, NULL}, {attributes, "16x16", 0, 0, "extreme"},                                       \
    {                                                                                                                  \
        attributes, "257", 0, 0, "nan"                                                                                 \
    }

static void test_exact(void)
{
    static const op_case plain[] = {SIZES("")};
    static const op_case leaky[] = {SIZES(""), SIZES("alpha=0.25"), SIZES("alpha=-1.5")};
    op_check("Relu", OP_CASES(plain), relu, 0, NULL);
    op_check("LeakyRelu", OP_CASES(leaky), leaky_relu, 0, NULL);
}

static void test_rounded(void)
{
    static const op_case plain[] = {SIZES("")};
    static const op_case hard[] = {SIZES(""), SIZES("alpha=0.5 beta=0.6"), SIZES("alpha=-0.75")};
    op_check("Sigmoid", OP_CASES(plain), sigmoid, 1e-6, NULL);
    op_check("HardSigmoid", OP_CASES(hard), hard_sigmoid, 1e-6, NULL);
    op_check("HardSwish", OP_CASES(plain), hard_swish, 1e-6, NULL);
}

static void test_clip(void)
{
    static const op_case cases[] = {
        {"min=-0.5 max=0.75", "3x7x5", 6, 0, NULL},
        {"min=0.0", "17", 10, 0, "nan"},
        {"max=1.0", "17", 10, 0, "extreme"},
        {"", "33", 10, 0, "nan"},
        {"", "2x31", 11, 0, "nan"}, /* infinities become the largest numbers, as in ONNX Runtime */
        {"", "2x31 f:-0.5 f:1.25", 11, 0, "nan"},
        {"", "64 - f:0.5", 12, 0, "extreme"},
        {"", "64 f:0.5 -", 13, 0, NULL},
        {"", "64 f:0.5", 13, 0, NULL},
        {"", "64 f:1.5 f:-0.5", 13, 0, "nan"}, /* an empty range: its upper bound */
        {"", "64 f:0.5@1 f:1@1x1", 13, 0, NULL},
        /* bounds known at run time only */
        {"", "3x21 s s", 13, 0, "nan"},
        {"", "3x21 s s", 13, 0, NULL},
        {"", "3x21 s", 13, 0, NULL},
        {"", "3x21 - s", 13, 0, "extreme"},
        {"", "3x21 f:-1 s", 13, 0, NULL},
        {"", "0 s s", 13, 0, NULL},
        /* on the host */
        {"", "c:3x7 f:-0.5 f:0.75", 13, 0, NULL},
        {"", "c:33 f:-0.5", 13, 0, "nan"},
        {"min=-0.5 max=0.75", "c:3x7", 6, 0, NULL},
        {"", "i:-5,0,1,7,9223372036854774784 i:0@s i:6@s", 13, 0, NULL},
        {"", "i:-5,0,1,7 - i:0@s", 13, 0, NULL},
    };
    op_check("Clip", OP_CASES(cases), clip, 0, NULL);
}

static void test_blocks(void)
{
    static const op_case cases[] = {
        {"", "2x17x3x5", 0, 0, NULL}, {"", "1x16x1x7", 0, 0, "extreme"}, {"", "2x3x5x3", 0, 0, "nan"}};
    static const op_case bounds[] = {{"", "2x17x3x5 f:0.5 f:1.5", 0, 0, NULL},
                                     {"", "2x3x5x3 f:-1 s", 0, 0, NULL},
                                     {"", "2x3x5x3 f:1e39", 0, 0, NULL}};
    op_check_amid_blocks("Relu", OP_CASES(cases), relu, 0);
    op_check_amid_blocks("LeakyRelu", OP_CASES(cases), leaky_relu, 0);
    op_check_amid_blocks("Sigmoid", OP_CASES(cases), sigmoid, 1e-6);
    op_check_amid_blocks("HardSigmoid", OP_CASES(cases), hard_sigmoid, 1e-6);
    op_check_amid_blocks("HardSwish", OP_CASES(cases), hard_swish, 1e-6);
    op_check_amid_blocks("Clip", OP_CASES(bounds), clip, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {{"", "s", 0, 0, NULL}, {"", "3x17x7", 0, 0, "wide"}, {"", "0x3", 0, 0, NULL}};
    static const op_case leaky[] = {{"", "3x31", 0, 0, NULL}, {"alpha=-1.5", "3x31", 0, 0, NULL}};
    static const op_case hard[] = {
        {"", "3x31", 0, 0, "wide"}, {"alpha=0.5 beta=0.6", "3x31", 0, 0, NULL}, {"alpha=-0.75", "3x31", 0, 0, NULL}};
    static const op_case bounds[] = {{"min=-0.5 max=0.75", "3x7x5", 6, 0, NULL},
                                     {"", "2x31 f:-0.5 f:1.25", 11, 0, NULL},
                                     {"", "64 - f:0.5", 12, 0, NULL},
                                     {"", "64 f:1.5 f:-0.5", 13, 0, NULL},
                                     {"", "64 f:0.5", 13, 0, NULL}};
    static const op_case blocks[] = {{"", "2x17x3x5", 0, 0, "wide"}, {"", "1x3x1x7", 0, 0, NULL}};
    op_check_gradient("Relu", OP_CASES(cases), relu, 1e-5);
    op_check_gradient("LeakyRelu", OP_CASES(leaky), leaky_relu, 1e-5);
    op_check_gradient("Sigmoid", OP_CASES(cases), sigmoid, 1e-5);
    op_check_gradient("HardSigmoid", OP_CASES(hard), hard_sigmoid, 1e-5);
    op_check_gradient("HardSwish", OP_CASES(cases), hard_swish, 1e-5);
    op_check_gradient("Clip", OP_CASES(bounds), clip, 1e-5);
    op_check_gradient_blocked("Relu", OP_CASES(blocks), relu, 1e-5);
    op_check_gradient_blocked("Sigmoid", OP_CASES(blocks), sigmoid, 1e-5);
    op_check_gradient_blocked("HardSwish", OP_CASES(blocks), hard_swish, 1e-5);
}

/* Clip's bounds are given, not learnt. */
static void test_trained_bounds(void)
{
    static const op_case row = {"", "3x21 s", 13, 0, NULL};
    op_subject subject;
    thaw_program *program;
    test_must(op_subject_build("Clip", &row, 1, &subject));
    const thaw_shape shapes[] = {subject.tensors[0]->shape, subject.tensors[1]->shape};
    const thaw_program_options options = {.shapes = shapes, .differentiable = true};
    subject.graph->inputs[0]->trainable = true;
    CU_ASSERT_EQUAL(thaw_program_create(subject.graph, test_device(), &options, &program), THAW_ERR_UNSUPPORTED);
    op_subject_free(&subject);
}

static void test_refused(void)
{
    static const op_case unknown[] = {{"alpha=0.5", "3", 0, 0, NULL}};
    static const op_case inputs[] = {{"", "3 3", 0, 0, NULL}, {"", "-", 0, 0, NULL}, {"", "", 0, 0, NULL}};
    static const op_case integers[] = {{"", "i:1,2", 14, 0, NULL}};
    static const op_case attribute_bounds[] = {{"min=0.5", "3", 11, 0, NULL}};
    static const op_case input_bounds[] = {{"", "3 f:0.5", 10, 0, NULL}, {"", "3 i:1", 0, 0, NULL}};
    static const op_case long_bounds[] = {{"", "3 f:0,1", 0, 0, NULL}, {"", "3 f:0 2", 0, 0, NULL}};
    op_check_refused("Relu", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
    op_check_refused("Sigmoid", OP_CASES(inputs), THAW_ERR_MODEL);
    op_check_refused("HardSwish", OP_CASES(integers), THAW_ERR_UNSUPPORTED);
    op_check_refused("Clip", OP_CASES(attribute_bounds), THAW_ERR_UNSUPPORTED);
    op_check_refused("Clip", OP_CASES(input_bounds), THAW_ERR_MODEL);
    op_check_refused("Clip", OP_CASES(long_bounds), THAW_ERR_SHAPE);
}

/* What the fusion is told about a node. */
static void test_description(void)
{
    static const struct {
        const char *type;
        op_case row;
        bool is_activation;
        thaw_epilogue epilogue;
    } cases[] = {
        {"Relu", {"", "3", 0, 0, NULL}, true, {THAW_RELU, 0, 0, NULL}},
        {"LeakyRelu", {"alpha=0.25", "3", 0, 0, NULL}, true, {THAW_LEAKY_RELU, 0.25f, 0, NULL}},
        {"Clip", {"", "3 f:0 f:6", 0, 0, NULL}, true, {THAW_CLAMP, 0, 6, NULL}},
        {"Clip", {"max=6.0", "3", 6, 0, NULL}, true, {THAW_CLAMP, -FLT_MAX, 6, NULL}},
        {"Clip", {"", "3 f:0 s", 0, 0, NULL}, false, {THAW_LINEAR, 0, 0, NULL}},
        {"Sigmoid", {"", "3", 0, 0, NULL}, true, {THAW_SIGMOID, 0, 0, NULL}},
        {"HardSigmoid", {"beta=0.75", "3", 0, 0, NULL}, true, {THAW_HARD_SIGMOID, 0.2f, 0.75f, NULL}},
        {"HardSwish", {"", "3", 0, 0, NULL}, true, {THAW_HARD_SWISH, 0, 0, NULL}},
        {"Softmax", {"", "3", 0, 0, NULL}, false, {THAW_LINEAR, 0, 0, NULL}},
        {"Identity", {"", "3", 0, 0, NULL}, false, {THAW_LINEAR, 0, 0, NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_subject subject;
        thaw_epilogue epilogue = {0};
        test_must(op_subject_build(cases[i].type, &cases[i].row, 1, &subject));
        test_must(subject.node->op->infer(subject.node));
        CU_ASSERT_EQUAL(thaw_activation_of(subject.node, &epilogue), cases[i].is_activation);
        if (cases[i].is_activation) {
            CU_ASSERT_EQUAL(epilogue.activation, cases[i].epilogue.activation);
            CU_ASSERT_EQUAL(epilogue.alpha, cases[i].epilogue.alpha);
            CU_ASSERT_EQUAL(epilogue.beta, cases[i].epilogue.beta);
            CU_ASSERT_PTR_NULL(epilogue.residual);
        }
        op_subject_free(&subject);
    }
}

void suite_activation(void)
{
    static const test_entry tests[] = {
        {"Relu and LeakyRelu", test_exact},
        {"Sigmoid, HardSigmoid and HardSwish", test_rounded},
        {"Clip", test_clip},
        {"in blocks of channels", test_blocks},
        {"gradients", test_gradient},
        {"Clip with bounds that are computed", test_trained_bounds},
        {"what is refused", test_refused},
        {"what fusion is told", test_description},
    };
    TEST_SUITE("activation", tests);
}
