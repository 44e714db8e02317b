#include "op_harness.h"
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
    for (int32_t d = 0; d < rank && count == 0; d++)
        over[d] = !thaw_node_int(node, "noop_with_empty_axes", 0);
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t count = thaw_shape_size(x), kept = thaw_shape_size(&node->outputs[0]->shape);
    bool over[THAW_MAX_RANK];
    read_axes(node, node->input_count > 1 ? inputs[1] : NULL, over);
    for (int64_t i = 0; i < kept; i++)
        outputs[0][i] = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0, step = 1;
        for (int32_t d = x->rank - 1; d >= 0; d--) {
            at += over[d] ? 0 : rest % x->dims[d] * step;
            step *= over[d] ? 1 : x->dims[d];
            rest /= x->dims[d];
        }
        outputs[0][at] += inputs[0][i];
    }
    for (int64_t i = 0; i < kept; i++)
        outputs[0][i] /= (double)count / (double)kept;
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"axes=2,3", "2x17x7x7", 13, 0, NULL},
        {"axes=2,3 keepdims=0", "2x16x31x3", 7, 0, NULL},
        {"axes=2,3", "1x3x11x13", 0, 0, NULL},
        {"axes=2,3 keepdims=0", "2x5x33x31", 0, 0, NULL},
        {"axes=-1,", "3x33", 11, 0, NULL},
        {"axes=0,", "33x15", 0, 0, NULL},
        {"axes=1,", "2x64x5", 0, 0, NULL},
        {"axes=0,2,3", "4x7x5x3", 0, 0, NULL},
        {"axes=1,3 keepdims=0", "2x3x4x5", 0, 0, NULL},
        {"axes=0,2", "2x3x4x5", 0, 0, NULL},
        {"axes=3,1", "2x1x4x5", 0, 0, NULL},
        {"axes=2,3", "2x17x7x5", 0, 0, NULL},
        {"axes=3,2 keepdims=0", "2x17x7x5", 0, 0, NULL},
        {"axes=-1,-2 keepdims=0", "2x16x7x5", 0, 0, NULL},
        {"axes=0,2,4,6", "2x3x2x3x2x3x2x3", 0, 0, NULL},
        {"axes=1,3,5,7 keepdims=0", "2x3x2x3x2x3x2x3", 0, 0, NULL},
        {"axes=1,2,5", "2x3x1x3x1x3x2x1", 0, 0, NULL},
        {"", "3x7x5", 0, 0, NULL},
        {"keepdims=0", "3x7x5", 0, 0, NULL},
        {"", "s", 0, 0, NULL},
        {"axes=0,1 keepdims=0", "1x1", 0, 0, NULL},
        {"", "2x3x5 i:1", 18, 0, NULL},
        {"keepdims=0", "2x3x5 i:-1,0", 18, 0, NULL},
        {"", "2x3x5", 18, 0, NULL},
        {"", "2x3x5 i:", 18, 0, NULL},
        {"noop_with_empty_axes=1", "2x3x5 i:", 18, 0, NULL},
        {"noop_with_empty_axes=1", "2x3x5", 20, 0, NULL},
        {"", "c:2x3x5 i:2", 18, 0, NULL},
        {"axes=1,", "0x3", 0, 0, NULL},
        {"", "64x1024", 0, 0, "positive"},
        {"axes=1,", "7x64", 0, 0, "nan"},
        {"axes=1,", "7x64", 0, 0, "extreme"},
    };
    op_check("ReduceMean", OP_CASES(cases), reference, 1e-6, NULL);
    op_check_amid_blocks("ReduceMean", OP_CASES(cases), reference, 1e-6);
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"axes=2,3", "2x17x3x5", 13, 0, NULL},
        {"axes=2,3 keepdims=0", "2x16x7x3", 7, 0, NULL},
        {"axes=0,", "33x5", 0, 0, NULL},
        {"axes=0,2,3", "2x3x5x3", 0, 0, NULL},
        {"axes=1,3 keepdims=0", "2x3x4x5", 0, 0, NULL},
        {"axes=0,2", "2x3x4x5", 0, 0, NULL},
        {"axes=3,1", "2x1x4x5", 0, 0, NULL},
        {"axes=0,2,4,6", "2x2x2x2x2x2x2x2", 0, 0, NULL},
        {"axes=1,3,5,7 keepdims=0", "2x2x1x2x2x2x2x3", 0, 0, NULL},
        {"axes=1,2,5", "2x3x1x3x1x3x2x1", 0, 0, NULL},
        {"", "3x7x5", 0, 0, NULL},
        {"", "s", 0, 0, NULL},
        {"keepdims=0", "2x3x5 i:-1,0", 18, 0, NULL},
        {"noop_with_empty_axes=1", "2x3x5", 20, 0, NULL},
        {"axes=1,", "0x3", 0, 0, NULL},
    };
    static const op_case blocks[] = {{"axes=2,3", "2x17x3x5", 13, 0, NULL},
                                     {"axes=2,3 keepdims=0", "2x16x3x5", 13, 0, NULL},
                                     {"axes=1,", "2x5x3x5", 13, 0, NULL}};
    op_check_gradient("ReduceMean", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_blocked("ReduceMean", OP_CASES(blocks), reference, 1e-5);
}

static void test_refused(void)
{
    static const op_case axes[] = {{"axes=2,", "2x3", 0, 0, NULL},
                                   {"axes=-3,", "2x3", 0, 0, NULL},
                                   {"axes=0,0", "2x3", 0, 0, NULL},
                                   {"", "2x3 i:5", 18, 0, NULL}};
    static const op_case run_time[] = {{"", "2x3 2", 18, 0, NULL}};
    static const op_case unknown[] = {{"axes=1,", "2x3", 18, 0, NULL}, {"noop_with_empty_axes=1", "2x3", 13, 0, NULL}};
    static const op_case model[] = {
        {"axes=0,1,2,3,4,5,6,7,8", "2x3", 13, 0, NULL}, {"", "2x3 i:1", 13, 0, NULL}, {"", "2x3 f:1,0", 18, 0, NULL}};
    op_check_refused("ReduceMean", OP_CASES(axes), THAW_ERR_SHAPE);
    op_check_refused("ReduceMean", OP_CASES(run_time), THAW_ERR_UNSUPPORTED);
    op_check_refused("ReduceMean", OP_CASES(unknown), THAW_ERR_UNSUPPORTED);
    op_check_refused("ReduceMean", OP_CASES(model), THAW_ERR_MODEL);
}

void suite_reduce_mean(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_forward},
        {"gradients", test_gradient},
        {"what is refused", test_refused},
    };
    TEST_SUITE("reduce_mean", tests);
}
