/* A convolution of an image and the max pool behind it in one kernel, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct beginning {
    const char *convolution, *pool; /* attributes */
    const char *activation;         /* "": none */
    thaw_shape input, weight;
    bool fits;
};

static graph_numbers numbers = {.low = -0.9, .high = 1.1};
static thaw_precision precision = THAW_PRECISION_FP32; /* of the joined program's weights */

/* A second reader of the convolution's output keeps the two apart. */
static thaw_graph *build(const struct beginning *b, bool read_twice)
{
    thaw_graph *graph;
    numbers.random = (thaw_random){31};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = graph_add_value(graph, "x", &b->input);
    test_must(thaw_graph_add_input(graph, x));
    thaw_value *const inputs[] = {x, graph_add_constant(graph, &numbers, b->weight),
                                  graph_add_constant(graph, &numbers, (thaw_shape){1, {b->weight.dims[0]}})};
    thaw_value *y = graph_add_node(graph, "Conv", b->convolution, inputs, 3);
    if (*b->activation)
        y = graph_add_node(graph, b->activation, "", &y, 1);
    if (read_twice)
        test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_add_output(graph, graph_add_node(graph, "MaxPool", b->pool, &y, 1)));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* The last output. `odd`: what lies amid the input. */
static thaw_tensor *run(const thaw_graph *graph, bool fuse, const float *odd, thaw_program **program)
{
    const thaw_program_options options = {.fuse = fuse, .frozen_precision = fuse ? precision : THAW_PRECISION_FP32};
    thaw_tensor *result, *tensor;
    numbers.random = (thaw_random){32};
    test_must(thaw_program_create(graph, test_device(), &options, program));
    tensor = graph_random_tensor(&numbers, &(*program)->graph->inputs[0]->shape);
    if (odd)
        ((float *)tensor->data)[tensor->count / 2] = *odd;
    test_must(thaw_program_write(*program, 0, tensor));
    thaw_tensor_release(&tensor);
    test_must(thaw_program_forward(*program));
    test_must(thaw_program_read(*program, (*program)->graph->output_count - 1, &result));
    return result;
}

static bool is_joined(const thaw_program *program)
{
    for (size_t i = 0; i < program->graph->node_count; i++) {
        const thaw_node *node = program->graph->nodes[i];
        if (strcmp(node->op->name, "conv_pool") != 0)
            continue;
        CU_ASSERT_EQUAL(node->halves_weights, precision == THAW_PRECISION_FP16);
        return true;
    }
    return false;
}

static void check(const struct beginning *b, int32_t layout, bool read_twice, const float *odd)
{
    const op_case row = {.attributes = b->convolution, .inputs = b->pool};
    const op_trial trial = {.type = "MaxPool", .row = &row, .layout = layout};
    thaw_program *plain, *joined;
    thaw_graph *graph = build(b, read_twice);
    thaw_tensor *wanted = run(graph, false, odd, &plain);
    trial_force_layout(layout);
    thaw_tensor *got = run(graph, true, odd, &joined);
    trial_force_layout(0);
    if (is_joined(joined) != (b->fits && !read_twice))
        trial_fail(&trial, "they are %sone kernel", is_joined(joined) ? "" : "not ");
    double *expected = test_allocate(wanted->count, sizeof *expected);
    for (int64_t i = 0; i < wanted->count; i++)
        expected[i] = thaw_tensor_get(wanted, i);
    trial_compare(&trial, "output", 0, &wanted->shape, got, expected, 2e-6 * trial_largest(expected, wanted->count));
    free(expected);
    thaw_tensor_release(&wanted);
    thaw_tensor_release(&got);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&joined);
    thaw_graph_destroy(&graph);
}

static void check_all(const struct beginning *rows, size_t count, bool read_twice, const float *odd)
{
    static const int32_t layouts[] = {8, 4, 16};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : sizeof layouts / sizeof *layouts); j++)
            check(&rows[i], layouts[j], read_twice, odd);
}

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                            \
    }
#define ROWS(rows) rows, sizeof(rows) / sizeof *(rows)

static void test_joined(void)
{
    static const struct beginning rows[] = {
        {"strides=2,2 pads=3,3,3,3", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", "Relu", SHAPE(2, 3, 35, 37),
         SHAPE(17, 3, 7, 7), true},
        {"strides=2,2", "kernel_shape=3,3 strides=2,2 ceil_mode=1", "Relu", SHAPE(1, 3, 36, 40), SHAPE(9, 3, 3, 3),
         true},
        {"pads=1,1,1,1", "kernel_shape=2,2 strides=2,2", "Sigmoid", SHAPE(2, 1, 6, 17), SHAPE(31, 1, 3, 3), true},
        {"", "kernel_shape=1,3 strides=1,1 pads=0,2,0,1", "", SHAPE(1, 2, 3, 16), SHAPE(3, 2, 1, 1), true},
        {"pads=0,1,0,1", "kernel_shape=5,2 strides=3,4 pads=4,1,2,1", "HardSwish", SHAPE(1, 4, 19, 21),
         SHAPE(33, 4, 1, 3), true},
        {"dilations=1,2", "kernel_shape=3,3 strides=2,2", "LeakyRelu", SHAPE(3, 3, 9, 21), SHAPE(8, 3, 3, 3), true},
    };
    check_all(ROWS(rows), false, NULL);
}

/* A row of 400 pixels is longer than the ring, 5 channels are no image, and a row of 3 pixels no tile. */
static void test_apart(void)
{
    static const struct beginning rows[] = {
        {"", "kernel_shape=3,3", "Relu", SHAPE(1, 3, 4, 400), SHAPE(5, 3, 1, 1), false},
        {"", "kernel_shape=2,2", "Relu", SHAPE(1, 5, 4, 18), SHAPE(5, 5, 1, 1), false},
        {"", "kernel_shape=2,2", "Relu", SHAPE(1, 3, 4, 3), SHAPE(5, 3, 1, 1), false},
        {"", "kernel_shape=2,2 dilations=2,2", "Relu", SHAPE(1, 3, 5, 18), SHAPE(5, 3, 1, 1), false},
    };
    check_all(ROWS(rows), false, NULL);
}

static void test_read_twice(void)
{
    static const struct beginning rows[] = {
        {"pads=1,1,1,1", "kernel_shape=2,2 strides=2,2", "Relu", SHAPE(1, 3, 6, 17), SHAPE(5, 3, 3, 3), true},
    };
    check_all(ROWS(rows), true, NULL);
}

static void test_odd_numbers(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    static const struct beginning rows[] = {
        {"strides=2,2 pads=1,1,1,1", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", "", SHAPE(2, 3, 17, 41),
         SHAPE(17, 3, 3, 3), true},
        {"pads=1,1,1,1", "kernel_shape=2,2 strides=2,2", "Relu", SHAPE(1, 3, 9, 20), SHAPE(9, 3, 3, 3), true},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        check_all(ROWS(rows), false, &odd[i]);
}

static void test_halves(void)
{
    static const struct beginning rows[] = {
        {"strides=2,2 pads=1,1,1,1", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", "Relu", SHAPE(2, 3, 9, 33),
         SHAPE(17, 3, 3, 3), true},
    };
    precision = THAW_PRECISION_FP16;
    numbers.halves = true;
    check_all(ROWS(rows), false, NULL);
    numbers.halves = false;
    precision = THAW_PRECISION_FP32;
}

void suite_conv_pool(void)
{
    static const test_entry tests[] = {
        {"one kernel", test_joined},          {"what doesn't fit", test_apart},
        {"a second reader", test_read_twice}, {"infinities and NaN", test_odd_numbers},
        {"16-bit weights", test_halves},
    };
    TEST_SUITE("conv_pool", tests);
}
