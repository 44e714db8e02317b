/* Reductions but means, and GlobalMaxPool. */
#include "op_movement.h"
#include "test.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Which dimensions are averaged over, by the operator's own rules. */
static void read_axes(const thaw_node *node, const double *axes_input, bool over[THAW_MAX_RANK])
{
    const int32_t rank = node->inputs[0]->shape.rank;
    size_t count;
    const int64_t *list = thaw_node_ints(node, "axes", &count);
    if (axes_input)
        count = (size_t)thaw_shape_size(&node->inputs[1]->shape);
    memset(over, 0, THAW_MAX_RANK * sizeof *over);
    for (size_t i = 0; i < count; i++) {
        const int64_t axis = axes_input ? (int64_t)axes_input[i] : list[i];
        over[axis < 0 ? axis + rank : axis] = true;
    }
    const bool global = strcmp(node->op->onnx_type, "GlobalMaxPool") == 0;
    for (int32_t d = 2; d < rank && global; d++)
        over[d] = true;
    for (int32_t d = 0; d < rank && count == 0 && !global; d++)
        over[d] = !thaw_node_int(node, "noop_with_empty_axes", 0);
}

/* What one more element does to a result. */
static double join(const char *type, double so_far, double x)
{
    if (strcmp(type, "ReduceMax") == 0 || strcmp(type, "GlobalMaxPool") == 0)
        return isnan(so_far) || so_far > x ? so_far : x;
    if (strcmp(type, "ReduceMin") == 0)
        return isnan(so_far) || so_far < x ? so_far : x;
    if (strcmp(type, "ReduceL1") == 0)
        return so_far + fabs(x);
    if (strcmp(type, "ReduceL2") == 0 || strcmp(type, "ReduceSumSquare") == 0)
        return so_far + x * x;
    if (strcmp(type, "ReduceLogSumExp") == 0)
        return so_far + exp(x);
    return strcmp(type, "ReduceProd") == 0 ? so_far * x : so_far + x;
}

static double start_of(const char *type)
{
    if (strcmp(type, "ReduceMax") == 0 || strcmp(type, "GlobalMaxPool") == 0)
        return -INFINITY;
    return strcmp(type, "ReduceMin") == 0 ? INFINITY : strcmp(type, "ReduceProd") == 0;
}

static double finish(const char *type, double value)
{
    return strcmp(type, "ReduceL2") == 0 ? sqrt(value) : strncmp(type, "ReduceLogSum", 12) == 0 ? log(value) : value;
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t count = thaw_shape_size(x), kept = thaw_shape_size(&node->outputs[0]->shape);
    bool over[THAW_MAX_RANK];
    const char *type = node->op->onnx_type;
    read_axes(node, node->input_count > 1 ? inputs[1] : NULL, over);
    for (int64_t i = 0; i < kept; i++)
        outputs[0][i] = start_of(type);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0, step = 1;
        for (int32_t d = x->rank - 1; d >= 0; d--) {
            at += over[d] ? 0 : rest % x->dims[d] * step;
            step *= over[d] ? 1 : x->dims[d];
            rest /= x->dims[d];
        }
        outputs[0][at] = join(type, outputs[0][at], inputs[0][i]);
    }
    for (int64_t i = 0; i < kept; i++)
        outputs[0][i] = finish(type, outputs[0][i]);
}

static const char *const types[] = {"ReduceMax",       "ReduceMin",    "ReduceL1",        "ReduceL2",  "ReduceSum",
                                    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd"};
enum { TYPES = sizeof types / sizeof *types };

static void test_forward(void)
{
    static const op_case cases[] = {
        {"keepdims=0", "3x7 i:1", 18, 0, "positive"},
        {"", "2x5x33 i:-1", 18, 0, "positive"},
        {"", "2x3x4x5 i:0,2", 18, 0, "positive"},
        {"", "3x7", 18, 0, "positive"},
        {"noop_with_empty_axes=1", "3x7", 18, 0, "positive"},
        {"", "17x31 i:0", 18, 0, "positive"},
        {"", "2x2x2x2x2x2x2x2 i:0,2,4,6", 18, 0, "positive"},
        {"", "s", 18, 0, "positive"},
        {"", "c:3x7 i:1", 18, 0, "positive"},
    };
    static const op_case special[] = {{"", "7x64 i:1", 18, 0, "nan"}};
    static const op_case attributes[] = {{"axes=1, keepdims=0", "3x7x5", 11, 0, "positive"},
                                         {"axes=-1,0", "3x7x5", 11, 0, "positive"}};
    static const op_case pools[] = {{"", "2x3x7x5", 1, 0, NULL}, {"", "2x3x31", 13, 0, NULL}};
    for (size_t i = 0; i < TYPES; i++) {
        op_check(types[i], OP_CASES(cases), reference, 2e-6, NULL);
        op_check(types[i], OP_CASES(attributes), reference, 2e-6, NULL);
    }
    op_check("ReduceMax", OP_CASES(special), reference, 0, NULL);
    op_check("ReduceMin", OP_CASES(special), reference, 0, NULL);
    op_check("GlobalMaxPool", OP_CASES(pools), reference, 0, NULL);
    op_check_amid_blocks("GlobalMaxPool", OP_CASES(pools), reference, 0);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"keepdims=0", "3x7 i:1", 18, 0, "positive"},
        {"", "2x3x4x5 i:0,2", 18, 0, "positive"},
        {"", "17x3 i:0", 18, 0, "positive"},
        {"", "2x3x5 i:0,1,2", 18, 0, "positive"},
        {"noop_with_empty_axes=1", "3x7", 18, 0, "positive"},
    };
    static const op_case pools[] = {{"", "2x3x7x5", 13, 0, NULL}};
    for (size_t i = 0; i + 1 < TYPES; i++)
        op_check_gradient(types[i], OP_CASES(cases), reference, 1e-4);
    op_check_gradient("GlobalMaxPool", OP_CASES(pools), reference, 1e-4);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"ReduceProd", "keepdims=0", "i:2,3,4 i:0", 18, "i:24@s"},
        {"ReduceMax", "axes=1, keepdims=0", "i:1,5,2,7,3,4@2x3", 13, "i:5,7"},
        {"ReduceSum", "", "i:1,2,3 i:0", 13, "i:6"},
    };
    op_check_folded(OP_CASES(cases));
}

void suite_reduce(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward}, {"gradients", test_gradient}, {"on the host", test_folded}};
    TEST_SUITE("reduce", tests);
}
