/* LRN and MeanVarianceNormalization. */
#include "op_movement.h"
#include "test.h"

#include <math.h>

static void lrn(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t channels = x->dims[1], inner = thaw_shape_span(x, 2, x->rank), size = thaw_node_int(node, "size", 0);
    const double alpha = (double)thaw_node_float(node, "alpha", 1e-4f), bias = (double)thaw_node_float(node, "bias", 1);
    const double beta = (double)thaw_node_float(node, "beta", 0.75f);
    for (int64_t i = 0; i < thaw_shape_size(x); i++) {
        const int64_t channel = i / inner % channels, first = channel - (size - 1) / 2;
        double sum = 0;
        for (int64_t c = first; c < first + size; c++)
            if (c >= 0 && c < channels)
                sum += pow(inputs[0][i + (c - channel) * inner], 2);
        outputs[0][i] = inputs[0][i] / pow(bias + alpha / (double)size * sum, beta);
    }
}

static void test_lrn(void)
{
    static const op_case cases[] = {
        {"size=5", "2x7x3x5", 0, 0, "wide"},
        {"size=3 alpha=0.5 beta=0.5 bias=2.0", "2x17x31", 0, 0, NULL},
        {"size=4 alpha=1.0", "3x5x1x1", 0, 0, NULL},
        {"size=1 alpha=1.0", "2x15x4", 0, 0, NULL},
        {"size=33 alpha=1.0", "1x16x3", 0, 0, NULL},
        {"size=2 alpha=1.0", "3x7", 0, 0, NULL},
        {"size=5", "0x7x3", 0, 0, NULL},
    };
    static const op_case models[] = {{"", "2x3x4", 0, 0, NULL}, {"size=0", "2x3x4", 0, 0, NULL}};
    static const op_case shapes[] = {{"size=3", "7", 0, 0, NULL}};
    op_check("LRN", OP_CASES(cases), lrn, 1e-6, NULL);
    op_check_amid_blocks("LRN", cases, 1, lrn, 1e-6);
    op_check_gradient("LRN", OP_CASES(cases), lrn, 1e-4);
    op_check_gradient_blocked("LRN", cases, 1, lrn, 1e-4);
    op_check_refused("LRN", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("LRN", OP_CASES(shapes), THAW_ERR_SHAPE);
}

/* Of every element the numbers that it is normalised with: those that agree in all dimensions that are not axes. */
static void standardise(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    size_t count;
    const int64_t *axes = thaw_node_ints(node, "axes", &count), size = thaw_shape_size(x);
    for (int64_t i = 0; i < size; i++) {
        double sums[3] = {0};
        for (int64_t j = 0; j < size; j++) {
            int64_t here[THAW_MAX_RANK], there[THAW_MAX_RANK];
            bool together = true;
            op_unravel(x, i, here);
            op_unravel(x, j, there);
            for (int32_t d = 0; d < x->rank; d++) {
                bool is_axis = !axes && d != 1;
                for (size_t a = 0; a < count; a++)
                    is_axis = is_axis || (axes[a] + x->rank) % x->rank == d;
                together = together && (is_axis || here[d] == there[d]);
            }
            const double number[] = {1, inputs[0][j], inputs[0][j] * inputs[0][j]};
            for (int k = 0; k < 3; k++)
                sums[k] += together ? number[k] : 0;
        }
        const double mean = sums[1] / sums[0];
        outputs[0][i] = (inputs[0][i] - mean) / (sqrt(sums[2] / sums[0] - mean * mean) + 1e-9);
    }
}

static void test_mean_variance(void)
{
    static const op_case cases[] = {
        {"", "2x3x4x5", 0, 0, NULL},           {"axes=2,3", "2x3x7x5", 0, 0, NULL}, {"axes=1,", "3x17", 0, 0, NULL},
        {"axes=0,-1", "3x4x15", 0, 0, "wide"}, {"axes=0,1,2", "2x3x5", 0, 0, NULL}, {"", "0x3x4x5", 0, 0, NULL},
    };
    static const op_case shapes[] = {{"axes=2,", "2x3", 0, 0, NULL}, {"axes=1,1", "2x3", 0, 0, NULL}};
    op_check("MeanVarianceNormalization", OP_CASES(cases), standardise, 1e-5, NULL);
    op_check_amid_blocks("MeanVarianceNormalization", cases, 2, standardise, 1e-5);
    op_check_gradient("MeanVarianceNormalization", OP_CASES(cases), standardise, 1e-3);
    op_check_gradient_blocked("MeanVarianceNormalization", cases, 2, standardise, 1e-3);
    op_check_refused("MeanVarianceNormalization", OP_CASES(shapes), THAW_ERR_SHAPE);
}

void suite_lrn(void)
{
    static const test_entry tests[] = {{"LRN", test_lrn}, {"MeanVarianceNormalization", test_mean_variance}};
    TEST_SUITE("lrn", tests);
}
