#include "op_harness.h"
#include "test.h"

/* The offset of the matrix that place `index` of the output's stack takes from an operand of shape [..., rows,
 * columns], which may have fewer axes or axes of 1. `batch` is the output's stack. */
static int64_t matrix_offset(const thaw_shape *batch, int64_t index, const thaw_shape *shape)
{
    int64_t offset = 0, stride = shape->dims[shape->rank - 1] * shape->dims[shape->rank - 2];
    for (int32_t i = 0; i < batch->rank; i++) {
        const int64_t dim = batch->dims[batch->rank - 1 - i], place = index % dim;
        const int32_t axis = shape->rank - 3 - i;
        index /= dim;
        if (axis < 0)
            continue;
        offset += shape->dims[axis] > 1 ? place * stride : 0;
        stride *= shape->dims[axis];
    }
    return offset;
}

static thaw_shape as_matrix(const thaw_shape *shape, bool row)
{
    const int64_t size = shape->dims[0];
    if (shape->rank > 1)
        return *shape;
    return (thaw_shape){.rank = 2, .dims = {row ? 1 : size, row ? size : 1}};
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape a = as_matrix(&node->inputs[0]->shape, true), b = as_matrix(&node->inputs[1]->shape, false);
    const int64_t m = a.dims[a.rank - 2], k = a.dims[a.rank - 1], n = b.dims[b.rank - 1];
    thaw_shape batch = node->outputs[0]->shape;
    batch.rank -= (node->inputs[0]->shape.rank > 1) + (node->inputs[1]->shape.rank > 1);
    for (int64_t index = 0; index < thaw_shape_size(&batch); index++) {
        const double *left = inputs[0] + matrix_offset(&batch, index, &a);
        const double *right = inputs[1] + matrix_offset(&batch, index, &b);
        for (int64_t row = 0; row < m; row++)
            for (int64_t column = 0; column < n; column++) {
                double sum = 0;
                for (int64_t i = 0; i < k; i++)
                    sum += left[row * k + i] * right[i * n + column];
                outputs[0][(index * m + row) * n + column] = sum;
            }
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "1x1 1x1", 0, 0, NULL},
        {"", "7x15 15x16", 0, 0, NULL},
        {"", "17x31 31x33", 0, 0, NULL},
        {"", "16x64 c:64x7", 0, 0, NULL},
        {"", "5 5", 0, 0, NULL},
        {"", "5 5x3", 0, 0, NULL},
        {"", "4x5 5", 0, 0, NULL},
        {"", "2x3x4x5 5", 0, 0, NULL},
        {"", "5 2x3x5x4", 0, 0, NULL},
        {"", "2x3x4 4x5", 0, 0, NULL},
        {"", "2x3x4 1x4x5", 0, 0, NULL},
        {"", "3x4 2x4x5", 0, 0, NULL},
        {"", "1x3x4 7x4x5", 0, 0, NULL},
        {"", "2x3x4x5 2x3x5x2", 0, 0, NULL},
        {"", "2x1x4x5 3x5x2", 0, 0, NULL},
        {"", "3x1x3x4 1x2x4x2", 0, 0, NULL},
        {"", "2x3x1x1x4 1x3x2x4x5", 0, 0, NULL},
        {"", "3x0 0x2", 0, 0, NULL},
        {"", "0x3 3x2", 0, 0, NULL},
        {"", "2x0x3 3x2", 0, 0, NULL},
        {"", "5 c:5x9", 0, 0, NULL},
        {"", "4x5 c:5", 0, 0, NULL},
        {"", "2x3x4x5 c:5x33", 0, 0, NULL},
        {"", "2x3x4 c:1x4x5", 0, 0, NULL},
        {"", "3x4 c:2x4x5", 0, 0, NULL},
        {"", "9x600 c:600x17", 0, 0, NULL},
        {"", "2x0x5 c:5x9", 0, 0, NULL},
        {"", "7x9 c:9x8", 0, 0, "nan"},
        {"", "7x9 c:9x8", 0, 0, "extreme"},
    };
    op_check("MatMul", OP_CASES(cases), reference, 2e-6, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "1x1 1x1", 0, 0, NULL},       {"", "7x15 15x16", 0, 0, NULL},      {"", "5 5", 0, 0, NULL},
        {"", "5 5x3", 0, 0, NULL},         {"", "4x5 5", 0, 0, NULL},           {"", "2x3x4x5 5", 0, 0, NULL},
        {"", "5 2x3x5x4", 0, 0, NULL},     {"", "2x3x4 4x5", 0, 0, NULL},       {"", "2x3x4 1x4x5", 0, 0, NULL},
        {"", "3x4 2x4x5", 0, 0, NULL},     {"", "1x3x4 7x4x5", 0, 0, NULL},     {"", "2x3x4x5 2x3x5x2", 0, 0, NULL},
        {"", "2x1x4x5 3x5x2", 0, 0, NULL}, {"", "3x1x3x4 1x2x4x2", 0, 0, NULL}, {"", "2x3x1x1x4 1x3x2x4x5", 0, 0, NULL},
        {"", "0x3 3x2", 0, 0, NULL},       {"", "3x0 0x2", 0, 0, NULL},         {"", "17x31 c:31x3", 0, 0, NULL},
        {"", "c:2x3x4 4x5", 0, 0, NULL},
    };
    op_check_gradient("MatMul", OP_CASES(cases), reference, 1e-5);
    static const op_case packed[] = {
        {"", "3x31 c:31x17", 0, 0, NULL},
        {"", "2x3x4x5 c:5x9", 0, 0, NULL},
    };
    op_check_gradient_blocked("MatMul", OP_CASES(packed), reference, 1e-5);
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "2x3 4x5", 0, 0, NULL}, {"", "3 4", 0, 0, NULL},         {"", "s 3", 0, 0, NULL},
        {"", "3x4 s", 0, 0, NULL},   {"", "2x3x4 3x4x5", 0, 0, NULL}, {"", "2x2x3x4 3x4x5", 0, 0, NULL},
    };
    static const op_case files[] = {{"", "2x3", 0, 0, NULL}, {"", "2x3 3x2 2", 0, 0, NULL}};
    op_check_refused("MatMul", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("MatMul", OP_CASES(files), THAW_ERR_MODEL);
}

void suite_matmul(void)
{
    static const test_entry tests[] = {
        {"ranks and broadcast", test_forward},
        {"gradients", test_gradient},
        {"what does not fit is refused", test_refused},
    };
    TEST_SUITE("matmul", tests);
}
