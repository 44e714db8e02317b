#include "op_movement.h"
#include "test.h"

#define LONGEST_AXIS 9001

/* What a node says about one axis, read naively: list `index`, or attribute `name`. */
static int64_t listed(const thaw_node *node, const double *const *inputs, size_t index, const char *name, int64_t i,
                      int64_t otherwise)
{
    size_t count;
    const int64_t *list = thaw_node_ints(node, name, &count);
    if (list)
        return list[i];
    return thaw_node_input(node, index) ? (int64_t)inputs[index][i] : otherwise;
}

/* The indices that a Python slice start:end:step visits. */
static int64_t visit(int64_t size, double start, double end, int64_t step, int64_t *indices)
{
    const double least = step > 0 ? 0 : -1, most = step > 0 ? (double)size : (double)size - 1;
    start += start < 0 ? (double)size : 0;
    end += end < 0 ? (double)size : 0;
    start = start < 0 ? 0 : start > most ? most : start;
    end = end < least ? least : end > most ? most : end;
    int64_t count = 0;
    for (double i = start; step > 0 ? i < end : i > end; i += (double)step)
        indices[count++] = (int64_t)i;
    return count;
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *from = &node->inputs[0]->shape, *to = &node->outputs[0]->shape;
    static int64_t indices[THAW_MAX_RANK][LONGEST_AXIS];
    int64_t counts[THAW_MAX_RANK];
    for (int32_t d = 0; d < from->rank; d++)
        counts[d] = visit(from->dims[d], 0, (double)from->dims[d], 1, indices[d]);
    size_t axes;
    const bool as_attribute = thaw_node_ints(node, "starts", &axes) != NULL;
    for (int64_t i = 0; i < (as_attribute ? (int64_t)axes : node->inputs[1]->constant->count); i++) {
        int64_t d = listed(node, inputs, 3, "axes", i, i);
        d += d < 0 ? from->rank : 0;
        counts[d] =
            visit(from->dims[d], (double)listed(node, inputs, 1, "starts", i, 0),
                  (double)listed(node, inputs, 2, "ends", i, 0), listed(node, inputs, 4, "steps", i, 1), indices[d]);
    }
    for (int32_t d = 0; d < to->rank; d++)
        CU_ASSERT_EQUAL(to->dims[d], counts[d]);
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK];
        op_unravel(to, i, place);
        for (int32_t d = 0; d < to->rank; d++)
            place[d] = indices[d][place[d]];
        outputs[0][i] = inputs[0][op_ravel(from, place)];
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "7x15 i:1,2 i:5,9", 0, 0, NULL},
        {"", "7x15 i:-3 i:-1", 0, 0, NULL},
        {"", "7x15 i:2 i:9223372036854774784 i:1", 0, 0, NULL},
        {"", "7x15 i:-100 i:100 i:-1", 0, 0, NULL},
        {"", "7x15x3 i:5,1 i:1,14 i:0,1 i:-2,3", 0, 0, NULL},
        {"", "3x17 i:-1 i:-9223372036854775808 i:1 i:-1", 0, 0, "extreme"},
        {"", "3x17 i:16 i:-18 i:1 i:-5", 0, 0, NULL},
        {"", "2x3x4x5 i:1 i:3 i:2 i:2", 0, 0, NULL},
        {"", "2x3x4x5 i:0,0,0 i:1,2,3 i:3,2,0", 0, 0, NULL},
        {"", "2x16x7x7 i:0 i:8 i:1", 0, 0, NULL},
        {"", "2x16x7x7 i:8 i:16 i:1", 0, 0, NULL},
        {"", "2x3x8x8 i:1,1 i:8,8 i:2,3 i:2,2", 0, 0, NULL},
        {"", "7x15 i:5 i:2", 0, 0, NULL},
        {"", "7x15 i:20 i:30", 0, 0, NULL},
        {"", "7x15 i:1 i:3 i:0 i:9223372036854774784", 0, 0, NULL},
        {"", "7 i:0 i:7 - i:1", 0, 0, NULL},
        {"", "2x2x2x3x2x3x2x2 i:0,1,0,1 i:2,2,2,2 i:1,3,5,7 i:1,1,2,1", 0, 0, NULL},
        {"", "7x15 i:1,2 i:5,9", 10, 0, NULL},
        {"starts=1,-4 ends=5,100", "7x15", 9, 0, NULL},
        {"starts=2, ends=-1, axes=-1,", "7x15", 7, 0, NULL},
        {"", "c:7x15 i:5,1 i:1,14 i:0,1 i:-2,3", 0, 0, NULL},
        {"", "7x15 i: i:", 0, 0, NULL},
        {"", "97x131 i:1 i:-1 i:1", 0, 0, NULL},
        {"", "2x9001 i:8900 i:100 i:1 i:-1", 0, 0, NULL},
    };
    op_check("Slice", OP_CASES(cases), reference, 0, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "5x7 i:1,2 i:5,6", 0, 0, NULL},
        {"", "5x7 i:-1,6 i:-100,0 i:0,1 i:-2,-3", 0, 0, NULL},
        {"", "2x4x3 i:0 i:2 i:1", 0, 0, NULL},
        {"", "4 i:1 i:3", 0, 0, NULL},
    };
    op_check_gradient("Slice", OP_CASES(cases), reference, 1e-4);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Slice", "", "i:8,3,224,225 i:2 i:4", 0, "i:224,225"},
        {"Slice", "", "i:8,3,224,225 i:-1 i:-5 i:0 i:-1", 0, "i:225,224,3,8"},
        {"Slice", "", "b:1,0,1,1,0,0@2x3 i:1 i:3 i:1", 0, "b:0,1,0,0@2x2"},
        {"Slice", "", "i:1,2,3 i:3 i:3", 0, "i:"},
        {"Slice", "starts=1, ends=2,", "i:1,2,3", 9, "i:2"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case models[] = {
        {"", "7x15 i:1 i:5,9", 0, 0, NULL},
        {"", "7x15 i:1 i:5 i:0,1", 0, 0, NULL},
        {"", "7x15 i:1 i:5 i:0 i:0", 0, 0, NULL},
        {"", "7x15 i:1,1 i:5,5 i:0,-2", 0, 0, NULL},
        {"", "7x15 i:1", 0, 0, NULL},
        {"ends=1,", "7x15", 9, 0, NULL},
        {"starts=0,0,0,0,0,0,0,0,0 ends=0,0,0,0,0,0,0,0,0", "7x15", 9, 0, NULL},
    };
    static const op_case shapes[] = {
        {"", "7x15 i:1 i:5 i:2", 0, 0, NULL},
        {"", "7x15 i:1 i:5 i:-3", 0, 0, NULL},
        {"", "7x15 i:1,1,1 i:2,2,2", 0, 0, NULL},
    };
    static const op_case unsupported[] = {
        {"", "7x15 2 i:5", 0, 0, NULL},
        {"starts=1, ends=2,", "7x15 i:1 i:2", 13, 0, NULL},
    };
    op_check_refused("Slice", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Slice", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Slice", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"gradient", test_gradient},
    {"folded", test_folded},
    {"refused", test_refused},
};

void suite_slice(void)
{
    TEST_SUITE("slice", tests);
}
