#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <string.h>

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *from = &node->inputs[0]->shape, *to = &node->outputs[0]->shape;
    size_t count;
    const int64_t *perm = thaw_node_ints(node, "perm", &count);
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK], source[THAW_MAX_RANK];
        op_unravel(to, i, place);
        for (int32_t d = 0; d < to->rank; d++)
            source[perm ? perm[d] : to->rank - 1 - d] = place[d];
        outputs[0][i] = inputs[0][op_ravel(from, source)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "s", 0, 0, NULL},
        {"", "7", 0, 0, NULL},
        {"", "3x5x7", 0, 0, NULL},
        {"perm=1,0", "7x15", 0, 0, NULL},
        {"perm=1,0", "8x16", 0, 0, NULL},
        {"perm=1,0", "33x65", 0, 0, "extreme"},
        {"perm=1,0", "1x17", 0, 0, NULL},
        {"perm=0,1,2", "3x5x7", 0, 0, NULL},
        {"perm=0,2,3,1", "2x3x17x31", 0, 0, NULL},
        {"perm=0,3,1,2", "2x17x5x16", 0, 0, NULL},
        {"perm=0,2,3,1", "1x64x7x7", 0, 0, "nan"},
        {"perm=0,2,1,3", "2x4x3x16", 0, 0, NULL},
        {"perm=0,2,1,3,4", "2x2x7x5x3", 0, 0, NULL},
        {"perm=3,0,2,1", "2x3x4x5", 0, 0, NULL},
        {"perm=7,5,3,1,6,4,2,0", "2x2x2x2x2x3x2x2", 0, 0, NULL},
        {"perm=1,3,5,7,0,2,4,6", "2x2x2x3x2x2x2x2", 0, 0, NULL},
        {"perm=2,0,1", "1x5x1", 0, 0, NULL},
        {"perm=2,1,0", "2x0x3", 0, 0, NULL},
        {"perm=1,0", "c:7x15", 0, 0, NULL},
        {"perm=2,0,1,3", "97x3x5x7", 0, 0, NULL},
    };
    op_check("Transpose", OP_CASES(cases), reference, 0, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"perm=1,0", "5x9", 0, 0, NULL},
        {"perm=0,2,3,1", "2x3x3x5", 0, 0, NULL},
        {"perm=2,3,0,1", "2x3x2x3", 0, 0, NULL},
        {"perm=0,1", "3x4", 0, 0, NULL},
    };
    op_check_gradient("Transpose", OP_CASES(cases), reference, 1e-4);
}

/* Elements of every size are moved whole. */
static void test_every_type(void)
{
    static const double elements[6] = {0, 1, 2, 3, 4, 5};
    static const int order[6] = {0, 3, 1, 4, 2, 5};
    const thaw_shape shape = {.rank = 2, .dims = {2, 3}};
    for (int dtype = 0; dtype < THAW_DTYPE_COUNT; dtype++) {
        const op_case row = {.attributes = "perm=1,0", .inputs = "f:0"};
        op_subject subject;
        test_must(op_subject_build("Transpose", &row, 1, &subject));
        op_subject_replace(&subject, (thaw_dtype)dtype, &shape, elements);
        test_must(subject.node->op->infer(subject.node));
        test_must(subject.node->op->fold(subject.node));
        const thaw_tensor *got = subject.node->outputs[0]->constant;
        CU_ASSERT_EQUAL(got->dtype, (thaw_dtype)dtype);
        CU_ASSERT(got->shape.rank == 2 && got->shape.dims[0] == 3 && got->shape.dims[1] == 2);
        for (int i = 0; i < 6; i++)
            CU_ASSERT_EQUAL(thaw_tensor_get(got, i), dtype == THAW_BOOL ? order[i] != 0 : order[i]);
        op_subject_free(&subject);
    }
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"perm=0,1", "2x3x4", 0, 0, NULL},
        {"perm=0,0,1", "2x3x4", 0, 0, NULL},
        {"perm=0,1,3", "2x3x4", 0, 0, NULL},
    };
    static const op_case models[] = {{"", "2x3 2x3", 0, 0, NULL}, {"", "", 0, 0, NULL}};
    static const op_case unknown[] = {{"order=1,0", "2x3", 0, 0, NULL}};
    op_check_refused("Transpose", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Transpose", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Transpose", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"gradient", test_gradient},
    {"every type", test_every_type},
    {"refused", test_refused},
};

void suite_transpose(void)
{
    TEST_SUITE("transpose", tests);
}
