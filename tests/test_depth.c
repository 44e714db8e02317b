/* DepthToSpace and SpaceToDepth. */
#include "op_movement.h"
#include "test.h"

#include <string.h>

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const bool to_space = strcmp(node->op->onnx_type, "DepthToSpace") == 0;
    const bool square_first = strcmp(thaw_node_string(node, "mode", "DCR"), "DCR") == 0;
    const thaw_shape *deep = to_space ? &node->inputs[0]->shape : &node->outputs[0]->shape;
    const thaw_shape *flat = to_space ? &node->outputs[0]->shape : &node->inputs[0]->shape;
    const int64_t b = thaw_node_int(node, "blocksize", 0), channels = flat->dims[1];
    for (int64_t i = 0; i < thaw_shape_size(flat); i++) {
        int64_t at[THAW_MAX_RANK];
        op_unravel(flat, i, at);
        const int64_t square = at[2] % b * b + at[3] % b;
        const int64_t source[THAW_MAX_RANK] = {at[0], square_first ? square * channels + at[1] : at[1] * b * b + square,
                                               at[2] / b, at[3] / b};
        const int64_t j = op_ravel(deep, source);
        outputs[0][to_space ? i : j] = inputs[0][to_space ? j : i];
    }
}

static void test_forward(void)
{
    static const op_case to_space[] = {
        {"blocksize=2", "2x12x3x5", 0, 0, "extreme"},       {"blocksize=2 mode=CRD", "2x12x3x5", 0, 0, NULL},
        {"blocksize=3 mode=DCR", "1x9x7x1", 0, 0, NULL},    {"blocksize=1", "2x3x4x5", 0, 0, NULL},
        {"blocksize=2 mode=CRD", "3x68x17x15", 0, 0, NULL}, {"blocksize=2", "0x8x3x3", 0, 0, NULL},
    };
    static const op_case to_depth[] = {
        {"blocksize=2", "2x3x6x10", 0, 0, "extreme"}, {"blocksize=3", "1x1x21x3", 0, 0, NULL},
        {"blocksize=1", "2x3x4x5", 0, 0, NULL},       {"blocksize=2", "3x17x34x30", 0, 0, NULL},
        {"blocksize=2", "0x8x4x4", 0, 0, NULL},
    };
    op_check("DepthToSpace", OP_CASES(to_space), reference, 0, "plain");
    op_check("SpaceToDepth", OP_CASES(to_depth), reference, 0, "plain");
    op_check_amid_blocks("DepthToSpace", OP_CASES(to_space), reference, 0);
    op_check_amid_blocks("SpaceToDepth", OP_CASES(to_depth), reference, 0);
}

static void test_gradient(void)
{
    static const op_case to_space[] = {{"blocksize=2", "2x12x3x5", 0, 0, NULL},
                                       {"blocksize=2 mode=CRD", "2x12x3x5", 0, 0, NULL}};
    static const op_case to_depth[] = {{"blocksize=2", "2x3x6x10", 0, 0, NULL}};
    op_check_gradient("DepthToSpace", OP_CASES(to_space), reference, 1e-5);
    op_check_gradient_blocked("DepthToSpace", OP_CASES(to_space), reference, 1e-5);
    op_check_gradient("SpaceToDepth", OP_CASES(to_depth), reference, 1e-5);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"DepthToSpace", "blocksize=2", "i:1,2,3,4@1x4x1x1", 0, "i:1,2,3,4@1x1x2x2"},
        {"SpaceToDepth", "blocksize=2", "i:1,2,3,4@1x1x2x2", 0, "i:1,2,3,4@1x4x1x1"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case models[] = {{"", "1x4x2x2", 0, 0, NULL},
                                     {"blocksize=0", "1x4x2x2", 0, 0, NULL},
                                     {"blocksize=2 mode=DRC", "1x4x2x2", 0, 0, NULL}};
    static const op_case shapes[] = {{"blocksize=2", "1x6x2x2", 0, 0, NULL}, {"blocksize=2", "4x2x2", 0, 0, NULL}};
    static const op_case flat[] = {{"blocksize=2", "1x1x3x2", 0, 0, NULL}, {"blocksize=2", "1x1x2x5", 0, 0, NULL}};
    op_check_refused("DepthToSpace", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("DepthToSpace", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("SpaceToDepth", OP_CASES(flat), THAW_ERR_SHAPE);
}

void suite_depth(void)
{
    static const test_entry tests[] = {
        {"forward", test_forward}, {"folded", test_folded}, {"gradients", test_gradient}, {"refused", test_refused}};
    TEST_SUITE("depth", tests);
}
