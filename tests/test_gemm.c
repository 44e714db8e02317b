#include "op_harness.h"
#include "test.h"

/* c's element at (row, column) of y. */
static double addend(const thaw_value *c, const double *values, int64_t row, int64_t column)
{
    const int32_t rank = c->shape.rank;
    const int64_t columns = rank > 0 ? c->shape.dims[rank - 1] : 1, rows = rank > 1 ? c->shape.dims[0] : 1;
    return values[(rows > 1 ? row : 0) * columns + (columns > 1 ? column : 0)];
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const bool transpose_a = thaw_node_int(node, "transA", 0), transpose_b = thaw_node_int(node, "transB", 0);
    const double alpha = (double)thaw_node_float(node, "alpha", 1), beta = (double)thaw_node_float(node, "beta", 1);
    const int64_t *a_dims = node->inputs[0]->shape.dims, *b_dims = node->inputs[1]->shape.dims;
    const int64_t m = a_dims[transpose_a], k = a_dims[!transpose_a], n = b_dims[!transpose_b];
    for (int64_t row = 0; row < m; row++)
        for (int64_t column = 0; column < n; column++) {
            double sum = 0;
            for (int64_t i = 0; i < k; i++)
                sum += inputs[0][transpose_a ? i * m + row : row * k + i] *
                       inputs[1][transpose_b ? column * k + i : i * n + column];
            sum *= alpha;
            if (node->input_count > 2 && inputs[2] && beta != 0)
                sum += beta * addend(node->inputs[2], inputs[2], row, column);
            outputs[0][row * n + column] = sum;
        }
}

static const op_case cases[] = {
    {"", "1x1 1x1 1", 0, 0, NULL},
    {"", "7x15 15x16 16", 0, 0, NULL},
    {"transA=1", "15x7 15x17 7x17", 0, 0, NULL},
    {"transB=1", "31x16 33x16 33", 0, 0, NULL},
    {"transA=1 transB=1", "7x17 15x7 17x1", 0, 0, NULL},
    {"alpha=0.5 beta=2.5", "16x33 33x7 1x7", 0, 0, NULL},
    {"alpha=-1.5 transA=1 beta=0.5", "3x5 3x4 s", 0, 0, NULL},
    {"beta=0.25 transB=1", "3x5 4x5 1", 0, 0, NULL},
    {"beta=0.0", "3x5 5x4 4", 0, 0, NULL},
    {"", "2x10 10x3", 0, 0, NULL},
    {"", "2x10 10x3 -", 11, 0, NULL},
    {"transB=1", "5x7 c:64x7 c:64", 0, 0, NULL},
    {"broadcast=1 alpha=2.0", "3x4 4x5 5", 6, 0, NULL},
    {"", "3x4 4x5 3x5", 7, 0, NULL},
    {"", "1x4 4x1 1x1", 0, 0, NULL},
};

static void test_forward(void)
{
    static const op_case more[] = {
        {"transB=1", "64x31 64x31 64x64", 0, 0, NULL},
        {"", "33x64 64x31 31", 0, 0, NULL},
        {"", "7x9 c:9x8 c:8", 0, 0, "extreme"},
        {"", "7x9 c:9x8 c:8", 0, 0, "nan"},
        {"transA=1", "9x7 c:9x8 7x8", 0, 0, "nan"},
        {"", "0x3 3x4 4", 0, 0, NULL},
        {"", "3x0 0x4 4", 0, 0, NULL},
        {"beta=2.0", "3x0 0x4", 0, 0, NULL},
    };
    op_check("Gemm", OP_CASES(cases), reference, 2e-6, "plain");
    op_check("Gemm", OP_CASES(more), reference, 2e-6, "plain");
}

/* Weights that are packed where the program is fused: rows one by one, several tiles of them, several launches; sums
 * over several chunks; c in every form, constant or not; too few columns; a transposed, which is left alone. */
static void test_constant_weights(void)
{
    static const op_case constants[] = {
        {"transB=1", "1x64 c:33x64 c:33", 0, 0, NULL},
        {"transB=1", "2x31 c:100x31 100", 0, 0, NULL},
        {"", "3x17 c:17x15 c:1x15", 0, 0, NULL},
        {"alpha=0.5 beta=2.0", "4x7 c:7x16 c:4x1", 0, 0, NULL},
        {"beta=0.5", "5x9 c:9x17 5x17", 0, 0, NULL},
        {"beta=0.0", "6x9 c:9x17 c:17", 0, 0, NULL},
        {"transB=1 alpha=-2.0", "7x33 c:4x33 c:s", 0, 0, NULL},
        {"transB=1", "8x100 c:31x100 c:8x31", 0, 0, NULL},
        {"", "13x700 c:700x33 c:33", 0, 0, NULL},
        {"transB=1", "29x515 c:18x515", 0, 0, NULL},
        {"", "131x20 c:20x19 c:131x1", 0, 0, NULL},
        {"", "5x8 c:8x3 c:3", 0, 0, NULL},
        {"transA=1", "8x5 c:8x9 c:9", 0, 0, NULL},
        {"", "1x1 c:1x4 c:4", 0, 0, NULL},
        {"", "5x0 c:0x9 c:9", 0, 0, NULL},
        {"", "0x5 c:5x9 c:9", 0, 0, NULL},
        {"", "1x9 c:9x8 c:8", 0, 0, "nan"},
        {"transB=1", "14x9 c:8x9 c:8", 0, 0, "nan"},
    };
    op_check("Gemm", OP_CASES(constants), reference, 2e-6, NULL);
}

static void test_gradient(void)
{
    op_check_gradient("Gemm", OP_CASES(cases), reference, 1e-5);
    static const op_case packed[] = {
        {"transB=1", "3x31 c:17x31 17", 0, 0, NULL},
        {"alpha=0.5 beta=2.0", "4x7 c:7x16 c:4x1", 0, 0, NULL},
        {"", "5x9 c:9x17", 0, 0, NULL},
    };
    op_check_gradient_blocked("Gemm", OP_CASES(packed), reference, 1e-5);
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "2x3 4x5", 0, 0, NULL},         {"transA=1", "2x3 3x5", 0, 0, NULL},
                                     {"transB=1", "2x3 3x5", 0, 0, NULL}, {"", "2x3x1 3x5", 0, 0, NULL},
                                     {"", "3 3x5", 0, 0, NULL},           {"", "2x3 3x5 3", 0, 0, NULL},
                                     {"", "2x3 3x5 5x2", 0, 0, NULL},     {"", "2x3 3x5 1x2x5", 0, 0, NULL},
                                     {"", "2x3 3x5 3x5", 0, 0, NULL},     {"", "2x3 3x5 1x1x1", 0, 0, NULL}};
    static const op_case files[] = {{"", "2x3", 0, 0, NULL}, {"", "2x3 - 3", 0, 0, NULL}};
    static const op_case unsupported[] = {{"broadcast=1", "2x3 3x5", 7, 0, NULL}, {"", "2x3 i:1,2,3", 0, 0, NULL}};
    op_check_refused("Gemm", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Gemm", OP_CASES(files), THAW_ERR_MODEL);
    op_check_refused("Gemm", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_gemm(void)
{
    static const test_entry tests[] = {
        {"sizes, transposes, broadcast", test_forward},
        {"constant weights", test_constant_weights},
        {"gradients", test_gradient},
        {"what does not fit is refused", test_refused},
    };
    TEST_SUITE("gemm", tests);
}
