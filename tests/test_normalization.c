/* LayerNormalization, InstanceNormalization and GroupNormalization. */
#include "op_harness.h"
#include "test.h"
#include "ops/shared/normalization.h"

#include <math.h>

/* By the formula; which elements belong together is the operator's to say, and checked against ONNX's own vectors. */
static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_normalization *state = node->state;
    const int64_t parameters = state->inner ? state->length / state->inner : 0;
    for (int64_t row = 0; row < state->rows && state->length; row++) {
        const double *x = inputs[0] + row * state->length;
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < state->length; i++)
            mean += x[i] / (double)state->length;
        for (int64_t i = 0; i < state->length; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)state->length;
        const double inverse = 1 / sqrt(variance + (double)state->epsilon);
        for (int64_t i = 0; i < state->length; i++) {
            const int64_t p = row % state->groups * parameters + i / state->inner;
            const double shift = node->input_count > 2 && inputs[2] ? inputs[2][p] : 0;
            outputs[0][row * state->length + i] = (x[i] - mean) * inverse * inputs[1][p] + shift;
        }
        if (node->output_count > 1 && outputs[1])
            outputs[1][row] = mean;
        if (node->output_count > 2 && outputs[2])
            outputs[2][row] = inverse;
    }
}

static void test_layer(void)
{
    static const op_case cases[] = {
        {"", "3x7 7 7", 17, 0, NULL},
        {"", "2x5x64 c:64 c:64", 17, 0, NULL},
        {"", "2x3x197 197 -", 17, 0, NULL},
        {"", "5x33 33", 18, 0, NULL},
        {"axis=1", "2x3x17 3x17 3x17", 17, 0, NULL},
        {"axis=0 epsilon=0.1", "4x15 4x15 4x15", 17, 0, NULL},
        {"axis=-2", "2x3x4x31 4x31 c:4x31", 22, 0, NULL},
        {"", "2x3x16 16 16", 17, 3, NULL},
        {"axis=1", "3x1 1 1", 17, 0, NULL},
        {"", "2x1200 1200 1200", 17, 0, "positive"},
        {"", "0x3 3 3", 17, 0, NULL},
    };
    static const op_case gradients[] = {
        {"", "3x7 7 7", 17, 0, NULL},         {"", "2x3x33 33 33", 17, 0, NULL},
        {"", "35x16 16 16", 17, 0, NULL},     {"axis=1", "2x3x17 3x17 c:3x17", 17, 0, NULL},
        {"axis=0", "4x15 4x15", 17, 0, NULL}, {"", "5x17 c:17 17", 17, 0, NULL},
        {"", "5x17 u:17 u:17", 17, 0, NULL},  {"", "c:5x17 17 17", 17, 0, NULL},
        {"", "0x3 3 3", 17, 0, NULL},
    };
    op_check("LayerNormalization", OP_CASES(cases), reference, 2e-6, "plain");
    op_check_gradient("LayerNormalization", OP_CASES(gradients), reference, 1e-4);
    op_check_gradient_by("LayerNormalization", OP_CASES(gradients), reference, 1e-4, "plain");
}

static void test_instance(void)
{
    static const op_case cases[] = {
        {"", "2x3x7x5 3 3", 6, 0, NULL}, {"epsilon=0.1", "1x16x4x4 c:16 c:16", 13, 0, NULL},
        {"", "2x5x33 5 5", 22, 0, NULL}, {"", "2x1x1x31 1 1", 13, 0, NULL},
        {"", "0x3x4 3 3", 13, 0, NULL},
    };
    static const op_case gradients[] = {
        {"", "2x3x7x5 3 3", 13, 0, NULL}, {"", "3x2x17 u:2 u:2", 13, 0, NULL}, {"", "0x3x4 3 3", 13, 0, NULL}};
    op_check("InstanceNormalization", OP_CASES(cases), reference, 2e-6, "plain");
    op_check_gradient("InstanceNormalization", OP_CASES(gradients), reference, 1e-4);
    op_check_gradient_by("InstanceNormalization", OP_CASES(gradients), reference, 1e-4, "plain");
}

static void test_group(void)
{
    static const op_case cases[] = {
        {"num_groups=2", "3x4x5x3 2 2", 18, 0, NULL},
        {"num_groups=2", "3x4x5x3 4 4", 21, 0, NULL},
        {"num_groups=3 epsilon=0.01", "2x6x17 c:6 c:6", 21, 0, NULL},
        {"num_groups=1", "2x3x31 3 3", 21, 0, NULL},
        {"num_groups=3", "2x6 6 6", 21, 0, NULL},
    };
    static const op_case gradients[] = {{"num_groups=2", "3x4x5x3 2 2", 18, 0, NULL},
                                        {"num_groups=2", "3x4x5x3 4 4", 21, 0, NULL},
                                        {"num_groups=2", "2x34 34 34", 21, 0, NULL}};
    op_check("GroupNormalization", OP_CASES(cases), reference, 2e-6, "plain");
    op_check_gradient("GroupNormalization", OP_CASES(gradients), reference, 1e-4);
    op_check_gradient_by("GroupNormalization", OP_CASES(gradients), reference, 1e-4, "plain");
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "3x7 6", 17, 0, NULL}, {"", "3x7 7 1", 17, 0, NULL}, {"axis=2", "3x7 7", 17, 0, NULL}};
    static const op_case model[] = {{"", "3x7", 17, 0, NULL}};
    static const op_case unsupported[] = {{"", "i:1,2 7", 17, 0, NULL}, {"alpha=1.0", "3x7 7", 17, 0, NULL}};
    static const op_case groups[] = {{"num_groups=3", "2x4x5 3 3", 18, 0, NULL}};
    static const op_case no_groups[] = {{"", "2x4x5 3 3", 18, 0, NULL}};
    static const op_case flat[] = {{"", "4 4 4", 13, 0, NULL}};
    op_check_refused("LayerNormalization", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("LayerNormalization", OP_CASES(model), THAW_ERR_MODEL);
    op_check_refused("LayerNormalization", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
    op_check_refused("GroupNormalization", OP_CASES(groups), THAW_ERR_SHAPE);
    op_check_refused("GroupNormalization", OP_CASES(no_groups), THAW_ERR_MODEL);
    op_check_refused("InstanceNormalization", OP_CASES(flat), THAW_ERR_SHAPE);
}

void suite_normalization(void)
{
    static const test_entry tests[] = {
        {"LayerNormalization", test_layer},
        {"InstanceNormalization", test_instance},
        {"GroupNormalization", test_group},
        {"what is refused", test_refused},
    };
    TEST_SUITE("normalization", tests);
}
