/* Weights stored as 16-bit floats: what that changes, and what it must not. */
#include "conv_reference.h"
#include "model/program.h"
#include "op_subject.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TINY_ELEMENTS 700

static const struct {
    const char *type;
    op_case row;
} products[] = {
    {"Gemm", {"transB=1", "1x64 c:33x64 c:33", 0, 0, NULL}},
    {"Gemm", {"", "3x17 c:17x15 c:1x15", 0, 0, NULL}},
    {"Gemm", {"alpha=0.5 beta=2.0", "31x9 c:9x70 31x70", 0, 0, NULL}},
    {"Gemm", {"transB=1", "13x700 c:33x700", 0, 0, NULL}},
    {"MatMul", {"", "5 c:5x9", 0, 0, NULL}},
    {"MatMul", {"", "2x3x4x5 c:5x33", 0, 0, NULL}},
};
#define PRODUCTS (sizeof products / sizeof products[0])

/* The subject's node there; others may change the storage around it. */
static const thaw_node *find_node(const thaw_program *program, const op_subject *subject)
{
    const thaw_graph *graph = program->graph;
    size_t i = 0;
    while (strcmp(graph->nodes[i]->name, subject->node->name) != 0)
        i++;
    return graph->nodes[i];
}

/* The subject's output, by that algorithm (NULL: any); *halved: whether its weights were stored so. */
static thaw_tensor *run(const op_subject *subject, const char *algorithm, thaw_precision precision, bool *halved)
{
    thaw_program *program;
    thaw_tensor *output;
    const thaw_program_options options = {.frozen_precision = precision, .fuse = true};
    trial_force_algorithm(algorithm);
    test_must(thaw_program_create(subject->graph, test_device(), &options, &program));
    trial_force_algorithm(NULL);
    const thaw_node *node = find_node(program, subject);
    if (algorithm)
        CU_ASSERT_STRING_EQUAL(node->op->algorithm(node), algorithm);
    for (size_t i = 0, input = 0; i < OP_MOST_INPUTS; i++)
        if (subject->at_run_time[i])
            test_must(thaw_program_write(program, input++, subject->tensors[i]));
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &output));
    *halved = node->halves_weights;
    thaw_program_destroy(&program);
    return output;
}

/* TIES lie halfway between two halves, DENORMAL ones have no leading one there, some of them being ties too. */
typedef enum weights { RANDOM, EXACT, TIES, DENORMAL, LARGEST, ONE_TOO_LARGE, NOT_FINITE, NOT_A_NUMBER } weights;

static void change(thaw_tensor *tensor, weights kind)
{
    float *values = tensor->data, *last = values + tensor->count - 1;
    for (int64_t i = 0; i < tensor->count; i++)
        if (kind == EXACT)
            values[i] = roundf(values[i] * 64) / 64;
        else if (kind == TIES)
            values[i] = copysignf(1 + (float)(1 + 2 * (i % 300)) * 0x1p-11f, values[i]);
        else if (kind == DENORMAL)
            values[i] = copysignf((float)(i % 2047) * 0x1p-25f, values[i]);
    if (kind == LARGEST)
        *last = 65504;
    if (kind == ONE_TOO_LARGE)
        *last = -65520;
    if (kind == NOT_FINITE)
        *last = INFINITY;
    if (kind == NOT_A_NUMBER)
        *last = NAN;
}

/* The largest difference that halves make, over the largest magnitude; NaN in both counts as none. */
static double difference(size_t product, weights kind, bool *halved)
{
    op_subject subject;
    bool exactly;
    test_must(op_subject_build(products[product].type, &products[product].row, 7 + product, &subject));
    change(subject.tensors[1], kind);
    thaw_tensor *wanted = run(&subject, NULL, THAW_PRECISION_FP32, &exactly);
    thaw_tensor *got = run(&subject, NULL, THAW_PRECISION_FP16, halved);
    double largest = 0, magnitude = 0;
    CU_ASSERT_FALSE(exactly);
    for (int64_t i = 0; i < wanted->count; i++) {
        const double x = thaw_tensor_get(wanted, i), y = thaw_tensor_get(got, i);
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        largest = fmax(largest, fabs(x - y));
        magnitude = fmax(magnitude, fabs(x));
    }
    thaw_tensor_release(&wanted);
    thaw_tensor_release(&got);
    op_subject_free(&subject);
    return magnitude > 0 ? largest / magnitude : 0;
}

/* A device that packs no weights has nothing to halve. */
static void halves_round_weights(void)
{
    for (size_t i = 0; i < PRODUCTS; i++) {
        bool halved;
        const double found = difference(i, RANDOM, &halved);
        CU_ASSERT(halved == (thaw_device_width(test_device()) > 1));
        CU_ASSERT(halved ? found > 0 && found < 1e-3 : found == 0);
    }
}

static void what_halves_can_hold_stays_exact(void)
{
    static const weights kinds[] = {EXACT, NOT_FINITE};
    for (size_t i = 0; i < PRODUCTS; i++)
        for (size_t k = 0; k < 2; k++) {
            bool halved;
            const double found = difference(i, kinds[k], &halved);
            CU_ASSERT(halved == (thaw_device_width(test_device()) > 1));
            CU_ASSERT(kinds[k] != EXACT || found == 0);
        }
}

static void weights_too_large_for_halves_stay_floats(void)
{
    for (size_t i = 0; i < PRODUCTS; i++) {
        bool halved;
        CU_ASSERT_EQUAL(difference(i, ONE_TOO_LARGE, &halved), 0);
        CU_ASSERT_FALSE(halved);
    }
}

static void every_width_of_vectors_agrees(void)
{
    static const int32_t widths[] = {4, 8, 16};
    for (size_t w = 0; w < (test_tiny() ? 1 : 3); w++) {
        trial_force_layout(widths[w]);
        for (size_t i = 0; i < PRODUCTS; i++) {
            bool halved;
            CU_ASSERT_EQUAL(difference(i, EXACT, &halved), 0);
            CU_ASSERT(halved);
        }
        trial_force_layout(0);
    }
}

/* --- convolutions in blocks of channels --- */

typedef struct convolution {
    const char *algorithm;
    double tolerance; /* of the largest magnitude */
    op_case row;
} convolution;

#define TILED_ERROR    2e-6
#define WINOGRAD_ERROR 5e-6

/* What the convolution gives with weights rounded to halves; `halved` false: with those that there are. */
static double *reference(const op_subject *subject, bool halved)
{
    thaw_node *node = subject->node;
    double *inputs[OP_MOST_INPUTS] = {0};
    test_must(node->op->infer(node));
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_tensor *tensor = subject->tensors[i];
        inputs[i] = test_allocate(tensor->count, sizeof(double));
        for (int64_t j = 0; j < tensor->count; j++) {
            const float value = (float)thaw_tensor_get(tensor, j);
            inputs[i][j] = i == 1 && halved ? thaw_half_to_float(thaw_float_to_half(value)) : value;
        }
    }
    double *output = test_allocate(thaw_shape_size(&node->outputs[0]->shape), sizeof *output);
    conv_reference(node, (const double *const *)inputs, &output);
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        free(inputs[i]);
    return output;
}

/* Runs it with such weights in blocks of so many channels, and compares. */
static void check_convolution(const convolution *c, weights kind, int32_t block, bool halves)
{
    const op_trial trial = {.type = "Conv", .row = &c->row, .algorithm = c->algorithm, .layout = block};
    op_subject subject;
    bool halved;
    test_must(op_subject_build("Conv", &c->row, 11, &subject));
    change(subject.tensors[1], kind);
    trial_force_layout(block);
    thaw_tensor *got = run(&subject, c->algorithm, THAW_PRECISION_FP16, &halved);
    trial_force_layout(0);
    double *wanted = reference(&subject, halves);
    CU_ASSERT_EQUAL(halved, halves);
    trial_compare(&trial, "output", 0, &subject.node->outputs[0]->shape, got, wanted,
                  c->tolerance * trial_largest(wanted, got->count));
    free(wanted);
    thaw_tensor_release(&got);
    op_subject_free(&subject);
}

static void check_convolutions(const convolution *cases, size_t count, weights kind, bool halves)
{
    static const int32_t blocks[] = {4, 8, 16};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : 3); j++)
            if (!test_tiny() || op_case_elements(&cases[i].row) <= TINY_ELEMENTS)
                check_convolution(&cases[i], kind, blocks[j], halves);
}

#define CONVOLUTIONS(cases) (cases), sizeof(cases) / sizeof *(cases)

static void convolutions_use_rounded_weights(void)
{
    static const convolution cases[] = {
        {"tiled", TILED_ERROR, {"", "1x1x1x1 c:1x1x1x1 c:1", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"", "1x17x5x5 c:15x17x1x1 c:15", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"", "1x17x9x9 c:64x17x1x1 c:64", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"", "2x5x7x7 c:1024x5x1x1", 0, 0, NULL}}, /* four blocks at once of 7 pixels */
        {"tiled", TILED_ERROR, {"strides=2,2", "2x16x7x7 c:33x16x1x1 c:33", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"pads=1,1,1,1", "1x5x6x5 c:9x5x3x3 c:9", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"pads=1,1,1,1 strides=2,1", "2x5x19x9 c:128x5x3x3", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"pads=1,1,1,1", "2x31x9x8 c:33x31x3x3 c:33", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"dilations=2,3 pads=4,6,4,6", "1x8x5x3 c:9x8x3x3", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"group=2 pads=1,1,1,1", "2x32x5x6 c:32x16x3x3 c:32", 0, 0, NULL}},
        {"image", TILED_ERROR, {"strides=2,2 pads=3,3,3,3", "1x3x31x33 c:16x3x7x7 c:16", 0, 0, NULL}},
        {"image", TILED_ERROR, {"pads=1,1,1,1", "1x1x5x15 c:6x1x3x3 c:6", 0, 0, NULL}},
        {"depthwise_blocked", TILED_ERROR, {"group=5 pads=1,1,1,1", "1x5x6x9 c:5x1x3x3 c:5", 0, 0, NULL}},
        {"depthwise_blocked", TILED_ERROR, {"group=31 pads=2,2,2,2 strides=2,2", "1x31x9x29 c:31x1x5x5", 0, 0, NULL}},
        {"depthwise_blocked", TILED_ERROR, {"group=9 dilations=2,3 pads=2,3,2,3", "1x9x7x9 c:9x1x3x3", 0, 0, NULL}},
        {"winograd", WINOGRAD_ERROR, {"pads=1,1,1,1", "1x5x6x5 c:9x5x3x3 c:9", 0, 0, NULL}},
        {"winograd", WINOGRAD_ERROR, {"pads=1,0,0,2", "2x31x9x13 c:33x31x3x3 c:33", 0, 0, NULL}},
        {"winograd", WINOGRAD_ERROR, {"pads=1,1,1,1", "1x257x3x3 c:15x257x3x3", 0, 0, NULL}},
    };
    check_convolutions(CONVOLUTIONS(cases), RANDOM, true);
    check_convolutions(CONVOLUTIONS(cases), TIES, true);
}

static void the_ends_of_halves_are_kept(void)
{
    static const weights kinds[] = {DENORMAL, LARGEST, NOT_FINITE, NOT_A_NUMBER};
    static const convolution cases[] = {
        {"tiled", TILED_ERROR, {"", "1x17x5x5 c:15x17x1x1 c:15", 0, 0, NULL}},
        {"tiled", TILED_ERROR, {"", "1x8x5x5 c:9x8x3x3", 0, 0, NULL}},
        {"image", TILED_ERROR, {"", "1x3x5x17 c:6x3x3x3", 0, 0, NULL}},
        {"depthwise_blocked", TILED_ERROR, {"group=9", "1x9x6x9 c:9x1x3x3", 0, 0, NULL}},
    };
    static const convolution finite[] = {
        {"winograd", WINOGRAD_ERROR, {"", "1x5x6x5 c:9x5x3x3", 0, 0, NULL}},
        {"winograd", WINOGRAD_ERROR, {"", "1x17x6x9 c:17x17x3x3", 0, 0, NULL}},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_convolutions(CONVOLUTIONS(cases), kinds[i], true);
    for (size_t i = 0; i < 2; i++)
        check_convolutions(CONVOLUTIONS(finite), kinds[i], true);
}

/* Those in one kernel have no halves to read: they must not be taken. */
static void fused_winograd_is_left_out(void)
{
    static const convolution row = {"winograd", WINOGRAD_ERROR, {"pads=1,1,1,1", "1x8x4x4 c:8x8x3x3 c:8", 0, 0, NULL}};
    op_subject subject;
    bool halved;
    test_must(op_subject_build("Conv", &row.row, 11, &subject));
    trial_force_layout(4);
    thaw_tensor *output = run(&subject, "winograd_fused", THAW_PRECISION_FP32, &halved);
    CU_ASSERT_FALSE(halved);
    thaw_tensor_release(&output);
    trial_force_layout(0);
    op_subject_free(&subject);
    check_convolution(&row, RANDOM, 4, true);
}

static void count_warning(void *user, thaw_log_level level, const char *line)
{
    *(int *)user += level == THAW_LOG_WARNING && strstr(line, "65504") != NULL;
}

static void layers_of_too_large_weights_are_told_of(void)
{
    static const convolution cases[] = {
        {"tiled", TILED_ERROR, {"", "1x17x5x5 c:15x17x1x1 c:15", 0, 0, NULL}},
        {"winograd", WINOGRAD_ERROR, {"pads=1,1,1,1", "1x5x6x5 c:9x5x3x3", 0, 0, NULL}},
        {"depthwise_blocked", TILED_ERROR, {"group=9", "1x9x6x9 c:9x1x3x3", 0, 0, NULL}},
    };
    int warnings = 0;
    thaw_context_set_log(test_context(), count_warning, &warnings);
    check_convolutions(CONVOLUTIONS(cases), ONE_TOO_LARGE, false);
    CU_ASSERT_EQUAL(warnings, test_tiny() ? 3 : 9);
    warnings = 0;
    check_convolutions(CONVOLUTIONS(cases), LARGEST, true);
    CU_ASSERT_EQUAL(warnings, 0);
    thaw_context_set_log(test_context(), NULL, NULL);
}

/* Row by row weights are read as they stand, and nobody is warned. */
static void other_storage_keeps_floats(void)
{
    static const op_case row = {"group=2", "1x6x5x5 c:4x3x3x3", 0, 0, NULL};
    const convolution grouped = {NULL, TILED_ERROR, row};
    int warnings = 0;
    thaw_context_set_log(test_context(), count_warning, &warnings);
    check_convolution(&grouped, RANDOM, 8, false);
    check_convolution(&grouped, ONE_TOO_LARGE, 8, false);
    check_convolution(&grouped, RANDOM, THAW_BLOCK_ALL, false);
    CU_ASSERT_EQUAL(warnings, 0);
    thaw_context_set_log(test_context(), NULL, NULL);
}

void suite_frozen_precision(void)
{
    static const test_entry tests[] = {
        {"halves round weights", halves_round_weights},
        {"what halves can hold stays exact", what_halves_can_hold_stays_exact},
        {"weights too large for halves stay floats", weights_too_large_for_halves_stay_floats},
        {"every width of vectors agrees", every_width_of_vectors_agrees},
        {"convolutions use rounded weights", convolutions_use_rounded_weights},
        {"the ends of what halves can hold", the_ends_of_halves_are_kept},
        {"fused Winograd is left out", fused_winograd_is_left_out},
        {"layers of too large weights are told of", layers_of_too_large_weights_are_told_of},
        {"other storage keeps floats", other_storage_keeps_floats},
    };
    TEST_SUITE("frozen_precision", tests);
}
