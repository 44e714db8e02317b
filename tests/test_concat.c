#include "op_movement.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *to = &node->outputs[0]->shape;
    int64_t axis = thaw_node_int(node, "axis", 0), total = 0;
    axis += axis < 0 ? to->rank : 0;
    for (size_t i = 0; i < node->input_count; i++)
        total += node->inputs[i]->shape.dims[axis];
    CU_ASSERT_EQUAL(to->dims[axis], total);
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK];
        size_t part = 0;
        op_unravel(to, i, place);
        for (; place[axis] >= node->inputs[part]->shape.dims[axis]; part++)
            place[axis] -= node->inputs[part]->shape.dims[axis];
        outputs[0][i] = inputs[part][op_ravel(&node->inputs[part]->shape, place)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"axis=0", "7", 0, 0, NULL},
        {"axis=0", "7 15", 0, 0, NULL},
        {"axis=1", "2x3x5x7 2x16x5x7", 0, 0, NULL},
        {"axis=1", "1x3x5x7 1x16x5x7 1x1x5x7", 0, 0, "extreme"},
        {"axis=1", "2x16x3x5 2x32x3x5 2x16x3x5", 0, 0, NULL},
        {"axis=-3", "2x16x3x5 2x20x3x5", 0, 0, NULL},
        {"axis=2", "2x16x3x5 2x16x4x5", 0, 0, NULL},
        {"axis=1", "2x16x3x5 c:2x16x3x5", 0, 0, NULL},
        {"axis=-1", "3x5 3x1 3x16", 0, 0, NULL},
        {"axis=-2", "2x3x4 2x5x4", 0, 0, NULL},
        {"axis=2", "2x3x4 2x3x0 2x3x5", 0, 0, NULL},
        {"axis=0", "2x3 c:4x3 1x3", 0, 0, NULL},
        {"axis=1", "2x1 2x2 2x3 2x4 2x5 2x6 2x7 2x8", 0, 0, NULL},
        {"axis=5", "2x1x2x1x2x3x2x2 2x1x2x1x2x1x2x2", 0, 0, NULL},
        {"axis=1", "c:2x3 c:2x4", 0, 0, NULL},
        {"axis=1", "2x3x3 2x4x3", 7, 0, NULL},
        {"axis=1", "97x131 97x5", 0, 0, NULL},
        {"axis=1", "2x9001 2x3", 0, 0, NULL},
    };
    op_check("Concat", OP_CASES(cases), reference, 0, "plain");
    op_check_amid_blocks("Concat", OP_CASES(cases), reference, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"axis=1", "2x3x2 2x1x2 c:2x2x2", 0, 0, NULL},
        {"axis=0", "3x4 2x4", 0, 0, NULL},
        {"axis=-1", "3x2 3x5", 0, 0, NULL},
    };
    static const op_case blocks[] = {
        {"axis=1", "2x16x3x2 2x32x3x2", 0, 0, NULL},
        {"axis=1", "2x17x3x2 2x3x3x2", 0, 0, NULL},
        {"axis=2", "2x16x3x2 2x16x1x2", 0, 0, NULL},
    };
    op_check_gradient("Concat", OP_CASES(cases), reference, 1e-4);
    op_check_gradient_blocked("Concat", OP_CASES(blocks), reference, 1e-4);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Concat", "axis=0", "i:1 i:2,3 i:-1", 0, "i:1,2,3,-1"},
        {"Concat", "axis=1", "b:1,0@2x1 b:0,1,1,0@2x2", 0, "b:1,0,1,0,1,0@2x3"},
        {"Concat", "axis=0", "i: i:5", 0, "i:5"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"axis=1", "2x3 3x3", 0, 0, NULL},
        {"axis=1", "2x3 2x3x1", 0, 0, NULL},
        {"axis=2", "2x3 2x3", 0, 0, NULL},
        {"axis=0", "s s", 0, 0, NULL},
    };
    static const op_case models[] = {
        {"", "2x3 2x3", 0, 0, NULL},         {"axis=0", "", 0, 0, NULL},      {"axis=0", "2x3 -", 0, 0, NULL},
        {"axis=0", "i:1 f:1,2", 0, 0, NULL}, {"axis=0", "2 i:1", 0, 0, NULL},
    };
    op_check_refused("Concat", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Concat", OP_CASES(models), THAW_ERR_MODEL);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"gradient", test_gradient},
    {"folded", test_folded},
    {"refused", test_refused},
};

void suite_concat(void)
{
    TEST_SUITE("concat", tests);
}
