/* Convolutions into activations with all channels side by side, and row-major ones in fused programs. */
#include "conv_reference.h"
#include "device_trial.h"
#include "op_trial.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define TOLERANCE 2e-6

/* The simulator takes long for large work-groups. */
static const char *algorithms(void)
{
    return test_tiny() ? "implicit,implicit_32x32,direct,pointwise"
                       : "implicit,implicit_128x128,implicit_64x64,implicit_32x32,direct,pointwise";
}

static void check(const op_case *cases, size_t count)
{
    op_check_layout("Conv", THAW_BLOCK_ALL, cases, count, conv_reference, TOLERANCE, algorithms());
}

static void test_channels(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 c:1x1x1x1 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "2x1x5x5 c:3x1x3x3 c:3", 0, 0, NULL},
        {"pads=1,1,1,1", "1x3x6x5 c:17x3x3x3", 0, 0, NULL},
        {"pads=1,1,1,1", "2x17x4x3 c:1x17x3x3 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "1x31x9x8 c:33x31x3x3 c:33", 0, 0, NULL},
        {"", "3x17x1x1 c:31x17x1x1 c:31", 0, 0, NULL},
        {"", "2x33x3x3 c:8x33x1x1 c:8", 0, 0, NULL},
        {"", "2x64x7x7 c:17x64x1x1 c:17", 0, 0, NULL},
        {"", "2x24x5x5 c:132x24x1x1 c:132", 0, 0, NULL},
        {"pads=1,1,1,1", "2x16x13x11 c:129x16x3x3 c:129", 0, 0, NULL},
        {"pads=1,1,1,1", "2x64x14x14 c:64x64x3x3 c:64", 0, 0, NULL},
        {"", "1x5x64x64 c:31x5x1x1 c:31", 0, 0, NULL},
    };
    check(OP_CASES(cases));
}

static void test_windows(void)
{
    static const op_case cases[] = {
        {"strides=2,2", "2x16x7x7 c:33x16x1x1 c:33", 0, 0, NULL},
        {"strides=2,2 pads=1,1,1,1", "2x16x9x10 c:16x16x3x3 c:16", 0, 0, NULL},
        {"strides=1,3 pads=0,1,2,0", "1x9x8x7 c:7x9x3x2", 0, 0, NULL},
        {"strides=3,1 pads=2,2,2,2", "1x8x13x6 c:8x8x5x5 c:8", 0, 0, NULL},
        {"pads=2,2,2,2", "1x17x1x1 c:8x17x5x5 c:8", 0, 0, NULL},
        {"strides=2,2 pads=3,3,3,3", "1x8x31x33 c:16x8x7x7 c:16", 0, 0, NULL},
        {"dilations=2,3 pads=2,3,2,3", "2x8x11x13 c:9x8x3x3", 0, 0, NULL},
        {"dilations=4,4 pads=4,4,4,4", "1x8x3x3 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=1,0,0,1", "1x7x3x3 c:7x7x1x1 c:7", 0, 0, NULL},
        {"pads=4,4,4,4", "1x5x2x2 c:4x5x3x3", 0, 0, NULL},
        {"auto_pad=SAME_UPPER strides=2,2", "1x8x8x7 c:8x8x4x3 c:8", 0, 0, NULL},
        {"strides=2,2 pads=3,3,3,3", "1x3x31x33 c:16x3x7x7 c:16", 0, 0, NULL},
        {"strides=4,4 pads=2,2,2,2", "1x3x41x37 c:8x3x11x11 c:8", 0, 0, NULL},
        {"pads=1,1,1,1 dilations=1,2", "1x4x6x29 c:17x4x3x3", 0, 0, NULL},
    };
    check(OP_CASES(cases));
}

static void test_groups(void)
{
    static const op_case cases[] = {
        {"group=2 pads=1,1,1,1", "2x32x3x3 c:32x16x3x3 c:32", 0, 0, NULL},
        {"group=2", "1x32x4x4 c:96x16x1x1 c:96", 0, 0, NULL},
        {"group=3 strides=2,2 pads=1,1,1,1", "1x48x7x7 c:24x16x3x3 c:24", 0, 0, NULL},
        {"group=4", "1x16x3x3 c:32x4x3x3 c:32", 0, 0, NULL},
        {"group=2", "1x6x5x5 c:4x3x3x3", 0, 0, NULL},
        {"group=3 pads=1,1,1,1", "1x3x7x5 c:9x1x3x3 c:9", 0, 0, NULL},
    };
    check(OP_CASES(cases));
}

static void test_depthwise(void)
{
    static const op_case cases[] = {
        {"group=3 pads=1,1,1,1", "2x3x5x5 c:3x1x3x3 c:3", 0, 0, NULL},
        {"group=17 pads=1,1,1,1", "2x17x4x5 c:17x1x3x3 c:17", 0, 0, NULL},
        {"group=16 pads=1,1,1,1", "1x16x6x7 c:16x1x3x3", 0, 0, NULL},
        {"group=31 pads=2,2,2,2", "1x31x9x29 c:31x1x5x5 c:31", 0, 0, NULL},
        {"group=64 pads=2,2,2,2", "2x64x3x2 c:64x1x5x5 c:64", 0, 0, NULL},
        {"group=33 strides=2,2 pads=1,1,1,1", "2x33x15x14 c:33x1x3x3 c:33", 0, 0, NULL},
        {"group=8 strides=3,1 pads=2,1,0,2", "1x8x9x7 c:8x1x5x3", 0, 0, NULL},
        {"group=8 strides=5,5", "1x8x21x53 c:8x1x3x3 c:8", 0, 0, NULL},
        {"group=9 dilations=2,3 pads=2,3,2,3", "2x9x6x5 c:9x1x3x3 c:9", 0, 0, NULL},
        {"group=4 pads=4,4,4,4", "1x4x9x10 c:4x1x9x9 c:4", 0, 0, NULL},
        {"group=8 pads=1,1,1,1", "2x8x5x6 c:16x1x3x3 c:16", 0, 0, NULL},
    };
    op_check_layout("Conv", THAW_BLOCK_ALL, OP_CASES(cases), conv_reference, TOLERANCE,
                    "depthwise,direct,implicit_32x32");
}

static void test_odd_numbers(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "1x8x6x7 c:8x8x3x3 c:8", 0, 0, "extreme"},
        {"pads=1,1,1,1", "1x8x6x7 c:16x8x3x3 c:16", 0, 0, "nan"},
        {"pads=1,1,1,1", "1x3x9x9 c:8x3x3x3 c:8", 0, 0, "nan"},
        {"", "2x8x5x5 c:15x8x1x1", 0, 0, "nan"},
        {"group=9 pads=2,2,2,2", "1x9x6x7 c:9x1x5x5 c:9", 0, 0, "nan"},
    };
    check(OP_CASES(cases));
}

/* Row-major, where the program is fused and chooses too. */
static void test_row_major(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "2x3x9x7 c:17x3x3x3 c:17", 0, 0, NULL},
        {"", "2x17x5x3 c:8x17x1x1 c:8", 0, 0, NULL},
        {"group=9 pads=1,1,1,1", "1x9x6x7 c:9x1x3x3 c:9", 0, 0, NULL},
    };
    op_check_layout("Conv", 1, OP_CASES(cases), conv_reference, TOLERANCE, "pointwise,depthwise,im2col,direct");
}

/* What the reference says about a row: freed by the caller. */
static double *expect(const op_subject *subject)
{
    const thaw_node *node = subject->node;
    double *inputs[OP_MOST_INPUTS] = {NULL};
    const double *borrowed[OP_MOST_INPUTS] = {NULL};
    test_must(node->op->infer(subject->node));
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_tensor *tensor = subject->tensors[i];
        inputs[i] = test_allocate(tensor->count, sizeof(double));
        for (int64_t j = 0; j < tensor->count; j++)
            inputs[i][j] = thaw_tensor_get(tensor, j);
        borrowed[i] = inputs[i];
    }
    double *expected = test_allocate(thaw_shape_size(&node->outputs[0]->shape), sizeof(double));
    conv_reference(node, borrowed, &expected);
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        free(inputs[i]);
    return expected;
}

/* Runs the row's program, if it can be made, on a device of its own that is what the environment says. */
static thaw_status run_on(device_trial *trial, const op_case *row)
{
    op_subject subject;
    thaw_program *program;
    thaw_tensor *output;
    test_must(op_subject_build("Conv", row, 1, &subject));
    const thaw_program_options options = {.shapes = &subject.graph->inputs[0]->shape, .fuse = true};
    const thaw_status status = thaw_program_create(subject.graph, trial->device, &options, &program);
    if (status == THAW_OK) {
        double *expected = expect(&subject);
        test_must(thaw_program_write(program, 0, subject.tensors[0]));
        test_must(thaw_program_forward(program));
        test_must(thaw_program_read(program, 0, &output));
        for (int64_t i = 0; i < output->count; i++)
            CU_ASSERT_DOUBLE_EQUAL(thaw_tensor_get(output, i), expected[i], 1e-4);
        thaw_tensor_release(&output);
        free(expected);
    }
    thaw_program_destroy(&program);
    op_subject_free(&subject);
    return status;
}

/* Devices without enough local memory, or with small work-groups. */
static void test_small_devices(void)
{
    static const struct {
        const char *variable, *value;
    } limits[] = {
        {"THAW_DEVICE_WORK_GROUP", "128"}, {"THAW_DEVICE_WORK_GROUP", "64"}, {"THAW_DEVICE_WORK_GROUP", "1"},
        {"THAW_DEVICE_LOCAL", "9000"},     {"THAW_DEVICE_LOCAL", "5000"},    {"THAW_DEVICE_LOCAL", "1024"},
    };
    static const op_case row = {"pads=1,1,1,1", "1x7x5x5 c:9x7x3x3 c:9", 0, 0, NULL};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        device_trial trial;
        environment_set("THAW_LAYOUT", "nhwc");
        environment_set("THAW_ALGORITHM", "implicit");
        environment_set(limits[i].variable, limits[i].value);
        device_trial_open(&trial);
        CU_ASSERT_EQUAL(run_on(&trial, &row), THAW_OK);
        device_trial_close(&trial);
        environment_restore();
    }
}

/* What the device can't give at once is refused with the numbers, and scratch is not counted on. */
static void test_small_allocations(void)
{
    static const op_case row = {"pads=1,1,1,1", "1x7x5x5 c:9x7x3x3 c:9", 0, 0, NULL};
    static const struct {
        const char *layout, *bytes;
        thaw_status status;
    } cases[] = {{"nhwc", "1000", THAW_ERR_DEVICE_MEMORY}, {"nhwc", "100000", THAW_OK}, {"1", "3000", THAW_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        device_trial trial;
        environment_set("THAW_LAYOUT", cases[i].layout);
        environment_set("THAW_DEVICE_ALLOCATION", cases[i].bytes);
        device_trial_open(&trial);
        CU_ASSERT_EQUAL(run_on(&trial, &row), cases[i].status);
        if (cases[i].status != THAW_OK)
            CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "it gives 1000 at once"));
        device_trial_close(&trial);
        environment_restore();
    }
}

void suite_conv_nhwc(void)
{
    static const test_entry tests[] = {
        {"any number of channels", test_channels},
        {"strides, dilations, paddings", test_windows},
        {"groups", test_groups},
        {"each channel by itself", test_depthwise},
        {"extreme values and NaN", test_odd_numbers},
        {"row-major, in fused programs", test_row_major},
        {"little local memory, small work-groups", test_small_devices},
        {"small allocations", test_small_allocations},
    };
    TEST_SUITE("conv_nhwc", tests);
}
