/* Weights stored as 16-bit floats: what that changes, and what it must not. */
#include "model/program.h"
#include "op_subject.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <string.h>

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

/* The subject's output; *halved: whether its weights were stored so. */
static thaw_tensor *run(const op_subject *subject, thaw_precision precision, bool *halved)
{
    thaw_program *program;
    thaw_tensor *output;
    const thaw_program_options options = {.frozen_precision = precision, .fuse = true};
    test_must(thaw_program_create(subject->graph, test_device(), &options, &program));
    for (size_t i = 0, input = 0; i < OP_MOST_INPUTS; i++)
        if (subject->at_run_time[i])
            test_must(thaw_program_write(program, input++, subject->tensors[i]));
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &output));
    *halved = program->graph->nodes[program->graph->node_count - 1]->halves_weights;
    thaw_program_destroy(&program);
    return output;
}

typedef enum weights { RANDOM, EXACT, ONE_TOO_LARGE, NOT_FINITE } weights;

static void change(thaw_tensor *tensor, weights kind)
{
    float *values = tensor->data;
    for (int64_t i = 0; kind == EXACT && i < tensor->count; i++)
        values[i] = roundf(values[i] * 64) / 64;
    if (kind == ONE_TOO_LARGE)
        values[tensor->count - 1] = -65520;
    if (kind == NOT_FINITE)
        values[tensor->count - 1] = INFINITY;
}

/* The largest difference that halves make, over the largest magnitude; NaN in both counts as none. */
static double difference(size_t product, weights kind, bool *halved)
{
    op_subject subject;
    bool exactly;
    test_must(op_subject_build(products[product].type, &products[product].row, 7 + product, &subject));
    change(subject.tensors[1], kind);
    thaw_tensor *wanted = run(&subject, THAW_PRECISION_FP32, &exactly);
    thaw_tensor *got = run(&subject, THAW_PRECISION_FP16, halved);
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

void suite_frozen_precision(void)
{
    static const test_entry tests[] = {
        {"halves round weights", halves_round_weights},
        {"what halves can hold stays exact", what_halves_can_hold_stays_exact},
        {"weights too large for halves stay floats", weights_too_large_for_halves_stay_floats},
        {"every width of vectors agrees", every_width_of_vectors_agrees},
    };
    TEST_SUITE("frozen_precision", tests);
}
