#include "op_movement.h"
#include "test.h"

#include <string.h>

/* Element `place` of a line of `count`, repeated beyond its ends; -1: the constant. Walks step by step. */
static int64_t repeated(const char *mode, int64_t place, int64_t count)
{
    if (place >= 0 && place < count)
        return place;
    if (strcmp(mode, "constant") == 0)
        return -1;
    if (strcmp(mode, "edge") == 0)
        return place < 0 ? 0 : count - 1;
    while (place < 0 || place >= count) {
        if (strcmp(mode, "wrap") == 0)
            place += place < 0 ? count : -count;
        else if (count == 1)
            place = 0;
        else
            place = place < 0 ? -place : 2 * (count - 1) - place;
    }
    return place;
}

static void read_pads(const thaw_node *node, const double *const *inputs, int32_t rank, double pads[2][THAW_MAX_RANK])
{
    size_t listed;
    const int64_t *attribute = thaw_node_ints(node, "pads", &listed);
    const thaw_value *axes = thaw_node_input(node, 3);
    const int64_t count = axes ? axes->constant->count : rank;
    memset(pads, 0, 2 * sizeof *pads);
    for (int64_t i = 0; i < count; i++) {
        int64_t d = axes ? (int64_t)inputs[3][i] : i;
        d += d < 0 ? rank : 0;
        pads[0][d] = attribute ? (double)attribute[i] : inputs[1][i];
        pads[1][d] = attribute ? (double)attribute[count + i] : inputs[1][count + i];
    }
}

/* Negative pads cut first, positive ones repeat what is left. */
static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *from = &node->inputs[0]->shape, *to = &node->outputs[0]->shape;
    const char *mode = thaw_node_string(node, "mode", "constant");
    const double value = thaw_node_input(node, 2) ? inputs[2][0] : (double)thaw_node_float(node, "value", 0);
    double pads[2][THAW_MAX_RANK];
    read_pads(node, inputs, from->rank, pads);
    for (int32_t d = 0; d < to->rank; d++)
        CU_ASSERT_EQUAL((double)to->dims[d], (double)from->dims[d] + pads[0][d] + pads[1][d]);
    for (int64_t i = 0; i < thaw_shape_size(to); i++) {
        int64_t place[THAW_MAX_RANK];
        bool inside = true;
        op_unravel(to, i, place);
        for (int32_t d = 0; d < to->rank; d++) {
            const int64_t cut = pads[0][d] < 0 ? (int64_t)-pads[0][d] : 0, more = (int64_t)pads[0][d] + cut;
            const int64_t left = from->dims[d] - cut + (pads[1][d] < 0 ? (int64_t)pads[1][d] : 0);
            place[d] = repeated(mode, place[d] - more, left);
            inside = inside && place[d] >= 0;
            place[d] += cut;
        }
        outputs[0][i] = inside ? inputs[0][op_ravel(from, place)] : value;
    }
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "s i:", 0, 0, NULL},
        {"", "7 i:1,2", 0, 0, NULL},
        {"", "2x3x7x5 i:0,0,1,2,0,0,3,1", 0, 0, "extreme"},
        {"", "2x3x7x5 i:0,0,1,2,0,0,3,1 f:-1.5", 0, 0, NULL},
        {"", "2x16x4 i:0,1,0,2,0,0 f:3", 0, 0, NULL},
        {"", "2x3x7x5 i:0,0,-1,-2,0,0,3,1", 0, 0, NULL},
        {"", "5x7 i:-2,1,3,-4", 0, 0, NULL},
        {"", "3x4 i:-3,0,2,0 f:9", 0, 0, NULL},
        {"", "5x7 i:0,0,0,0", 0, 0, NULL},
        {"", "3x0 i:0,2,0,1 f:4", 0, 0, NULL},
        {"", "5x7 i:-5,0,0,0", 0, 0, NULL},
        {"", "2x2x2x2x2x2x2x2 i:1,0,1,0,1,0,1,0,0,1,0,1,0,1,0,1 f:8", 0, 0, NULL},
        {"mode=reflect", "2x3x7x5 i:0,0,3,2,0,0,1,4", 0, 0, NULL},
        {"mode=reflect", "3 i:7,8", 0, 0, NULL},
        {"mode=reflect", "1x4 i:2,1,2,1", 0, 0, NULL},
        {"mode=reflect", "5 i:-3,4", 0, 0, NULL},
        {"mode=edge", "2x3x7x5 i:1,0,3,2,0,2,1,4", 0, 0, "nan"},
        {"mode=edge", "5x7 i:2,-2,-3,4", 0, 0, NULL},
        {"mode=wrap", "2x3x7x5 i:0,0,3,2,0,0,1,4", 19, 0, NULL},
        {"mode=wrap", "3 i:7,8", 19, 0, NULL},
        {"mode=wrap", "5 i:-2,4", 19, 0, NULL},
        {"", "2x3x7x5 i:1,2,3,4 f:-1 i:2,3", 18, 0, NULL},
        {"mode=edge", "2x3x7x5 i:1,2,3,4 - i:-1,0", 18, 0, NULL},
        {"", "2x3x7 i: - i:", 18, 0, NULL},
        {"", "5x7 i:1,2,3,4 s", 0, 0, NULL},
        {"pads=0,1,2,0 value=2.5", "5x7", 7, 0, NULL},
        {"pads=0,1,2,0 mode=reflect", "5x7", 10, 0, NULL},
        {"", "c:5x7 i:0,1,2,0 f:1", 0, 0, NULL},
        {"mode=reflect", "c:5x7 i:0,1,2,-3", 0, 0, NULL},
    };
    op_check("Pad", OP_CASES(cases), reference, 0, "plain");
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "2x2x3x5 i:0,0,1,2,0,0,3,1 f:-1.5", 0, 0, NULL},
        {"", "5x7 i:-2,1,3,-4", 0, 0, NULL},
        {"", "4 i:0,0", 0, 0, NULL},
        {"", "0 i:1,1", 0, 0, NULL},
        {"mode=edge", "4 i:2,3", 0, 0, NULL},
        {"mode=reflect", "2x2x3x5 i:0,0,2,1,0,0,1,3", 0, 0, NULL},
        {"mode=reflect", "3 i:5,6", 0, 0, NULL},
        {"mode=wrap", "3x4x2 i:1,2,0,4,1,0", 19, 0, NULL},
        {"mode=edge", "5x7 i:-2,1,3,-4", 0, 0, NULL},
        {"mode=edge", "5x7 i:-4,1,1,1", 0, 0, NULL},
        {"mode=edge", "2x3x4 i:1,0,0,0,0,0", 0, 0, NULL},
        {"mode=reflect", "5x7 i:-2,-1,0,-4", 0, 0, NULL},
        {"mode=edge", "2x3 i:0,0,0,0", 0, 0, NULL},
    };
    op_check_gradient("Pad", OP_CASES(cases), reference, 1e-4);
}

static void test_folded(void)
{
    static const op_folded_case cases[] = {
        {"Pad", "", "i:1,2 i:1,2 i:9", 0, "i:9,1,2,9,9"},
        {"Pad", "", "b:1,1@1x2 i:1,0,0,1", 0, "b:0,0,0,1,1,0@2x3"},
        {"Pad", "mode=reflect", "i:1,2,3 i:2,1", 0, "i:3,2,1,2,3,2"},
        {"Pad", "", "i:1,2,3 i:-1,-2", 0, "i:"},
        {"Pad", "pads=1,0 value=3.0", "i:1,2", 9, "i:3,1,2"},
    };
    op_check_folded(OP_CASES(cases));
}

static void test_refused(void)
{
    static const op_case models[] = {
        {"", "5x7 i:1,2", 0, 0, NULL},           {"", "5x7 i:1,2,3 - i:0", 18, 0, NULL},
        {"", "5x7 i:1,2,3,4 f:1,2", 0, 0, NULL}, {"", "5x7 i:1,2,3,4 2", 0, 0, NULL},
        {"pads=1,2", "5x7", 9, 0, NULL},         {"", "5x7", 0, 0, NULL},
    };
    static const op_case shapes[] = {
        {"", "5x7 i:-3,0,-3,0", 0, 0, NULL},         {"", "5x7 i:-7,0,4,0", 0, 0, NULL},
        {"mode=edge", "5x7 i:-5,0,1,0", 0, 0, NULL}, {"mode=reflect", "0 i:1,1", 0, 0, NULL},
        {"", "5x7 i:1,2 - i:2", 18, 0, NULL},        {"", "5x7 i:1,2,3,4 - i:1,-1", 18, 0, NULL},
    };
    static const op_case sizes[] = {
        {"", "5 i:9223372036854774784,1", 0, 0, NULL},
        {"", "1x1x1 i:2147483647,2147483647,2147483647,0,0,0", 0, 0, NULL},
    };
    static const op_case unsupported[] = {
        {"mode=symmetric", "5 i:1,1", 0, 0, NULL},
        {"", "5 2", 0, 0, NULL},
        {"pads=1,1", "5 i:1,1", 13, 0, NULL},
    };
    op_check_refused("Pad", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Pad", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Pad", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Pad", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

static const test_entry tests[] = {
    {"forward", test_forward},
    {"gradient", test_gradient},
    {"folded", test_folded},
    {"refused", test_refused},
};

void suite_pad(void)
{
    TEST_SUITE("pad", tests);
}
