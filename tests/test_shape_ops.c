/* What graphs compute shapes with, on the host: Constant, ConstantOfShape, Equal, Range, Shape, Where. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <string.h>

static void test_shape(void)
{
    static const op_folded_case cases[] = {
        {"Shape", "", "2x3x5", 0, "i:2,3,5"},
        {"Shape", "", "s", 0, "i:"},
        {"Shape", "", "i:1,2,3", 0, "i:3"},
        {"Shape", "start=1", "2x3x5", 15, "i:3,5"},
        {"Shape", "end=-1", "2x3x5", 15, "i:2,3"},
        {"Shape", "start=-2 end=2", "2x3x5", 15, "i:3"},
        {"Shape", "start=-10 end=10", "2x3x5", 15, "i:2,3,5"},
        {"Shape", "start=2 end=1", "2x3x5", 21, "i:"},
    };
    static const op_case unknown[] = {{"start=1", "2x3", 14, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("Shape", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
}

static void test_constant(void)
{
    static const op_folded_case cases[] = {
        {"Constant", "value=i:1,2,3,4@2x2", "", 0, "i:1,2,3,4@2x2"},
        {"Constant", "value=b:1@s", "", 0, "b:1@s"},
        {"Constant", "value_float=1.5", "", 12, "f:1.5"},
        {"Constant", "value_floats=1.5,2", "", 12, "f:1.5,2"},
        {"Constant", "value_int=-7", "", 12, "i:-7@s"},
        {"Constant", "value_ints=3,4", "", 12, "i:3,4"},
    };
    static const op_case unknown[] = {{"value_string=text", "", 0, 0, NULL}, {"sparse_value=text", "", 0, 0, NULL}};
    static const op_case models[] = {
        {"", "", 0, 0, NULL},
        {"value_int=1 value_float=1.0", "", 0, 0, NULL},
        {"value=3", "", 0, 0, NULL},
        {"value_int=1.5", "", 0, 0, NULL},
        {"value_int=1", "2x3", 0, 0, NULL},
    };
    op_check_folded(OP_CASES(cases));
    op_check_refused("Constant", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
    op_check_refused("Constant", OP_CASES(models), THAW_ERR_MODEL);
}

static void test_constant_of_shape(void)
{
    static const op_folded_case cases[] = {
        {"ConstantOfShape", "", "i:2,3", 0, "f:0,0,0,0,0,0@2x3"},
        {"ConstantOfShape", "value=i:7", "i:3", 0, "i:7,7,7"},
        {"ConstantOfShape", "value=b:1", "i:2,2", 9, "b:1,1,1,1@2x2"},
        {"ConstantOfShape", "value=i:7", "i:", 0, "i:7@s"},
        {"ConstantOfShape", "value=i:7", "i:2,0", 0, "i:@2x0"},
    };
    static const op_case models[] = {
        {"value=i:1,2", "i:3", 0, 0, NULL}, {"value=3", "i:3", 0, 0, NULL}, {"", "f:1,2", 0, 0, NULL}};
    static const op_case sizes[] = {{"", "i:-1", 0, 0, NULL}, {"", "i:4611686018427387904,4", 0, 0, NULL}};
    static const op_case inputs[] = {{"", "2", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("ConstantOfShape", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("ConstantOfShape", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("ConstantOfShape", OP_CASES(inputs), THAW_ERR_UNSUPPORTED);
}

static void test_equal(void)
{
    static const op_folded_case cases[] = {
        {"Equal", "", "i:1,2,3 i:1,-2,3", 0, "b:1,0,1"},
        {"Equal", "", "i:-1,4 i:-1@s", 7, "b:1,0"},
        {"Equal", "", "i:1,2@2x1 i:1,2,3", 0, "b:1,0,0,0,1,0@2x3"},
        {"Equal", "", "b:1,0 b:0,0", 0, "b:0,1"},
        {"Equal", "", "f:0.5,-0.0,2 f:0.5,0,3", 0, "b:1,1,0"},
        {"Equal", "", "i: i:1", 0, "b:"},
    };
    static const op_case models[] = {{"", "i:1 f:1", 0, 0, NULL}};
    static const op_case shapes[] = {{"", "i:1,2 i:1,2,3", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("Equal", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Equal", OP_CASES(shapes), THAW_ERR_SHAPE);
}

static void test_range(void)
{
    static const op_folded_case cases[] = {
        {"Range", "", "i:3@s i:9@s i:3@s", 0, "i:3,6"},
        {"Range", "", "i:0@s i:5@s i:2@s", 0, "i:0,2,4"},
        {"Range", "", "i:10@s i:4@s i:-2@s", 11, "i:10,8,6"},
        {"Range", "", "i:4@s i:10@s i:-2@s", 0, "i:"},
        {"Range", "", "i:4@s i:4@s i:1@s", 0, "i:"},
        {"Range", "", "f:0 f:1 f:0.25", 0, "f:0,0.25,0.5,0.75"},
        {"Range", "", "f:1 f:-0.1 f:-0.5", 0, "f:1,0.5,0"},
        {"Range", "", "i:-9223372036854775808@s i:9223372036854774784@s i:9223372036854774784@s", 0,
         "i:-9223372036854775808,-1024,9223372036854773760"},
    };
    static const op_case models[] = {{"", "i:0@s i:5@s i:0@s", 0, 0, NULL},
                                     {"", "i:0@s f:5 i:1@s", 0, 0, NULL},
                                     {"", "i:0,1 i:5@s i:1@s", 0, 0, NULL}};
    static const op_case sizes[] = {{"", "f:0 f:1e38 f:1e-38", 0, 0, NULL}, {"", "f:nan f:1 f:1", 0, 0, NULL}};
    static const op_case inputs[] = {{"", "s f:1 f:1", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("Range", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Range", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Range", OP_CASES(inputs), THAW_ERR_UNSUPPORTED);
}

static void test_where(void)
{
    static const op_folded_case cases[] = {
        {"Where", "", "b:1,0,1 i:1,2,3 i:4,5,6", 0, "i:1,5,3"},
        {"Where", "", "b:1,0@2x1 i:1,2,3 i:-1@s", 9, "i:1,2,3,-1,-1,-1@2x3"},
        {"Where", "", "b:1@s f:1.5,2 f:0,0@2x1", 0, "f:1.5,2,1.5,2@2x2"},
        {"Where", "", "b:0,1 b:1@s b:0@s", 0, "b:0,1"},
    };
    static const op_case models[] = {{"", "i:1 i:1 i:1", 0, 0, NULL}, {"", "b:1 i:1 f:1", 0, 0, NULL}};
    static const op_case shapes[] = {{"", "b:1,0 i:1,2,3 i:1", 0, 0, NULL}, {"", "b:1 i:1,2,3 i:1,2", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("Where", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Where", OP_CASES(shapes), THAW_ERR_SHAPE);
}

/* A small file must not ask for all the memory there is. */
static void test_huge(void)
{
    static const struct {
        const char *type, *inputs;
    } cases[] = {
        {"ConstantOfShape", "i:100000,100000,100000"},
        {"Expand", "i:1 i:100000,100000,100000"},
        {"Range", "i:0@s i:100000000000000@s i:1@s"},
        {"Pad", "i:1 i:2147483647,2147483647"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const op_case row = {.inputs = cases[i].inputs};
        op_subject subject;
        test_must(op_subject_build(cases[i].type, &row, 1, &subject));
        test_must(subject.node->op->infer(subject.node));
        CU_ASSERT_EQUAL(subject.node->op->fold(subject.node), THAW_ERR_SIZE);
        op_subject_free(&subject);
    }
}

static void test_comparisons(void)
{
    static const op_folded_case cases[] = {
        {"Less", "", "i:1,2,3 i:2@s", 0, "b:1,0,0"},
        {"LessOrEqual", "", "i:1,2,3 i:2@s", 16, "b:1,1,0"},
        {"Greater", "", "i:1,2,3 i:2@s", 0, "b:0,0,1"},
        {"GreaterOrEqual", "", "i:1,2,3 i:2@s", 16, "b:0,1,1"},
        {"Less", "", "f:-1,0.5 f:0@s", 0, "b:1,0"},
        {"And", "", "b:0,0,1,1 b:0,1,0,1", 0, "b:0,0,0,1"},
        {"Or", "", "b:0,0,1,1 b:0,1,0,1", 0, "b:0,1,1,1"},
        {"Xor", "", "b:0,0,1,1 b:0,1,0,1", 0, "b:0,1,1,0"},
        {"Not", "", "b:0,1", 0, "b:1,0"},
    };
    static const op_case models[] = {{"", "i:1 f:1", 0, 0, NULL}};
    static const op_case logical[] = {{"", "i:1 i:1", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("Less", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("And", OP_CASES(logical), THAW_ERR_MODEL);
}

static void test_scatter(void)
{
    static const op_folded_case cases[] = {
        {"ScatterND", "", "i:1,2,3,4 i:1,-1@2x1 i:9,8", 0, "i:1,9,3,8"},
        {"ScatterND", "", "i:1,2,3,4@2x2 i:1@1x1 i:9,8@1x2", 16, "i:1,2,9,8@2x2"},
        {"ScatterND", "", "i:1,2,3,4@2x2 i:0,1@1x2 i:9", 16, "i:1,9,3,4@2x2"},
    };
    static const op_case shapes[] = {{"", "i:1,2 i:0@1x1 i:1,2", 0, 0, NULL}};
    op_check_folded(OP_CASES(cases));
    op_check_refused("ScatterND", OP_CASES(shapes), THAW_ERR_SHAPE);
}

static const test_entry tests[] = {
    {"Shape", test_shape},
    {"Constant", test_constant},
    {"ConstantOfShape", test_constant_of_shape},
    {"Equal", test_equal},
    {"Range", test_range},
    {"Where", test_where},
    {"Less, Greater, And, Or, Xor, Not", test_comparisons},
    {"ScatterND", test_scatter},
    {"huge", test_huge},
};

void suite_shape_ops(void)
{
    TEST_SUITE("shape_ops", tests);
}
