/* Dropout, as it is at inference, and Identity. */
#include "op_trial.h"
#include "test.h"

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->inputs[0]->shape); i++) {
        outputs[0][i] = inputs[0][i];
        if (node->output_count > 1)
            outputs[1][i] = 1;
    }
}

static void test_forward(void)
{
    static const op_case identity[] = {
        {"", "2x3x7", 7, 0, "nan"}, {"", "s", 21, 0, NULL},       {"", "0x3", 0, 0, NULL},
        {"", "c:2x3", 0, 0, NULL},  {"", "i:1,-2,3", 0, 0, NULL}, {"", "b:1,0", 0, 0, NULL},
    };
    static const op_case dropout[] = {
        {"", "2x3x7", 7, 0, NULL},
        {"ratio=0.9", "2x3x7", 7, 2, NULL},
        {"ratio=0.9", "2x3x7", 11, 2, NULL},
        {"is_test=1", "2x3x7", 6, 0, NULL},
        {"seed=7", "3x31 f:0.75", 13, 2, "nan"},
        {"", "3x31 f:0.75 b:1@s", 13, 2, NULL}, /* training_mode is not heeded */
        {"", "3x31 s", 22, 2, NULL},
        {"", "3x31 - b:0@s", 22, 1, NULL},
        {"", "s", 22, 2, NULL},
        {"", "0x2", 22, 2, NULL},
        {"", "c:2x3", 22, 2, NULL},
    };
    op_check("Identity", OP_CASES(identity), reference, 0, NULL);
    op_check("Dropout", OP_CASES(dropout), reference, 0, NULL);
}

/* A bool one since opset 10, of the input's type before. */
static void test_mask(void)
{
    static const struct {
        int64_t opset;
        thaw_dtype dtype;
    } cases[] = {{7, THAW_FLOAT32}, {10, THAW_BOOL}, {13, THAW_BOOL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const op_case row = {"", "2x3", cases[i].opset, 2, NULL};
        const char *const outputs[] = {"y1"};
        const thaw_program_options options = {.outputs = outputs, .output_count = 1};
        op_subject subject;
        thaw_program *program;
        thaw_tensor *mask;
        test_must(op_subject_build("Dropout", &row, 1, &subject));
        test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
        test_must(thaw_program_forward(program));
        test_must(thaw_program_read(program, 0, &mask));
        CU_ASSERT_EQUAL(mask->dtype, cases[i].dtype);
        CU_ASSERT_EQUAL(mask->count, 6);
        for (int64_t j = 0; j < mask->count; j++)
            CU_ASSERT_EQUAL(thaw_tensor_get(mask, j), 1);
        thaw_tensor_release(&mask);
        thaw_program_destroy(&program);
        op_subject_free(&subject);
    }
}

static void test_refused(void)
{
    static const op_case attributes[] = {{"ratio=0.5", "3", 12, 0, NULL}, {"seed=1", "3", 11, 0, NULL}};
    static const op_case counts[] = {{"", "3 f:0.5", 11, 0, NULL}, {"", "3", 13, 3, NULL}};
    static const op_case identity[] = {{"", "3 3", 13, 0, NULL}, {"", "3", 13, 2, NULL}};
    op_check_refused("Dropout", OP_CASES(attributes), THAW_ERR_UNSUPPORTED);
    op_check_refused("Dropout", OP_CASES(counts), THAW_ERR_MODEL);
    op_check_refused("Identity", OP_CASES(identity), THAW_ERR_MODEL);
}

void suite_dropout(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"the mask", test_mask},
        {"what is refused", test_refused},
    };
    TEST_SUITE("dropout", tests);
}
