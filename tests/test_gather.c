#include "op_movement.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *data = &node->inputs[0]->shape, *indices = &node->inputs[1]->shape;
    const thaw_shape *to = &node->outputs[0]->shape;
    int64_t axis = thaw_node_int(node, "axis", 0);
    axis += axis < 0 ? data->rank : 0;
    CU_ASSERT_EQUAL(to->rank, data->rank - 1 + indices->rank);
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK], source[THAW_MAX_RANK];
        op_unravel(to, i, place);
        for (int64_t d = 0; d < data->rank; d++)
            source[d] = d < axis ? place[d] : d > axis ? place[d + indices->rank - 1] : 0;
        source[axis] = (int64_t)inputs[1][op_ravel(indices, &place[axis])];
        source[axis] += source[axis] < 0 ? data->dims[axis] : 0;
        outputs[0][i] = inputs[0][op_ravel(data, source)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "7 i:3@s", 0, 0, NULL},
        {"", "7 i:0,6,-1,-7", 0, 0, NULL},
        {"", "17x5 i:1,16,3,3", 0, 0, "extreme"},
        {"axis=1", "2x7x5 i:6,0,-2", 0, 0, NULL},
        {"axis=-1", "3x16 i:15@s", 0, 0, NULL},
        {"axis=1", "2x3x4 i:0,1,2,-1,-2,-3@2x3", 0, 0, NULL},
        {"axis=0", "2x3x4 i:", 0, 0, NULL},
        {"axis=1", "c:2x3x4 i:0,2", 0, 0, NULL},
        {"axis=2", "2x3x4x5 i:3,1", 7, 0, NULL},
    };
    op_check("Gather", OP_CASES(cases), reference, 0, NULL);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "7 i:3@s", 0, 0, NULL},
        {"", "17x5 i:1,16,3,3,3,-1", 0, 0, NULL},
        {"axis=1", "2x7x5 i:6,0,-2", 0, 0, NULL},
        {"axis=-1", "3x16 i:15@s", 0, 0, NULL},
        {"axis=1", "2x3x4 i:0,1,2,-1,-2,-3@2x3", 0, 0, NULL},
        {"axis=0", "2x3x4 i:", 0, 0, NULL},
        {"axis=2", "2x3x4x5 i:3,1", 7, 0, NULL},
    };
    op_check_gradient("Gather", OP_CASES(cases), reference, 1e-5);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Gather", "axis=0", "i:8,3,224,225 i:1@s", 0, "i:3@s"},
        {"Gather", "", "i:8,3,224,225 i:-1,0", 0, "i:225,8"},
        {"Gather", "axis=1", "b:1,0,0,1@2x2 i:1,1,0@1x3", 0, "b:0,0,1,1,1,0@2x1x3"},
        {"Gather", "axis=1", "i:1,2,3,4@2x2 i:", 0, "i:@2x0"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "7 i:7", 0, 0, NULL}, {"", "7 i:-8", 0, 0, NULL},  {"axis=1", "7 i:0", 0, 0, NULL},
        {"", "s i:0", 0, 0, NULL}, {"", "0x3 i:0", 0, 0, NULL},
    };
    static const op_case models[] = {{"", "7", 0, 0, NULL}, {"", "7 f:1", 0, 0, NULL}};
    static const op_case unsupported[] = {
        {"", "7 3", 0, 0, NULL},
        {"", "1x1x1x1x1 i:0@1x1x1x1x1", 0, 0, NULL},
        {"batch_dims=1", "7 i:0", 0, 0, NULL},
    };
    op_check_refused("Gather", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Gather", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Gather", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"folded", test_folded},
    {"gradients", test_gradient},
    {"refused", test_refused},
};

void suite_gather(void)
{
    TEST_SUITE("gather", tests);
}
