/* MaxPool, AveragePool and GlobalAveragePool. */
#include "op_trial.h"
#include "test.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* One axis of a pool, worked out from the node's attributes one window at a time. */
typedef struct axis {
    int64_t in, out, kernel, stride, dilation, before, behind;
} axis;

static int64_t listed(const thaw_node *node, const char *name, int32_t index, int64_t otherwise)
{
    size_t count;
    const int64_t *list = thaw_node_ints(node, name, &count);
    return list ? list[index] : otherwise;
}

/* Axis `index` of `spatial`; those before the first have one element. */
static axis axis_of(const thaw_node *node, int32_t index, int32_t spatial)
{
    axis a = {1, 1, 1, 1, 1, 0, 0};
    if (index < 0)
        return a;
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    const bool explicit_pads = strcmp(auto_pad, "NOTSET") == 0;
    a.in = node->inputs[0]->shape.dims[2 + index];
    a.kernel = listed(node, "kernel_shape", index, 1);
    a.stride = listed(node, "strides", index, 1);
    a.dilation = listed(node, "dilations", index, 1);
    a.before = explicit_pads ? listed(node, "pads", index, 0) : 0;
    a.behind = explicit_pads ? listed(node, "pads", index + spatial, 0) : 0;
    const int64_t reach = (a.kernel - 1) * a.dilation + 1;
    if (strncmp(auto_pad, "SAME", 4) == 0) {
        const int64_t same = (a.in + a.stride - 1) / a.stride;
        while ((same - 1) * a.stride + reach > a.in + a.before + a.behind) {
            const bool upper_turn = a.before == a.behind;
            if (upper_turn == (strcmp(auto_pad, "SAME_UPPER") == 0))
                a.behind++;
            else
                a.before++;
        }
    }
    a.out = 0;
    while (a.out * a.stride + reach <= a.in + a.before + a.behind)
        a.out++;
    const int64_t last_end = (a.out - 1) * a.stride + reach;
    if (thaw_node_int(node, "ceil_mode", 0) && last_end < a.in + a.before + a.behind &&
        a.out * a.stride < a.in + a.before)
        a.out++;
    return a;
}

/* The input's place for element i of window o, or -1 in the padding, or -2 outside that. */
static int64_t place_of(const axis *a, int64_t o, int64_t i)
{
    const int64_t place = o * a->stride - a->before + i * a->dilation;
    if (place >= a->in + a->behind)
        return -2;
    return place < 0 || place >= a->in ? -1 : place;
}

/* What one window holds. */
typedef struct window {
    double largest, sum;
    int64_t largest_at[3], inside, with_padding;
} window;

static void look_at(window *w, const double *plane, const axis a[3], const int64_t at[3])
{
    const bool inside = at[0] >= 0 && at[1] >= 0 && at[2] >= 0;
    w->with_padding += at[0] > -2 && at[1] > -2 && at[2] > -2;
    if (!inside)
        return;
    const double value = plane[(at[0] * a[1].in + at[1]) * a[2].in + at[2]];
    w->sum += value;
    if (w->inside++ == 0 || value > w->largest || (isnan(value) && !isnan(w->largest))) {
        w->largest = value;
        memcpy(w->largest_at, at, sizeof w->largest_at);
    }
}

static window window_at(const double *plane, const axis a[3], const int64_t o[3])
{
    window w = {.largest = -FLT_MAX};
    for (int64_t i = 0; i < a[0].kernel; i++)
        for (int64_t j = 0; j < a[1].kernel; j++)
            for (int64_t k = 0; k < a[2].kernel; k++) {
                const int64_t at[3] = {place_of(&a[0], o[0], i), place_of(&a[1], o[1], j), place_of(&a[2], o[2], k)};
                look_at(&w, plane, a, at);
            }
    return w;
}

static void give(const thaw_node *node, const axis a[3], int64_t plane, int64_t y_at, const window *w,
                 double *const *outputs)
{
    const bool padded = thaw_node_int(node, "count_include_pad", 0) != 0;
    const int64_t count = padded ? w->with_padding : w->inside;
    if (strcmp(node->op->onnx_type, "AveragePool") == 0) {
        outputs[0][y_at] = count ? w->sum / (double)count : 0;
        return;
    }
    outputs[0][y_at] = w->largest;
    if (node->output_count < 2)
        return;
    const int64_t *at = w->largest_at;
    const int64_t row_major = (at[0] * a[1].in + at[1]) * a[2].in + at[2];
    const int64_t column_major = (at[2] * a[1].in + at[1]) * a[0].in + at[0];
    outputs[1][y_at] = (double)(plane * a[0].in * a[1].in * a[2].in +
                                (thaw_node_int(node, "storage_order", 0) ? column_major : row_major));
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    const int32_t spatial = x->rank - 2;
    axis a[3];
    int64_t o[3], y_at = 0;
    for (int32_t i = 0; i < 3; i++) {
        a[i] = axis_of(node, i - (3 - spatial), spatial);
        CU_ASSERT_EQUAL(a[i].out, i < 3 - spatial ? 1 : y->dims[2 + i - (3 - spatial)]);
    }
    for (int64_t plane = 0; plane < x->dims[0] * x->dims[1]; plane++)
        for (o[0] = 0; o[0] < a[0].out; o[0]++)
            for (o[1] = 0; o[1] < a[1].out; o[1]++)
                for (o[2] = 0; o[2] < a[2].out; o[2]++) {
                    const window w = window_at(inputs[0] + plane * a[0].in * a[1].in * a[2].in, a, o);
                    give(node, a, plane, y_at++, &w, outputs);
                }
}

/* For both: one to three dimensions, sizes around powers of two, every kind of padding. */
#define WINDOWS                                                                                                        \
    {"kernel_shape=3,", "2x3x7", 0, 0, NULL}, {"kernel_shape=1,1", "1x1x1x1", 7, 0, NULL},                             \
        {"kernel_shape=2,2 strides=2,2", "2x3x6x6", 0, 0, NULL},                                                       \
        {"kernel_shape=3,3 strides=2,2 pads=1,1,1,1", "2x5x15x17", 0, 0, NULL},                                        \
        {"kernel_shape=3,2 strides=1,3 pads=2,0,1,1", "1x3x16x31", 0, 0, NULL},                                        \
        {"kernel_shape=7,7", "3x17x7x7", 0, 0, NULL},                                                                  \
        {"kernel_shape=3,3 strides=2,2 ceil_mode=1", "1x2x4x4", 0, 0, NULL},                                           \
        {"kernel_shape=1,1 strides=2,2 ceil_mode=1", "1x1x2x2", 0, 0, NULL},                                           \
        {"kernel_shape=3,3 strides=2,2 pads=0,0,1,1 ceil_mode=1", "1x2x16x33", 0, 0, NULL},                            \
        {"kernel_shape=2, strides=4, pads=1,1 ceil_mode=1", "1x2x9", 0, 0, NULL},                                      \
        {"kernel_shape=2, strides=3, pads=1,1 dilations=2, ceil_mode=1", "1x1x5", 19, 0, NULL},                        \
        {"kernel_shape=3,3 dilations=2,3", "1x2x9x12", 19, 0, NULL},                                                   \
        {"kernel_shape=2,2,2 strides=2,1,2 pads=1,0,1,0,1,1", "2x2x5x4x7", 0, 0, NULL},                                \
        {"kernel_shape=3,3,3 strides=3,2,2 dilations=2,1,1 ceil_mode=1", "1x2x8x7x6", 22, 0, NULL},                    \
        {"kernel_shape=3,3 strides=2,2 auto_pad=SAME_UPPER", "1x2x8x7", 0, 0, NULL},                                   \
        {"kernel_shape=3,3 strides=2,2 auto_pad=SAME_LOWER", "1x2x8x7", 0, 0, NULL},                                   \
        {"kernel_shape=2,2 auto_pad=SAME_UPPER", "1x2x8x7", 0, 0, NULL},                                               \
        {"kernel_shape=2,2 auto_pad=SAME_LOWER", "1x2x8x7", 0, 0, NULL},                                               \
        {"kernel_shape=3, strides=2, dilations=2, auto_pad=SAME_UPPER", "1x1x6", 19, 0, NULL},                         \
        {"kernel_shape=1,1 strides=3,3 auto_pad=SAME_UPPER", "1x2x8x7", 0, 0, NULL},                                   \
        {"kernel_shape=3,3 strides=2,2 auto_pad=VALID", "1x2x8x7", 0, 0, NULL},                                        \
        {"kernel_shape=3,3 strides=2,2 auto_pad=VALID ceil_mode=1", "1x2x8x7", 0, 0, NULL},                            \
        {"kernel_shape=2, dilations=2, pads=1,1", "1x1x1", 19, 0, NULL}, /* a window without any element */            \
        {"kernel_shape=1, dilations=2147483647,", "1x1x5", 19, 0, NULL}, {"kernel_shape=2,2", "0x3x5x5", 0, 0, NULL},  \
        {"kernel_shape=2,2", "3x0x5x5", 0, 0, NULL}, {"kernel_shape=3,3 pads=1,1,1,1", "1x3x7x9", 0, 0, "extreme"},    \
    {                                                                                                                  \
        "kernel_shape=3,3", "1x3x7x9", 0, 0, "nan"                                                                     \
    }

static void test_max(void)
{
    static const op_case cases[] = {
        WINDOWS,
        {"kernel_shape=2,2 strides=2,2", "2x3x5x7", 0, 2, NULL},
        {"kernel_shape=5,5 pads=2,2,2,2", "2x2x5x6", 0, 2, NULL},
        {"kernel_shape=2,2 strides=2,2 storage_order=1", "2x3x5x7", 0, 2, NULL},
        {"kernel_shape=3, storage_order=1 pads=1,1", "2x3x16", 0, 2, NULL},
        {"kernel_shape=2,3,2 storage_order=1", "2x2x3x4x5", 0, 2, NULL},
        {"kernel_shape=2,3,2 strides=2,2,2 ceil_mode=1 dilations=1,1,2", "2x2x3x4x5", 0, 2, NULL},
        {"kernel_shape=3,3", "2x2x7x9", 0, 2, "nan"},
        {"kernel_shape=3,3", "0x2x7x9", 0, 2, NULL},
    };
    op_check("MaxPool", OP_CASES(cases), reference, 0, NULL);
    op_check_blocked("MaxPool", OP_CASES(cases), reference, 0, NULL);
    op_check_layout("MaxPool", THAW_BLOCK_ALL, OP_CASES(cases), reference, 0, NULL);
}

static void test_average(void)
{
    static const op_case cases[] = {
        WINDOWS,
        {"kernel_shape=3,3 pads=1,1,1,1 count_include_pad=1", "2x3x7x7", 0, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 pads=2,0,1,1 count_include_pad=1", "2x3x15x16", 0, 0, NULL},
        {"kernel_shape=3,3 strides=3,3 pads=1,1,1,1 count_include_pad=1 ceil_mode=1", "1x2x5x7", 0, 0, NULL},
        {"kernel_shape=2, strides=4, pads=1,1 ceil_mode=1 count_include_pad=1", "1x2x9", 0, 0, NULL},
        {"kernel_shape=3,3 dilations=2,2 strides=3,3 ceil_mode=1 count_include_pad=1", "1x2x16x17", 19, 0, NULL},
        {"kernel_shape=2,2 auto_pad=SAME_LOWER count_include_pad=1", "1x2x8x7", 0, 0, NULL},
        {"kernel_shape=33,31", "1x2x33x31", 0, 0, NULL},
    };
    op_check("AveragePool", OP_CASES(cases), reference, 1e-6, NULL);
    op_check_blocked("AveragePool", OP_CASES(cases), reference, 1e-6, NULL);
    op_check_layout("AveragePool", THAW_BLOCK_ALL, OP_CASES(cases), reference, 1e-6, NULL);
}

/* A program that wants the second output alone. */
static void test_indices_alone(void)
{
    const op_case row = {"kernel_shape=2, strides=2,", "1x2x6", 0, 2, NULL};
    const char *const outputs[] = {"y1"};
    op_subject subject;
    test_must(op_subject_build("MaxPool", &row, 1, &subject));
    const thaw_shape shapes[] = {subject.tensors[0]->shape};
    const thaw_program_options options = {.shapes = shapes, .outputs = outputs, .output_count = 1, .fuse = true};
    thaw_program *program;
    thaw_tensor *indices;
    test_must(thaw_program_create(subject.graph, test_device(), &options, &program));
    test_must(thaw_program_write(program, 0, subject.tensors[0]));
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &indices));
    CU_ASSERT_EQUAL(indices->count, 6);
    for (int64_t i = 0; i < indices->count; i++) {
        const bool second = thaw_tensor_get(subject.tensors[0], 2 * i + 1) > thaw_tensor_get(subject.tensors[0], 2 * i);
        CU_ASSERT_EQUAL(thaw_tensor_get_int(indices, i), 2 * i + second);
    }
    thaw_tensor_release(&indices);
    thaw_program_destroy(&program);
    op_subject_free(&subject);
}

static void global_reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t planes = x->dims[0] * x->dims[1], size = thaw_shape_span(x, 2, x->rank);
    CU_ASSERT_EQUAL(thaw_shape_size(&node->outputs[0]->shape), planes);
    for (int64_t i = 0; i < planes; i++) {
        double sum = 0;
        for (int64_t j = 0; j < size; j++)
            sum += inputs[0][i * size + j];
        outputs[0][i] = sum / (double)size;
    }
}

static void test_global(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1", 7, 0, NULL},           {"", "2x17x7x7", 0, 0, NULL}, {"", "3x16x33", 0, 0, NULL},
        {"", "2x3x4x5x6", 22, 0, NULL},        {"", "2x5", 0, 0, NULL},      {"", "1x2x2x2x2x2x2x3", 0, 0, NULL},
        {"", "1x3x112x112", 0, 0, "positive"}, {"", "0x3x7x7", 0, 0, NULL},  {"", "2x33x3x3", 0, 0, "nan"},
        {"", "2x33x3x3", 0, 0, "extreme"},
    };
    op_check("GlobalAveragePool", OP_CASES(cases), global_reference, 1e-6, NULL);
    op_check_amid_blocks("GlobalAveragePool", OP_CASES(cases), global_reference, 1e-6);
}

/* With all elements 0 and gradients 1: an element gets as many as there are windows that begin at it, those that begin
 * in the padding at the edge included. */
static void check_tie(thaw_program *program)
{
    const thaw_value *x = program->graph->inputs[0], *y = program->graph->outputs[0];
    float gradient[3 * 4 * 5];
    test_must(thaw_buffer_fill(y->gradient, 0, 0x3f800000, 3 * 5 * 6 * sizeof(float)));
    test_must(thaw_program_backward(program));
    test_must(thaw_buffer_read(x->gradient, 0, gradient, sizeof gradient));
    for (int i = 0; i < 3 * 4 * 5; i++) {
        const int h = i / 5 % 4, w = i % 5;
        CU_ASSERT_EQUAL(gradient[i], (float)((h == 0 ? 2 : 1) * (w == 0 ? 2 : 1)));
    }
}

/* A tie goes to the first of the largest, in every window. */
static void test_tie(void)
{
    static const op_case row = {"kernel_shape=2,2 pads=1,1,1,1", "1x3x4x5", 0, 0, NULL};
    for (int32_t layout = 0; layout <= 4; layout += 4) {
        op_trial trial = {.type = "MaxPool", .row = &row, .layout = layout};
        thaw_tensor *results[OP_MOST_OUTPUTS] = {0};
        if (trial_begin(&trial, 1, true)) {
            for (int64_t i = 0; i < trial.subject.tensors[0]->count; i++)
                thaw_tensor_set(trial.subject.tensors[0], i, 0);
            trial_forward(&trial, results);
            check_tie(trial.program);
        }
        thaw_tensor_release(&results[0]);
        trial_end(&trial);
    }
}

static void test_gradient(void)
{
    static const op_case cases[] = {
        {"kernel_shape=3,", "2x3x7", 0, 0, NULL},
        {"kernel_shape=1,1", "1x1x1x1", 7, 0, NULL},
        {"kernel_shape=2,2 strides=2,2", "2x3x6x6", 0, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 pads=1,1,1,1", "2x5x7x9", 0, 0, NULL},
        {"kernel_shape=3,2 strides=1,3 pads=2,0,1,1", "1x17x5x8", 0, 0, NULL},
        {"kernel_shape=7,7", "3x5x7x7", 0, 0, NULL},
        {"kernel_shape=2,2 strides=3,3", "1x2x7x8", 0, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 pads=0,0,1,1 ceil_mode=1", "1x2x8x11", 0, 0, NULL},
        {"kernel_shape=2, strides=4, pads=1,1 ceil_mode=1", "1x2x9", 0, 0, NULL},
        {"kernel_shape=2, strides=3, pads=1,1 dilations=2, ceil_mode=1", "1x1x5", 19, 0, NULL},
        {"kernel_shape=3,3 dilations=2,3", "1x2x9x12", 19, 0, NULL},
        {"kernel_shape=3,3 dilations=2,2 strides=3,3 ceil_mode=1", "1x2x11x10", 19, 0, NULL},
        {"kernel_shape=2,2,2 strides=2,1,2 pads=1,0,1,0,1,1", "2x2x5x4x3", 0, 0, NULL},
        {"kernel_shape=3,3,3 strides=3,2,2 dilations=2,1,1 ceil_mode=1", "1x2x8x5x4", 22, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 auto_pad=SAME_UPPER", "1x2x8x7", 0, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 auto_pad=SAME_LOWER", "1x2x8x7", 0, 0, NULL},
        {"kernel_shape=2, dilations=2, pads=1,1", "1x1x1", 19, 0, NULL}, /* a window without any element */
        {"kernel_shape=1, dilations=2147483647,", "1x1x5", 19, 0, NULL},
        {"kernel_shape=2,2", "0x3x5x5", 0, 0, NULL},
    };
    static const op_case counting[] = {
        {"kernel_shape=3,3 pads=1,1,1,1 count_include_pad=1", "2x3x5x5", 0, 0, NULL},
        {"kernel_shape=3,3 strides=2,2 pads=2,0,1,1 count_include_pad=1", "2x3x7x6", 0, 0, NULL},
        {"kernel_shape=3,3 strides=3,3 pads=1,1,1,1 count_include_pad=1 ceil_mode=1", "1x2x5x7", 0, 0, NULL},
        {"kernel_shape=2, strides=4, pads=1,1 ceil_mode=1 count_include_pad=1", "1x2x9", 0, 0, NULL},
        {"kernel_shape=3,3 dilations=2,2 strides=3,3 ceil_mode=1 count_include_pad=1", "1x2x8x9", 19, 0, NULL},
    };
    static const op_case global[] = {{"", "1x1x1x1", 7, 0, NULL},
                                     {"", "2x17x3x5", 0, 0, NULL},
                                     {"", "2x3x2x3x2", 0, 0, NULL},
                                     {"", "2x16x3x3", 0, 0, NULL},
                                     {"", "0x3x7x7", 0, 0, NULL}};
    op_check_gradient("MaxPool", OP_CASES(cases), reference, 1e-5);
    op_check_gradient("AveragePool", OP_CASES(cases), reference, 1e-5);
    op_check_gradient("AveragePool", OP_CASES(counting), reference, 1e-5);
    op_check_gradient("GlobalAveragePool", OP_CASES(global), global_reference, 1e-5);
    op_check_gradient_blocked("MaxPool", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_blocked("AveragePool", OP_CASES(cases), reference, 1e-5);
    op_check_gradient_blocked("AveragePool", OP_CASES(counting), reference, 1e-5);
    op_check_gradient_blocked("GlobalAveragePool", OP_CASES(global), global_reference, 1e-5);
}

static void test_refused(void)
{
    static const op_case model[] = {
        {"", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 auto_pad=SOMEHOW", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 pads=2,0,0,0", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2", "1x1x5x5 1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2", "1x1x5x5", 0, 3, NULL},
    };
    static const op_case shape[] = {
        {"kernel_shape=2,2", "1x1x5", 0, 0, NULL},
        {"kernel_shape=2,2,2,2", "1x1x5x5x5x5", 0, 0, NULL},
        {"kernel_shape=2,", "1x5", 0, 0, NULL},
        {"kernel_shape=6,2", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2", "1x1x0x5", 0, 0, NULL},
        {"kernel_shape=2,2 strides=1,", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 pads=1,1", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2", "s", 0, 0, NULL},
        {"kernel_shape=2000000,2 dilations=2000000,1", "1x1x5x5", 0, 0, NULL},
    };
    static const op_case size[] = {
        {"kernel_shape=0,2", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 strides=0,1", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 strides=-1,1", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 pads=-1,0,0,0", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2,2 dilations=4294967297,1", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=9223372036854774784,1", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=100000,100000", "1x1x5x5", 0, 0, NULL},
        {"kernel_shape=2147483647, pads=2147483646,2147483646", "1x1x5", 0, 0, NULL},
    };
    static const op_case unsupported[] = {{"kernel_shape=2,2 p=2", "1x1x5x5", 0, 0, NULL},
                                          {"kernel_shape=1,", "i:1,2,3@1x1x3", 0, 0, NULL}};
    op_check_refused("MaxPool", OP_CASES(model), THAW_ERR_MODEL);
    op_check_refused("AveragePool", OP_CASES(model), THAW_ERR_MODEL);
    op_check_refused("MaxPool", OP_CASES(shape), THAW_ERR_SHAPE);
    op_check_refused("AveragePool", OP_CASES(size), THAW_ERR_SIZE);
    op_check_refused("MaxPool", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
    static const op_case order[] = {{"kernel_shape=2,2 storage_order=2", "1x1x5x5", 0, 0, NULL}};
    op_check_refused("MaxPool", OP_CASES(order), THAW_ERR_MODEL);
    static const op_case global_shape[] = {{"", "5", 0, 0, NULL}};
    static const op_case global_type[] = {{"", "i:1,2@1x1x2", 0, 0, NULL}};
    op_check_refused("GlobalAveragePool", OP_CASES(global_shape), THAW_ERR_SHAPE);
    op_check_refused("GlobalAveragePool", OP_CASES(global_type), THAW_ERR_UNSUPPORTED);
}

void suite_pool(void)
{
    static const test_entry tests[] = {
        {"MaxPool", test_max},
        {"MaxPool's indices alone", test_indices_alone},
        {"AveragePool", test_average},
        {"GlobalAveragePool", test_global},
        {"gradients", test_gradient},
        {"a tie in MaxPool", test_tie},
        {"what is refused", test_refused},
    };
    TEST_SUITE("pool", tests);
}
