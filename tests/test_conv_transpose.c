#include "op_harness.h"
#include "op_subject.h"
#include "test.h"

#include "model/graph.h"
#include "model/program.h"

#include <string.h>

enum { AXES = 3 };

static void read_list(const thaw_node *node, const char *name, int32_t spatial, int64_t otherwise, int64_t out[AXES])
{
    size_t count;
    const int64_t *list = thaw_node_ints(node, name, &count);
    for (int32_t i = 0; i < AXES; i++)
        out[i] = list && i >= AXES - spatial ? list[i - (AXES - spatial)] : otherwise;
}

/* What lies before the first element of y: asked for, or half of what is too much. */
static void read_pads(const thaw_node *node, int32_t spatial, const int64_t whole[AXES], const int64_t out[AXES],
                      int64_t pad[AXES])
{
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    read_list(node, "pads", spatial, 0, pad);
    for (int i = 0; i < AXES; i++) {
        const int64_t total = whole[i] > out[i] ? whole[i] - out[i] : 0;
        if (strcmp(auto_pad, "SAME_UPPER") == 0)
            pad[i] = total / 2;
        else if (strcmp(auto_pad, "SAME_LOWER") == 0 || thaw_node_has(node, "output_shape"))
            pad[i] = total - total / 2;
        else if (strcmp(auto_pad, "VALID") == 0)
            pad[i] = 0;
    }
}

/* Spreads every element of x. */
static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape, *weights = &node->inputs[1]->shape, *y = &node->outputs[0]->shape;
    const int32_t spatial = x->rank - 2;
    int64_t stride[AXES], dilation[AXES], pad[AXES], extra[AXES], whole[AXES];
    int64_t in[AXES] = {1, 1, 1}, kernel[AXES] = {1, 1, 1}, out[AXES] = {1, 1, 1};
    read_list(node, "strides", spatial, 1, stride);
    read_list(node, "dilations", spatial, 1, dilation);
    read_list(node, "output_padding", spatial, 0, extra);
    for (int i = AXES - spatial; i < AXES; i++) {
        const int axis = i - (AXES - spatial) + 2;
        in[i] = x->dims[axis];
        kernel[i] = weights->dims[axis];
        out[i] = y->dims[axis];
    }
    for (int i = 0; i < AXES; i++)
        whole[i] = (in[i] - 1) * stride[i] + extra[i] + (kernel[i] - 1) * dilation[i] + 1;
    read_pads(node, spatial, whole, out, pad);
    const int64_t group_out = weights->dims[1], group_in = x->dims[1] / thaw_node_int(node, "group", 1);
    const int64_t places = out[0] * out[1] * out[2], taps = kernel[0] * kernel[1] * kernel[2];
    for (int64_t i = 0; i < thaw_shape_size(y); i++)
        outputs[0][i] = node->input_count > 2 && inputs[2] ? inputs[2][i / places % y->dims[1]] : 0;
    for (int64_t i = 0; i < thaw_shape_size(x); i++)
        for (int64_t k = 0; k < taps * group_out; k++) {
            const int64_t channel = i / (in[0] * in[1] * in[2]) % x->dims[1],
                          image = i / (in[0] * in[1] * in[2]) / x->dims[1];
            const int64_t from[AXES] = {i / (in[1] * in[2]) % in[0], i / in[2] % in[1], i % in[2]};
            const int64_t tap[AXES] = {k / (kernel[1] * kernel[2]) % kernel[0], k / kernel[2] % kernel[1],
                                       k % kernel[2]};
            int64_t at = image * y->dims[1] + channel / group_in * group_out + k / taps;
            bool inside = true;
            for (int axis = 0; axis < AXES; axis++) {
                const int64_t place = from[axis] * stride[axis] - pad[axis] + tap[axis] * dilation[axis];
                inside = inside && place >= 0 && place < out[axis];
                at = at * out[axis] + place;
            }
            if (inside)
                outputs[0][at] += inputs[0][i] * inputs[1][channel * group_out * taps + k];
        }
}

static const op_case cases[] = {
    {"", "1x1x3x3 c:1x2x3x3", 0, 0, NULL},
    {"strides=2,2 pads=1,1,1,1 output_padding=1,1", "2x3x5x7 c:3x4x3x3 c:4", 0, 0, NULL},
    {"strides=3,2 dilations=2,1 kernel_shape=2,3", "1x4x3x5 4x2x2x3 2", 0, 0, NULL},
    {"group=2 strides=2,2", "2x6x3x4 6x3x2x2 6", 0, 0, NULL},
    {"group=5 strides=1,2 pads=0,1,1,0", "1x5x4x4 5x1x3x3", 0, 0, NULL},
    {"strides=2,", "2x3x7 c:3x15x4 c:15", 0, 0, NULL},
    {"strides=2,1,2 pads=0,1,0,1,1,1", "1x2x3x3x4 2x3x2x3x3", 0, 0, NULL},
    {"auto_pad=SAME_UPPER strides=2,2", "1x2x3x4 2x2x3x3", 0, 0, NULL},
    {"auto_pad=SAME_LOWER strides=2,3", "1x2x3x4 2x2x4x4", 0, 0, NULL},
    {"auto_pad=VALID strides=2,2", "1x2x3x4 2x2x3x3", 0, 0, NULL},
    {"output_shape=9,7 strides=3,2", "1x2x3x3 2x2x3x3", 0, 0, NULL},
    {"output_shape=10,8 strides=3,2 output_padding=1,1", "1x2x3x3 2x2x3x3", 0, 0, NULL},
};

static void test_forward(void)
{
    static const op_case large[] = {{"strides=2,2", "1x33x15x16 c:33x17x2x2 c:17", 0, 0, NULL}};
    op_check("ConvTranspose", OP_CASES(cases), reference, 2e-6, NULL);
    op_check("ConvTranspose", OP_CASES(large), reference, 2e-6, NULL);
    op_check_amid_blocks("ConvTranspose", cases, 2, reference, 2e-6);
}

/* With constant weights, in frozen programs: as a convolution, where that needs no cropping and leaves no rows over. */
static const struct {
    op_case row;
    bool turned;
} frozen[] = {
    {{"strides=2,2", "2x5x4x3 c:5x3x2x2 c:3", 0, 0, NULL}, true},
    {{"strides=2,2 pads=1,1,1,1 output_padding=1,1", "2x3x5x7 c:3x4x3x3 c:4", 0, 0, NULL}, true},
    {{"strides=2,2 pads=1,1,1,1", "1x17x4x5 c:17x8x4x4", 0, 0, NULL}, true},
    {{"strides=3,3 pads=0,1,1,0 output_padding=1,1", "1x2x3x4 c:2x3x3x3 c:3", 0, 0, NULL}, true},
    {{"strides=4,4", "1x3x3x2 c:3x2x4x4 c:2", 0, 0, NULL}, true},
    {{"strides=3,3 output_padding=2,2", "1x3x4x4 c:3x4x1x1", 0, 0, NULL}, true},
    {{"group=2 strides=2,2", "2x6x3x4 c:6x3x2x2 c:6", 0, 0, NULL}, true},
    {{"group=5 strides=2,2 pads=0,0,1,1", "1x5x4x4 c:5x1x3x3", 0, 0, NULL}, true},
    {{"pads=1,1,1,1", "2x7x6x5 c:7x9x3x3 c:9", 0, 0, NULL}, true},
    {{"pads=0,2,1,1 dilations=1,2 group=2", "1x4x6x5 c:4x3x2x3", 0, 0, NULL}, true},
    {{"auto_pad=SAME_UPPER strides=2,2", "1x2x3x4 c:2x2x3x3", 0, 0, NULL}, true},
    {{"strides=2,2", "1x3x5x5 c:3x2x3x3 c:2", 0, 0, NULL}, false},          /* 11 rows */
    {{"strides=2,1 pads=0,1,0,1", "1x3x5x5 c:3x2x2x3", 0, 0, NULL}, false}, /* no square */
    {{"strides=2,2 dilations=3,3", "1x3x4x4 c:3x2x2x2", 0, 0, NULL}, false},
    {{"pads=2,2,2,2", "1x3x7x7 c:3x2x2x2", 0, 0, NULL}, false}, /* crops */
    {{"strides=2,2 pads=4,4,0,0", "1x3x7x7 c:3x2x2x2", 0, 0, NULL}, false},
    {{"strides=2,2", "2x5x4x3 5x3x2x2 c:3", 0, 0, NULL}, false}, /* weights that are computed */
};

static bool has_transposed(const thaw_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (thaw_node_is(graph->nodes[i], "ConvTranspose"))
            return true;
    return false;
}

static void test_turned(void)
{
    for (size_t i = 0; i < sizeof frozen / sizeof frozen[0]; i++) {
        op_subject subject;
        thaw_program *program;
        const thaw_program_options options = {.fuse = true};
        op_check_amid_blocks("ConvTranspose", &frozen[i].row, 1, reference, 3e-6);
        CU_ASSERT_EQUAL_FATAL(op_subject_build("ConvTranspose", &frozen[i].row, 1, &subject), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_program_create(subject.graph, NULL, &options, &program), THAW_OK);
        CU_ASSERT_EQUAL(has_transposed(program->graph), !frozen[i].turned);
        thaw_program_destroy(&program);
        op_subject_free(&subject);
    }
}

static void test_gradient(void)
{
    op_check_gradient("ConvTranspose", OP_CASES(cases), reference, 1e-4);
    op_check_gradient_blocked("ConvTranspose", cases, 2, reference, 1e-4);
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "1x3x5x5 c:4x2x3x3", 0, 0, NULL},
        {"", "1x3x5x5 c:3x2x3", 0, 0, NULL},
        {"", "1x3x5x5 c:3x2x3x3 c:3", 0, 0, NULL},
        {"group=2", "1x3x5x5 c:3x2x3x3", 0, 0, NULL},
        {"kernel_shape=2,2", "1x3x5x5 c:3x2x3x3", 0, 0, NULL},
        {"pads=9,0,0,0", "1x3x5x5 c:3x2x3x3", 0, 0, NULL},
        {"pads=1,1", "1x3x5x5 c:3x2x3x3", 0, 0, NULL},
        {"", "0x3x5x5 c:3x2x3x3", 0, 0, NULL},
    };
    static const op_case sizes[] = {{"strides=2147483647,1", "1x3x5x5 c:3x2x3x3", 0, 0, NULL},
                                    {"pads=-1,0,0,0", "1x3x5x5 c:3x2x3x3", 0, 0, NULL}};
    op_check_refused("ConvTranspose", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("ConvTranspose", OP_CASES(sizes), THAW_ERR_SIZE);
}

void suite_conv_transpose(void)
{
    static const test_entry tests[] = {{"forward", test_forward},
                                       {"as convolutions", test_turned},
                                       {"gradients", test_gradient},
                                       {"refused", test_refused}};
    TEST_SUITE("conv_transpose", tests);
}
