#include "op_movement.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *from = &node->inputs[0]->shape, *to = &node->outputs[0]->shape;
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK], source[THAW_MAX_RANK];
        op_unravel(to, i, place);
        for (int32_t d = 0; d < from->rank; d++)
            source[d] = from->dims[d] == 1 ? 0 : place[d + to->rank - from->rank];
        outputs[0][i] = inputs[0][op_ravel(from, source)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "s i:7", 0, 0, NULL},
        {"", "1 i:3,5", 0, 0, NULL},
        {"", "3x1 i:2,1,6", 0, 0, NULL},
        {"", "3x1 i:3,4", 0, 0, NULL},
        {"", "1x17x1x1 i:2,17,5,7", 0, 0, "extreme"},
        {"", "2x1x16 i:1,3,1", 0, 0, NULL},
        {"", "2x3 i:1", 0, 0, NULL},
        {"", "2x3 i:", 0, 0, NULL},
        {"", "2x1 i:2,0", 0, 0, NULL},
        {"", "2x1x2x1x2x1x2x1 i:2,2,2,2,2,2,2,2", 8, 0, NULL},
        {"", "c:3x1 i:3,4", 0, 0, NULL},
        {"", "97x1 i:97,91", 0, 0, NULL},
    };
    op_check("Expand", OP_CASES(cases), reference, 0, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "s i:7", 0, 0, NULL},
        {"", "s i:9000", 0, 0, NULL},
        {"", "3x1 i:2,1,6", 0, 0, NULL},
        {"", "1x17x1x1 i:2,17,5,7", 0, 0, NULL},
        {"", "2x1x16 i:1,3,1", 0, 0, NULL},
        {"", "2x3 i:1", 0, 0, NULL},
        {"", "2x1 i:2,0", 0, 0, NULL},
        {"", "300x1 i:300,3", 0, 0, NULL},
        {"", "2x1x2x1x2x1x2x1 i:2,2,2,2,2,2,2,2", 8, 0, NULL},
    };
    op_check_gradient("Expand", OP_CASES(cases), reference, 1e-5);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Expand", "", "i:7 i:2,3", 0, "i:7,7,7,7,7,7@2x3"},
        {"Expand", "", "b:1,0@2x1 i:1,3", 0, "b:1,1,1,0,0,0@2x3"},
        {"Expand", "", "i:1,2 i:2,1", 0, "i:1,2,1,2@2x2"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "2x3 i:2,4", 0, 0, NULL}, {"", "2x3 i:3,3", 0, 0, NULL}};
    static const op_case sizes[] = {{"", "1 i:-1", 0, 0, NULL}, {"", "1 i:4611686018427387904,4", 0, 0, NULL}};
    static const op_case unsupported[] = {{"", "2x3 2", 0, 0, NULL}};
    op_check_refused("Expand", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Expand", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Expand", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"folded", test_folded},
    {"gradients", test_gradient},
    {"refused", test_refused},
};

void suite_expand(void)
{
    TEST_SUITE("expand", tests);
}
