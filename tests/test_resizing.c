/* Resize and Upsample. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* One axis as ONNX's own reference does it: the nearest neighbours of a place, beyond the edge its pixel again. */
typedef struct line {
    const char *coordinates, *mode, *nearest;
    double scale, region[2], a, outside;
    int64_t in, out;
    bool antialias, exclude;
} line;

static double source_of(const line *l, double i)
{
    const double in = (double)l->in, width = l->scale * in, half = (i + 0.5) / l->scale - 0.5;
    if (strcmp(l->coordinates, "align_corners") == 0)
        return width == 1 ? 0 : i * (in - 1) / (width - 1);
    if (strcmp(l->coordinates, "asymmetric") == 0)
        return i / l->scale;
    if (strcmp(l->coordinates, "pytorch_half_pixel") == 0)
        return width == 1 ? -0.5 : half;
    if (strcmp(l->coordinates, "half_pixel_symmetric") == 0)
        return half + in / 2 * (1 - (double)l->out / width);
    if (strcmp(l->coordinates, "tf_crop_and_resize") == 0) {
        const double part = l->region[1] - l->region[0];
        return (width == 1 ? part * (in - 1) / 2 : i * part * (in - 1) / (width - 1)) + l->region[0] * (in - 1);
    }
    return half;
}

static double weight_of(const line *l, double x, double ratio, int64_t d)
{
    if (strcmp(l->mode, "nearest") == 0) {
        const bool right = strcmp(l->nearest, "floor") == 0               ? ratio == 1
                           : strcmp(l->nearest, "ceil") == 0              ? true
                           : strcmp(l->nearest, "round_prefer_ceil") == 0 ? ratio >= 0.5
                                                                          : ratio > 0.5;
        return d == right;
    }
    if (strcmp(l->mode, "linear") == 0)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return (l->a + 2) * pow(x, 3) - (l->a + 3) * x * x + 1;
    return x < 2 ? l->a * pow(x, 3) - 5 * l->a * x * x + 8 * l->a * x - 4 * l->a : 0;
}

/* Place `i` of the result, of elements that are `step` apart. */
static double resized_place(const line *l, const double *x, int64_t step, int64_t i)
{
    const double source = source_of(l, (double)i), left = ceil(source) - 1, ratio = source - left;
    const double shrink = l->antialias && l->scale < 1 ? l->scale : 1;
    double sum = 0, weights = 0;
    if (strcmp(l->coordinates, "tf_crop_and_resize") == 0 && (source < 0 || source > (double)l->in - 1))
        return l->outside;
    for (int64_t d = -40; d <= 40; d++) {
        const double at = left + (double)d, weight = weight_of(l, fabs((double)d - ratio) * shrink, ratio, d);
        const bool outside = at < 0 || at > (double)l->in - 1;
        const int64_t clamped = at < 0 ? 0 : outside ? l->in - 1 : (int64_t)at;
        if (weight != 0 && !(outside && l->exclude)) {
            sum += weight * x[clamped * step];
            weights += weight;
        }
    }
    return l->exclude || l->antialias ? sum / weights : sum;
}

/* Scale and size of axis `d`, as the case has them. */
static line line_of(const thaw_node *node, const double *const *inputs, int32_t d)
{
    const thaw_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    const bool old = thaw_node_opset(node) < 11;
    line l = {.coordinates =
                  thaw_node_string(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"),
              .mode = thaw_node_string(node, "mode", "nearest"),
              .nearest = thaw_node_string(node, "nearest_mode", old ? "floor" : "round_prefer_floor"),
              .scale = (double)y->dims[d] / (double)x->dims[d],
              .region = {0, 1},
              .a = (double)thaw_node_float(node, "cubic_coeff_a", -0.75f),
              .outside = (double)thaw_node_float(node, "extrapolation_value", 0),
              .in = x->dims[d],
              .out = y->dims[d],
              .antialias = thaw_node_int(node, "antialias", 0) != 0,
              .exclude = thaw_node_int(node, "exclude_outside", 0) != 0};
    size_t count;
    const int64_t *axes = thaw_node_ints(node, "axes", &count);
    const size_t scales = old ? 1 : 2, listed = axes ? count : (size_t)x->rank;
    for (size_t i = 0; i < listed; i++) {
        if ((axes ? axes[i] : (int64_t)i) != d)
            continue;
        if (node->input_count > scales && node->inputs[scales])
            l.scale = inputs[scales][i];
        for (size_t end = 0; end < 2 && node->input_count > 1 && !old && node->inputs[1]; end++)
            l.region[end] = inputs[1][i + end * listed];
    }
    return l;
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    static double room[2][20000];
    thaw_shape shape = node->inputs[0]->shape;
    const double *from = inputs[0];
    for (int32_t d = 0; d < shape.rank; d++) {
        const line l = line_of(node, inputs, d);
        const int64_t outer = thaw_shape_span(&shape, 0, d), inner = thaw_shape_span(&shape, d + 1, shape.rank);
        double *to = d + 1 == shape.rank ? outputs[0] : room[d % 2];
        for (int64_t i = 0; i < outer * l.out * inner; i++)
            to[i] = resized_place(&l, from + i / inner / l.out * l.in * inner + i % inner, inner, i / inner % l.out);
        shape.dims[d] = l.out;
        from = to;
    }
}

static const op_case pixels[] = {
    {"mode=linear", "2x3x5x7 - - i:2,3,9,17", 0, 0, NULL},
    {"mode=linear coordinate_transformation_mode=align_corners", "1x17x7x7 - - i:1,17,3,15", 0, 0, NULL},
    {"mode=cubic coordinate_transformation_mode=asymmetric", "1x5x7x4 - f:1,1,0.6,1.8", 0, 0, NULL},
    {"coordinate_transformation_mode=asymmetric nearest_mode=floor", "2x3x5x7 - f:1,1,2,3", 0, 0, "extreme"},
};

static const op_case cases[] = {
    {"mode=linear", "3x7 - f:2,0.5", 0, 0, NULL},
    {"mode=linear", "4x4 - f:2.6,0.8", 11, 0, NULL},
    {"mode=linear coordinate_transformation_mode=pytorch_half_pixel", "4x5 - - i:1,3", 0, 0, NULL},
    {"mode=linear coordinate_transformation_mode=half_pixel_symmetric", "4x5 - f:0.6,2.3", 19, 0, NULL},
    {"mode=linear coordinate_transformation_mode=align_corners", "4x5 - - i:1,9", 0, 0, NULL},
    {"mode=linear antialias=1", "15x16 - - i:7,31", 18, 0, NULL},
    {"mode=cubic antialias=1", "33x1 - - i:5,2", 18, 0, NULL},
    {"mode=cubic", "5x7 - f:1.7,0.4", 0, 0, NULL},
    {"mode=cubic exclude_outside=1 cubic_coeff_a=-0.5", "5x7 - f:1.7,0.4", 0, 0, NULL},
    {"nearest_mode=ceil", "5x7 - - i:9,4", 0, 0, NULL},
    {"nearest_mode=round_prefer_ceil", "5x7 - - i:9,4", 0, 0, NULL},
    {"nearest_mode=round_prefer_floor", "5x8 - - i:10,4", 0, 0, NULL},
    {"nearest_mode=floor", "5x7 - - i:9,4", 0, 0, NULL},
    {"mode=linear coordinate_transformation_mode=tf_crop_and_resize extrapolation_value=9.5",
     "7x5 f:0.2,-0.4,0.7,1.3 - i:4,6", 0, 0, NULL},
    {"mode=linear coordinate_transformation_mode=tf_crop_and_resize", "7x5 f:0,0.1,0.7,1 - i:1,5", 0, 0, NULL},
    {"mode=linear axes=2,0", "3x4x5 - - i:9,2", 18, 0, NULL},
    {"", "2x3 - - i:2,3", 0, 0, NULL},
    {"", "2x3x4 f:2,1,1.5", 10, 0, NULL},
    {"mode=linear", "2x3x4 f:2,1,1.5", 10, 0, NULL},
};

static void test_forward(void)
{
    op_check("Resize", OP_CASES(pixels), reference, 2e-6, NULL);
    op_check_amid_blocks("Resize", OP_CASES(pixels), reference, 2e-6);
    op_check("Resize", OP_CASES(cases), reference, 2e-6, NULL);
}

/* Proportions that stay: the sizes are only bounds. */
static void test_policies(void)
{
    static const op_case bounds[] = {
        {"keep_aspect_ratio_policy=not_larger mode=linear", "4x8 - - i:3,7", 18, 0, NULL},
        {"keep_aspect_ratio_policy=not_smaller mode=linear", "4x8 - - i:3,7", 18, 0, NULL}};
    static const int64_t wanted[][2] = {{3, 6}, {4, 7}};
    for (size_t i = 0; i < 2; i++) {
        op_subject subject;
        test_must(op_subject_build("Resize", &bounds[i], 1, &subject));
        test_must(subject.node->op->infer(subject.node));
        CU_ASSERT_EQUAL(subject.node->outputs[0]->shape.dims[0], wanted[i][0]);
        CU_ASSERT_EQUAL(subject.node->outputs[0]->shape.dims[1], wanted[i][1]);
        op_subject_free(&subject);
    }
}

static void test_gradient(void)
{
    op_check_gradient("Resize", OP_CASES(cases), reference, 1e-4);
    op_check_gradient("Resize", pixels, 3, reference, 1e-4);
    op_check_gradient_blocked("Resize", pixels, 3, reference, 1e-4);
}

static void test_upsample(void)
{
    static const op_case rows[] = {{"mode=nearest", "2x3x4 f:1,2,2", 9, 0, "extreme"},
                                   {"mode=linear", "1x2x3x5 f:1,1,2,3", 9, 0, NULL},
                                   {"", "3x5 f:1.5,1", 9, 0, NULL}};
    static const op_case shapes[] = {{"", "3x5 f:1", 9, 0, NULL}};
    static const op_case models[] = {{"", "3x5 f:1,1", 10, 0, NULL}};
    op_check("Upsample", OP_CASES(rows), reference, 2e-6, NULL);
    op_check_gradient("Upsample", rows + 1, 2, reference, 1e-4);
    op_check_refused("Upsample", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Upsample", OP_CASES(models), THAW_ERR_MODEL);
}

static void test_refused(void)
{
    static const op_case models[] = {{"", "3x5", 0, 0, NULL},
                                     {"", "3x5 - f:1,2 i:3,10", 0, 0, NULL},
                                     {"coordinate_transformation_mode=tf_crop_and_resize", "3x5 - f:1,2", 0, 0, NULL},
                                     {"", "3x5 f:1,2", 9, 0, NULL}};
    static const op_case shapes[] = {{"", "3x5 - f:2", 0, 0, NULL},
                                     {"axes=0,0", "3x5 - f:2,2", 18, 0, NULL},
                                     {"axes=2,", "3x5 - f:2", 18, 0, NULL},
                                     {"", "s - f:1", 0, 0, NULL}};
    static const op_case sizes[] = {{"", "3x5 - f:-1,2", 0, 0, NULL}, {"", "3x5 - - i:-3,2", 0, 0, NULL}};
    static const op_case unsupported[] = {{"mode=area", "3x5 - f:2,2", 0, 0, NULL},
                                          {"", "3x5 - 2", 0, 0, NULL},
                                          {"antialias=1", "3x5 - f:2,2", 11, 0, NULL}};
    op_check_refused("Resize", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Resize", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Resize", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Resize", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_resizing(void)
{
    static const test_entry tests[] = {{"forward", test_forward},
                                       {"bounds", test_policies},
                                       {"gradients", test_gradient},
                                       {"Upsample", test_upsample},
                                       {"refused", test_refused}};
    TEST_SUITE("resizing", tests);
}
