/* Flatten, Reshape, Squeeze and Unsqueeze. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    CU_ASSERT_EQUAL(thaw_shape_size(&node->inputs[0]->shape), thaw_shape_size(&node->outputs[0]->shape));
    for (int64_t i = 0; i < thaw_shape_size(&node->outputs[0]->shape); i++)
        outputs[0][i] = inputs[0][i];
}

static void test_forward(void)
{
    static const op_case flatten[] = {{"", "2x3x5x7", 0, 0, NULL},
                                      {"axis=0", "s", 0, 0, "extreme"},
                                      {"", "2x16x1x1", 0, 0, NULL},
                                      {"", "2x17x1x1", 0, 0, NULL}};
    static const op_case reshape[] = {{"", "2x3x5x7 i:0,-1", 0, 0, NULL},
                                      {"", "c:2x3 i:6", 0, 0, NULL},
                                      {"", "2x16x1x1 i:4,8,1,1", 0, 0, NULL},
                                      {"", "2x17x3x1 i:0,0,0,1", 0, 0, NULL}};
    static const op_case squeeze[] = {{"", "2x3x1x1 i:2,3", 0, 0, NULL}, {"", "2x32x1x1 i:2,3", 0, 0, NULL}};
    static const op_case unsqueeze[] = {{"", "2x3 i:-1", 0, 0, NULL}};
    op_check("Flatten", OP_CASES(flatten), reference, 0, NULL);
    op_check("Reshape", OP_CASES(reshape), reference, 0, NULL);
    op_check("Squeeze", OP_CASES(squeeze), reference, 0, NULL);
    op_check("Unsqueeze", OP_CASES(unsqueeze), reference, 0, NULL);
    op_check_amid_blocks("Flatten", OP_CASES(flatten), reference, 0);
    op_check_amid_blocks("Reshape", OP_CASES(reshape), reference, 0);
    op_check_amid_blocks("Squeeze", OP_CASES(squeeze), reference, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {{"", "2x3x5 i:3,-1", 0, 0, NULL}};
    op_check_gradient("Reshape", OP_CASES(cases), reference, 1e-4);
}

#define SIX "i:1,2,3,4,5,6"

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Flatten", "", SIX "@1x2x3", 0, SIX "@1x6"},
        {"Flatten", "axis=0", SIX "@1x2x3", 0, SIX "@1x6"},
        {"Flatten", "axis=2", SIX "@1x2x3", 0, SIX "@2x3"},
        {"Flatten", "axis=3", SIX "@1x2x3", 0, SIX "@6x1"},
        {"Flatten", "axis=-1", SIX "@1x2x3", 11, SIX "@2x3"},
        {"Flatten", "axis=-3", SIX "@1x2x3", 0, SIX "@1x6"},
        {"Flatten", "axis=0", "i:7@s", 0, "i:7@1x1"},
        {"Flatten", "", "b:1,0@2", 0, "b:1,0@2x1"},
        {"Reshape", "", SIX "@2x3 i:3,2", 0, SIX "@3x2"},
        {"Reshape", "", SIX "@2x3 i:-1", 5, SIX "@6"},
        {"Reshape", "", SIX "@2x3 i:0,1,-1", 0, SIX "@2x1x3"},
        {"Reshape", "", SIX "@2x3 i:-1,0", 0, SIX "@2x3"},
        {"Reshape", "", "i:7 i:", 0, "i:7@s"},
        {"Reshape", "allowzero=1", "i:@0x3 i:3,0", 14, "i:@3x0"},
        {"Reshape", "", "i:@0x3 i:-1,6", 0, "i:@0x6"},
        {"Squeeze", "", SIX "@1x6x1", 0, SIX "@6"},
        {"Squeeze", "", SIX "@1x6x1 i:0", 0, SIX "@6x1"},
        {"Squeeze", "", SIX "@1x6x1 i:-1", 0, SIX "@1x6"},
        {"Squeeze", "axes=2,0", SIX "@1x6x1", 7, SIX "@6"},
        {"Squeeze", "", "i:7@1x1", 11, "i:7@s"},
        {"Squeeze", "", SIX "@1x6 i:", 0, SIX "@1x6"},
        {"Unsqueeze", "", SIX " i:0", 0, SIX "@1x6"},
        {"Unsqueeze", "", SIX " i:2,0", 0, SIX "@1x6x1"},
        {"Unsqueeze", "", SIX "@2x3 i:-1,-3", 0, SIX "@2x1x3x1"},
        {"Unsqueeze", "axes=0,3", SIX "@2x3", 7, SIX "@1x2x3x1"},
        {"Unsqueeze", "", "i:7@s i:0", 0, "i:7"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case flatten[] = {{"axis=4", "2x3x5", 0, 0, NULL}, {"axis=-4", "2x3x5", 0, 0, NULL}};
    static const op_case reshape[] = {
        {"", "2x3 i:4,2", 0, 0, NULL},
        {"", "2x3 i:-1,-1", 0, 0, NULL},
        {"", "2x3 i:-2,3", 0, 0, NULL},
        {"", "2x3 i:-1,4", 0, 0, NULL},
        {"", "2x3 i:2,3,0", 0, 0, NULL},
        {"", "0x3 i:0,-1", 0, 0, NULL},
        {"allowzero=1", "2x3 i:0,-1", 14, 0, NULL},
    };
    static const op_case squeeze[] = {
        {"", "2x1 i:0", 0, 0, NULL}, {"", "2x1 i:2", 0, 0, NULL}, {"", "2x1 i:1,-1", 0, 0, NULL}};
    static const op_case unsqueeze[] = {{"", "2x3 i:3", 0, 0, NULL}, {"", "2x3 i:0,-4", 0, 0, NULL}};
    op_check_refused("Flatten", OP_CASES(flatten), THAW_ERR_SHAPE);
    op_check_refused("Reshape", OP_CASES(reshape), THAW_ERR_SHAPE);
    op_check_refused("Squeeze", OP_CASES(squeeze), THAW_ERR_SHAPE);
    op_check_refused("Unsqueeze", OP_CASES(unsqueeze), THAW_ERR_SHAPE);
}

static void test_malformed(void)
{
    static const op_case reshape_sizes[] = {{"", "2x3 i:4611686018427387904,4", 0, 0, NULL},
                                            {"", "2x3 i:4611686018427387904,4,-1", 0, 0, NULL}};
    static const op_case reshape_models[] = {
        {"", "2x3", 0, 0, NULL}, {"", "2x3 i:1,1,1,1,1,1,1,2,3", 0, 0, NULL}, {"", "2x3 f:2,3", 0, 0, NULL}};
    static const op_case reshape_inputs[] = {{"", "2x3 2", 0, 0, NULL}};
    static const op_case unsqueeze_models[] = {{"", "2x3", 0, 0, NULL}, {"", "2x3", 11, 0, NULL}};
    static const op_case unsqueeze_ranks[] = {{"", "2x3x1x1 i:0,1,2,3,4", 0, 0, NULL},
                                              {"axes=0,", "2x3 i:0", 13, 0, NULL}};
    op_check_refused("Reshape", OP_CASES(reshape_sizes), THAW_ERR_SIZE);
    op_check_refused("Reshape", OP_CASES(reshape_models), THAW_ERR_MODEL);
    op_check_refused("Reshape", OP_CASES(reshape_inputs), THAW_ERR_UNSUPPORTED);
    op_check_refused("Unsqueeze", OP_CASES(unsqueeze_models), THAW_ERR_MODEL);
    op_check_refused("Unsqueeze", OP_CASES(unsqueeze_ranks), THAW_ERR_UNSUPPORTED);
}

/* The batch that the file was made for is written into the target; another one runs. */
static void test_batch_override(void)
{
    static const struct {
        const char *inputs;
        int64_t file_batch, batch, first, second; /* first 0: refused */
    } cases[] = {
        {"2x6 i:4,6", 4, 2, 2, 6},  {"2x6 i:4,-1", 4, 2, 2, 6},  {"2x6 i:2,6", 4, 2, 2, 6},  {"2x6 i:3,4", 4, 2, 3, 4},
        {"8x6 i:1,-1", 1, 8, 8, 6}, {"3x6 i:1,-1", 1, 8, 1, 18}, {"2x6 i:4,-1", 0, 2, 4, 3}, {"2x5 i:4,-1", 0, 2, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const op_case row = {.inputs = cases[i].inputs};
        op_subject subject;
        test_must(op_subject_build("Reshape", &row, 1, &subject));
        subject.graph->file_batch = cases[i].file_batch;
        subject.graph->batch = cases[i].batch;
        const thaw_status status = subject.node->op->infer(subject.node);
        const thaw_shape *shape = &subject.node->outputs[0]->shape;
        CU_ASSERT_EQUAL(status, cases[i].first ? THAW_OK : THAW_ERR_SHAPE);
        if (cases[i].first)
            CU_ASSERT(shape->rank == 2 && shape->dims[0] == cases[i].first && shape->dims[1] == cases[i].second);
        op_subject_free(&subject);
    }
}

static const test_entry tests[] = {
    {"forward", test_forward}, {"gradient", test_gradient},   {"folded", test_folded},
    {"refused", test_refused}, {"malformed", test_malformed}, {"batch override", test_batch_override},
};

void suite_view(void)
{
    TEST_SUITE("view", tests);
}
