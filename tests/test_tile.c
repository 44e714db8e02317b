#include "op_movement.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    for (int64_t i = 0; i < thaw_shape_size(y); i++) {
        int64_t place[THAW_MAX_RANK];
        op_unravel(y, i, place);
        for (int32_t d = 0; d < x->rank; d++)
            place[d] %= x->dims[d];
        outputs[0][i] = inputs[0][op_ravel(x, place)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "3x7 i:2,3", 0, 0, "extreme"},        {"", "3x7 i:1,1", 0, 0, NULL},   {"", "s i:", 0, 0, NULL},
        {"", "2x1x16 i:1,17,2", 6, 0, NULL},       {"", "2x3 i:0,2", 0, 0, NULL},   {"", "0x3 i:2,2", 0, 0, NULL},
        {"", "2x3x2x3 i:2,2,2,2", 0, 0, NULL},     {"", "c:3x5 i:2,1", 0, 0, NULL}, {"", "97x33 i:2,3", 0, 0, NULL},
        {"", "1x2x1x3x1 i:3,1,2,2,2", 0, 0, NULL},
    };
    op_check("Tile", OP_CASES(cases), reference, 0, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "3x7 i:2,3", 0, 0, NULL}, {"", "3x7 i:1,1", 0, 0, NULL},         {"", "2x1x16 i:1,17,2", 0, 0, NULL},
        {"", "2x3 i:0,2", 0, 0, NULL}, {"", "2x3x2x3 i:2,2,2,2", 0, 0, NULL}, {"", "1 i:300", 0, 0, NULL},
    };
    op_check_gradient("Tile", OP_CASES(cases), reference, 1e-5);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Tile", "", "i:1,2 i:2", 0, "i:1,2,1,2"},
        {"Tile", "", "b:1,0@2x1 i:1,2", 0, "b:1,1,0,0@2x2"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "2x3 i:2", 0, 0, NULL}};
    static const op_case sizes[] = {{"", "2x3 i:2,-1", 0, 0, NULL}, {"", "4 i:4611686018427387904", 0, 0, NULL}};
    static const op_case unsupported[] = {{"", "2x3 2", 0, 0, NULL}, {"", "2x2x2x2x2 i:2,2,2,2,2", 0, 0, NULL}};
    op_check_refused("Tile", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Tile", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Tile", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_tile(void)
{
    static const test_entry tests[] = {
        {"forward", test_forward}, {"folded", test_folded}, {"gradients", test_gradient}, {"refused", test_refused}};
    TEST_SUITE("tile", tests);
}
