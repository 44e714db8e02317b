/* Many kernels in one launch: the same bits as one after the other, however often, with others in between. */
#include "graph_parts.h"
#include "op_trial.h"
#include "test.h"

#include "device/kernel.h"
#include "model/program.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, CHANNELS = 24 };

static graph_numbers random_numbers = {.low = -0.6, .high = 0.7};

static thaw_value *convolve(thaw_graph *graph, const char *attributes, thaw_value *x, thaw_shape weight)
{
    thaw_value *const inputs[] = {x, graph_add_constant(graph, &random_numbers, weight),
                                  graph_add_constant(graph, &random_numbers, (thaw_shape){1, {weight.dims[0]}})};
    return graph_add_node(graph, "Conv", attributes, inputs, 3);
}

static thaw_value *activate(thaw_graph *graph, const char *type, thaw_value *x)
{
    return graph_add_node(graph, type, "", &x, 1);
}

/* A stem with its pool, `repeats` residual blocks of every kind of convolution, one value that two read; in the middle
 * more pools, and a Tanh, which ends a chain. */
static thaw_graph *make_graph(int repeats)
{
    thaw_graph *graph;
    const thaw_shape image = {4, {2, 3, 46, 53}};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 14;
    thaw_value *x = graph_add_value(graph, "image", &image);
    test_must(thaw_graph_add_input(graph, x));
    x = activate(graph, "Relu", convolve(graph, "strides=2,2 pads=1,1,1,1", x, (thaw_shape){4, {CHANNELS, 3, 3, 3}}));
    x = graph_add_node(graph, "MaxPool", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", &x, 1);
    for (int i = 0; i < repeats; i++) {
        const thaw_shape square = {4, {CHANNELS, CHANNELS, 3, 3}}, pointwise = {4, {CHANNELS, CHANNELS, 1, 1}};
        const thaw_shape wide = {4, {2 * CHANNELS, CHANNELS, 1, 1}}, depthwise = {4, {2 * CHANNELS, 1, 3, 3}};
        const thaw_shape narrow = {4, {CHANNELS, 2 * CHANNELS, 1, 1}};
        thaw_value *y = activate(graph, "Relu", convolve(graph, "pads=1,1,1,1", x, square));
        y = activate(graph, "HardSwish", convolve(graph, "", y, wide));
        y = activate(graph, "Relu", convolve(graph, "group=48 pads=1,1,1,1", y, depthwise));
        thaw_value *const both[] = {convolve(graph, "", y, narrow), convolve(graph, "", x, pointwise)};
        x = activate(graph, i == 1 ? "Sigmoid" : "Relu", graph_add_node(graph, "Add", "", both, 2));
        if (i == repeats / 2) {
            x = graph_add_node(graph, "MaxPool", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", &x, 1);
            x = graph_add_node(graph, "AveragePool", "kernel_shape=2,2 pads=1,0,0,1", &x, 1);
            x = activate(graph, "Tanh", x);
        }
    }
    test_must(thaw_graph_add_output(graph, x));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* RUNS runs on other inputs each; their outputs one after the other. */
static void run(thaw_program *program, float *outputs, size_t bytes)
{
    graph_numbers numbers = {.random = {11}, .low = -1, .high = 1};
    for (int i = 0; i < RUNS; i++) {
        thaw_tensor *image = graph_random_tensor(&numbers, &program->graph->inputs[0]->shape), *y;
        test_must(thaw_program_write(program, 0, image));
        test_must(thaw_program_forward(program));
        test_must(thaw_program_read(program, 0, &y));
        CU_ASSERT_EQUAL_FATAL(y->bytes, bytes);
        memcpy((char *)outputs + (size_t)i * bytes, y->data, bytes);
        thaw_tensor_release(&image);
        thaw_tensor_release(&y);
    }
}

static void check(int repeats, int32_t layout, const char *algorithm)
{
    thaw_graph *graph = make_graph(repeats);
    const thaw_program_options options = {.fuse = true};
    thaw_program *program;
    trial_force_layout(layout);
    trial_force_algorithm(algorithm);
    test_must(thaw_program_create(graph, test_device(), &options, &program));
    trial_force_algorithm(NULL);
    trial_force_layout(0);
    const thaw_value *y = program->graph->outputs[0];
    const size_t bytes = (size_t)thaw_shape_size(&y->shape) * sizeof(float);
    float *one_by_one = malloc(RUNS * bytes), *chained = malloc(RUNS * bytes);
    CU_ASSERT_FATAL(one_by_one && chained);
    setenv("THAW_CHAINS", "off", 1);
    run(program, one_by_one, bytes);
    const size_t before = thaw_chains_queued(test_device());
    setenv("THAW_CHAINS", "on", 1);
    run(program, chained, bytes);
    unsetenv("THAW_CHAINS");
    CU_ASSERT(thaw_chains_queued(test_device()) >= before + RUNS - 1);
    CU_ASSERT(memcmp(one_by_one, chained, RUNS * bytes) == 0);
    free(one_by_one);
    free(chained);
    thaw_program_destroy(&program);
    thaw_graph_destroy(&graph);
}

/* Whether this device's driver gains by it: elsewhere no chain is ever made. */
static bool makes_chains(void)
{
    if (strcmp(thaw_device_describe(test_device())->platform, "Portable Computing Language") == 0)
        return true;
    test_skip("no chains on %s", thaw_device_describe(test_device())->platform);
    return false;
}

static void test_algorithms(void)
{
    static const char *const algorithms[] = {"tiled", "winograd", "winograd_fused"};
    if (!makes_chains())
        return;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        check(2, 4 << i, algorithms[i]);
}

/* More kernels and buffers than fit one launch. */
static void test_long(void)
{
    if (makes_chains())
        check(30, 8, "tiled");
}

void suite_chains(void)
{
    static const test_entry tests[] = {{"every algorithm", test_algorithms},
                                       {"longer than a launch", test_long}};
    TEST_SUITE("chains", tests);
}
