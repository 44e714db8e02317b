/* Dropout, at inference and in training, and Identity. */
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->inputs[0]->shape); i++) {
        outputs[0][i] = inputs[0][i];
        if (node->output_count > 1)
            outputs[1][i] = 1;
    }
}

static void test_forward(void)
{
    static const op_case identity[] = {
        {"", "2x3x7", 7, 0, "nan"}, {"", "s", 21, 0, NULL},       {"", "0x3", 0, 0, NULL},
        {"", "c:2x3", 0, 0, NULL},  {"", "i:1,-2,3", 0, 0, NULL}, {"", "b:1,0", 0, 0, NULL},
    };
    static const op_case dropout[] = {
        {"", "2x3x7", 7, 0, NULL},
        {"ratio=0.9", "2x3x7", 7, 2, NULL},
        {"ratio=0.9", "2x3x7", 11, 2, NULL},
        {"is_test=1", "2x3x7", 6, 0, NULL},
        {"seed=7", "3x31 f:0.75", 13, 2, "nan"},
        {"", "3x31 f:0.75 b:1@s", 13, 2, NULL}, /* training_mode is not heeded */
        {"", "3x31 s", 22, 2, NULL},
        {"", "3x31 - b:0@s", 22, 1, NULL},
        {"", "s", 22, 2, NULL},
        {"", "0x2", 22, 2, NULL},
        {"", "c:2x3", 22, 2, NULL},
    };
    op_check("Identity", OP_CASES(identity), reference, 0, NULL);
    op_check("Dropout", OP_CASES(dropout), reference, 0, NULL);
}

/* A bool one since opset 10, of the input's type before. */
static void test_mask(void)
{
    static const struct {
        int64_t opset;
        thaw_dtype dtype;
    } cases[] = {{7, THAW_FLOAT32}, {10, THAW_BOOL}, {13, THAW_BOOL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const op_case row = {"", "2x3", cases[i].opset, 2, NULL};
        const char *const outputs[] = {"y1"};
        const thaw_program_options options = {.outputs = outputs, .output_count = 1};
        op_subject subject;
        thaw_program *program;
        thaw_tensor *mask;
        test_must(op_subject_build("Dropout", &row, 1, &subject));
        test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
        test_must(thaw_program_forward(program));
        test_must(thaw_program_read(program, 0, &mask));
        CU_ASSERT_EQUAL(mask->dtype, cases[i].dtype);
        CU_ASSERT_EQUAL(mask->count, 6);
        for (int64_t j = 0; j < mask->count; j++)
            CU_ASSERT_EQUAL(thaw_tensor_get(mask, j), 1);
        thaw_tensor_release(&mask);
        thaw_program_destroy(&program);
        op_subject_free(&subject);
    }
}

static void test_gradient(void)
{
    static const op_case cases[] = {{"", "2x3x7", 13, 0, NULL}, {"", "s", 7, 0, NULL}, {"", "0x3", 13, 0, NULL}};
    static const op_case blocks[] = {{"", "2x3x4x5", 13, 0, NULL}};
    op_check_gradient("Dropout", OP_CASES(cases), reference, 1e-5);
    op_check_gradient("Identity", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_blocked("Dropout", OP_CASES(blocks), reference, 1e-5);
}

/* Runs step `step` with ones for inputs and for the output's gradient: what comes out, and what comes back. */
static void run_step(const op_trial *trial, uint64_t seed, uint64_t step, float *out, float *back)
{
    thaw_graph *graph = trial->program->graph;
    thaw_value *x = graph->inputs[0], *y = graph->outputs[0];
    const size_t bytes = (size_t)thaw_shape_size(&x->shape) * sizeof(float);
    graph->training = true;
    graph->seed = seed;
    graph->step = step;
    test_must(thaw_buffer_fill(x->buffer, 0, 0x3f800000, bytes));
    test_must(thaw_buffer_fill(y->gradient, 0, 0x3f800000, bytes));
    test_must(thaw_program_forward(trial->program));
    test_must(thaw_program_backward(trial->program));
    test_must(thaw_buffer_read(y->buffer, 0, out, bytes));
    test_must(thaw_buffer_read(x->gradient, 0, back, bytes));
}

/* How many of two runs' elements agree in whether they were dropped. */
static double agreement(const float *a, const float *b, int64_t count)
{
    double same = 0;
    for (int64_t i = 0; i < count; i++)
        same += (a[i] == 0) == (b[i] == 0);
    return same / (double)count;
}

/* Where something else has written the input's gradient before, this one is added to it. */
static void check_added(const op_trial *trial, const float *out, float *back, int64_t count)
{
    thaw_value *x = trial->program->graph->inputs[0];
    thaw_node *node = trial_node(trial);
    x->gradient_begins = NULL;
    test_must(thaw_buffer_fill(x->gradient, 0, 0x3f800000, (size_t)count * sizeof *back));
    test_must(node->op->backward(node));
    test_must(thaw_buffer_read(x->gradient, 0, back, (size_t)count * sizeof *back));
    for (int64_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(back[i], 1 + out[i]);
}

static void check_share(const float *out, int64_t count, double ratio)
{
    double dropped = 0;
    for (int64_t i = 0; i < count; i++) {
        dropped += out[i] == 0;
        CU_ASSERT(out[i] == 0 || fabs((double)out[i] - 1 / (1 - ratio)) < 1e-5);
    }
    CU_ASSERT_DOUBLE_EQUAL(dropped / (double)count, ratio, 4 * sqrt(ratio * (1 - ratio) / (double)count) + 1e-12);
}

/* The right share is dropped, the rest scaled, the gradient alike; the same step of the same run drops the same. */
static void check_training(const op_case *row, double ratio)
{
    op_trial trial = {.type = "Dropout", .row = row};
    if (trial_begin(&trial, 1, true)) {
        const int64_t count = thaw_shape_size(&trial.program->graph->inputs[0]->shape);
        float *out = test_allocate(count, sizeof *out), *back = test_allocate(count, sizeof *back);
        float *other = test_allocate(count, sizeof *other);
        const double by_chance = ratio * ratio + (1 - ratio) * (1 - ratio), slack = 4 * sqrt(0.25 / (double)count);
        run_step(&trial, 5, 1, out, back);
        check_share(out, count, ratio);
        for (int64_t i = 0; i < count; i++)
            CU_ASSERT_EQUAL(out[i], back[i]);
        run_step(&trial, 5, 1, other, back);
        CU_ASSERT_EQUAL(agreement(out, other, count), 1);
        run_step(&trial, 5, 2, other, back);
        CU_ASSERT_DOUBLE_EQUAL(agreement(out, other, count), by_chance, slack);
        run_step(&trial, 6, 1, other, back);
        CU_ASSERT_DOUBLE_EQUAL(agreement(out, other, count), by_chance, slack);
        check_added(&trial, other, back, count);
        free(out);
        free(back);
        free(other);
    }
    trial_end(&trial);
}

static void test_training(void)
{
    static const struct {
        op_case row;
        double ratio;
    } cases[] = {
        {{"", "31x21", 13, 0, NULL}, 0.5},          {{"ratio=0.125", "7x97", 7, 0, NULL}, 0.125},
        {{"", "3x31x7 f:0.75", 13, 0, NULL}, 0.75}, {{"", "17x3 f:0 b:0@s", 13, 0, NULL}, 0},
        {{"", "17x3 f:1", 13, 0, NULL}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_training(&cases[i].row, cases[i].ratio);
}

/* Philox4x32-10 of counter 0 and key 0 is 6627e8d5 e169c58d bc57ac4c 9b00dbd8, in elements 0, 8, 16 and 24: these
 * ratios lie around them. */
static void test_known_numbers(void)
{
    static const float ratios[] = {0.39f, 0.41f, 0.6f, 0.61f, 0.73f, 0.74f, 0.88f, 0.89f};
    static const int dropped[] = {0, 1, 1, 2, 2, 3, 3, 4};
    enum { COUNT = 25 };
    thaw_kernel *kernel;
    thaw_buffer *x, *y;
    test_must(thaw_kernel_get(test_device(), "dropout", "dropout", "", &kernel));
    test_must(thaw_buffer_create(test_device(), COUNT * sizeof(float), &x));
    test_must(thaw_buffer_create(test_device(), COUNT * sizeof(float), &y));
    test_must(thaw_buffer_fill(x, 0, 0x3f800000, COUNT * sizeof(float)));
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        float out[COUNT];
        int zeros = 0;
        test_must(thaw_kernel_launch(kernel, THAW_RANGE_1(1), THAW_BUFFER(y), THAW_BUFFER(x), THAW_LONG(COUNT),
                                     THAW_INT(ratios[i] * (1 << 24)), THAW_FLOAT(1), THAW_LONG(0), THAW_INT(0),
                                     THAW_INT(0)));
        test_must(thaw_buffer_read(y, 0, out, sizeof out));
        for (int j = 0; j < COUNT; j += 8)
            zeros += out[j] == 0;
        CU_ASSERT_EQUAL(zeros, dropped[i]);
    }
    thaw_buffer_destroy(&x);
    thaw_buffer_destroy(&y);
}

/* Of a ratio that is computed, or outside its range, and with a mask. */
static void test_refused_steps(void)
{
    static const op_case cases[] = {{"", "31 s", 13, 0, NULL}, {"", "31 f:1.5", 13, 0, NULL}, {"", "31", 13, 2, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_trial trial = {.type = "Dropout", .row = &cases[i]};
        if (trial_begin(&trial, 1, true)) {
            trial.program->graph->training = true;
            CU_ASSERT_EQUAL(thaw_program_forward(trial.program), THAW_ERR_UNSUPPORTED);
        }
        trial_end(&trial);
    }
}

static void test_refused(void)
{
    static const op_case attributes[] = {{"ratio=0.5", "3", 12, 0, NULL}, {"seed=1", "3", 11, 0, NULL}};
    static const op_case counts[] = {{"", "3 f:0.5", 11, 0, NULL}, {"", "3", 13, 3, NULL}};
    static const op_case identity[] = {{"", "3 3", 13, 0, NULL}, {"", "3", 13, 2, NULL}};
    op_check_refused("Dropout", OP_CASES(attributes), THAW_ERR_UNSUPPORTED);
    op_check_refused("Dropout", OP_CASES(counts), THAW_ERR_MODEL);
    op_check_refused("Identity", OP_CASES(identity), THAW_ERR_MODEL);
}

void suite_dropout(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"the mask", test_mask},
        {"gradients at inference", test_gradient},
        {"steps of training", test_training},
        {"published random numbers", test_known_numbers},
        {"steps that are refused", test_refused_steps},
        {"what is refused", test_refused},
    };
    TEST_SUITE("dropout", tests);
}
