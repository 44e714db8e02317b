#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <string.h>

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t given = thaw_node_int(node, "axis", 0), axis = given < 0 ? given + x->rank : given;
    int64_t first = 0;
    for (size_t i = 0; i < node->output_count; i++) {
        const thaw_shape *y = &node->outputs[i]->shape;
        for (int64_t j = 0; j < thaw_shape_size(y); j++) {
            int64_t place[THAW_MAX_RANK];
            op_unravel(y, j, place);
            place[axis] += first;
            outputs[i][j] = inputs[0][op_ravel(x, place)];
        }
        first += y->dims[axis];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"axis=1", "2x6x3 i:1,2,3", 13, 3, NULL},
        {"", "6x5", 13, 2, NULL},
        {"axis=-1", "3x15 i:7,8", 18, 2, NULL},
        {"axis=1 split=2,4", "2x6x3", 11, 2, NULL},
        {"split=6,", "6x2", 2, 1, NULL},
        {"axis=1", "2x116x5x5", 13, 2, NULL},
        {"num_outputs=3 axis=1", "2x7", 18, 3, NULL},
        {"", "4 i:0,4,0", 13, 3, NULL},
        {"axis=1", "c:2x6 i:2,4", 13, 2, NULL},
        {"", "0x3", 13, 2, NULL},
    };
    op_check("Split", OP_CASES(cases), reference, 0, NULL);
    op_check_amid_blocks("Split", OP_CASES(cases), reference, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {{"axis=1", "2x6x3 i:1,2,3", 13, 3, NULL},
                                    {"axis=-1", "3x15 i:7,8", 18, 2, NULL},
                                    {"num_outputs=1", "5", 18, 1, NULL}};
    op_check_gradient("Split", OP_CASES(cases), reference, 1e-5);
}

/* Each piece's gradient goes to its place. */
static void test_all_gradients(void)
{
    static const op_case row = {"", "6", 13, 2, NULL};
    static const float gradients[2][3] = {{1, 2, 3}, {4, 5, 6}};
    op_subject subject;
    thaw_program *program;
    float got[6];
    test_must(op_subject_build("Split", &row, 1, &subject));
    const thaw_program_options options = {.shapes = &subject.tensors[0]->shape, .differentiable = true};
    subject.graph->inputs[0]->trainable = true;
    test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
    test_must(thaw_program_write(program, 0, subject.tensors[0]));
    test_must(thaw_program_forward(program));
    for (size_t i = 0; i < 2; i++)
        test_must(thaw_buffer_write(program->graph->outputs[i]->gradient, 0, gradients[i], sizeof gradients[i]));
    test_must(thaw_program_backward(program));
    test_must(thaw_buffer_read(program->graph->inputs[0]->gradient, 0, got, sizeof got));
    CU_ASSERT(memcmp(got, gradients, sizeof got) == 0);
    thaw_program_destroy(&program);
    op_subject_free(&subject);
}

static void test_refused(void)
{
    static const op_case shapes[] = {{"", "5", 13, 2, NULL},
                                     {"", "5 i:2,2", 13, 2, NULL},
                                     {"", "5 i:6,-1", 13, 2, NULL},
                                     {"axis=1", "5", 13, 1, NULL}};
    static const op_case model[] = {{"", "5 i:2,2,1", 13, 2, NULL}};
    static const op_case unsupported[] = {{"", "5 2", 13, 2, NULL}, {"split=2,3", "5", 13, 2, NULL}};
    op_check_refused("Split", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Split", OP_CASES(model), THAW_ERR_MODEL);
    op_check_refused("Split", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_split(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"gradients", test_gradient},
        {"gradients of all pieces", test_all_gradients},
        {"what is refused", test_refused},
    };
    TEST_SUITE("split", tests);
}
