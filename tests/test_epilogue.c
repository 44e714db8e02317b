/* Convolutions, Gemm and batch norms with what follows fused into them, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_trial.h"
#include "test.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chain {
    const char *type, *attributes;
    thaw_shape x, weight, y;
    bool bias, norm;
    const char *residual; /* NULL: none; "input" of the graph, or "conv": made by a 1x1 convolution of it */
    const char *activation, *activation_attributes;
    size_t fused_nodes; /* that are left */
};

static thaw_random random_state;

/* Numbers in [0.1, 1.1) times a sign that varies where they may be negative. */
static thaw_tensor *random_tensor(const thaw_shape *shape, bool positive)
{
    thaw_tensor *tensor;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, shape, &tensor));
    for (int64_t i = 0; i < tensor->count; i++) {
        const double size = 0.1 + thaw_random_uniform(&random_state);
        thaw_tensor_set(tensor, i, positive || thaw_random_below(&random_state, 2) ? size : -size);
    }
    return tensor;
}

static thaw_value *add_constant(thaw_graph *graph, const char *name, const thaw_shape *shape, bool positive)
{
    thaw_value *value = graph_add_value(graph, name, shape);
    value->constant = random_tensor(shape, positive);
    return value;
}

static thaw_value *add_input(thaw_graph *graph, const char *name, const thaw_shape *shape)
{
    thaw_value *value = graph_add_value(graph, name, shape);
    test_must(thaw_graph_add_input(graph, value));
    return value;
}

static thaw_value *add_norm(thaw_graph *graph, thaw_value *x, int64_t channels)
{
    const thaw_shape shape = {.rank = 1, .dims = {channels}};
    thaw_value *inputs[5] = {x};
    for (int i = 1; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "norm%d", i);
        inputs[i] = add_constant(graph, name, &shape, i == 4);
    }
    return graph_add_node(graph, "BatchNormalization", "epsilon=0.01", inputs, 5);
}

/* The last value of the chain's main node, which follows `x`. */
static thaw_value *add_main(thaw_graph *graph, const struct chain *chain, thaw_value *x)
{
    if (!chain->weight.rank)
        return add_norm(graph, x, chain->x.dims[1]);
    const thaw_shape bias = {.rank = 1, .dims = {chain->weight.dims[0]}};
    thaw_value *inputs[3] = {x, add_constant(graph, "weight", &chain->weight, false)};
    if (chain->bias)
        inputs[2] = add_constant(graph, "bias", &bias, false);
    return graph_add_node(graph, chain->type, chain->attributes, inputs, chain->bias ? 3 : 2);
}

/* `gate`: what comes before the activation is multiplied by its result. */
static thaw_graph *build(const struct chain *chain, bool gate)
{
    thaw_graph *graph;
    random_state = (thaw_random){11};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 10;
    thaw_value *x = add_input(graph, "x", &chain->x), *residual = NULL;
    if (chain->residual)
        residual = add_input(graph, "residual", &chain->y);
    if (chain->residual && strcmp(chain->residual, "conv") == 0) {
        const thaw_shape shape = {.rank = 4, .dims = {chain->y.dims[1], chain->y.dims[1], 1, 1}};
        thaw_value *inputs[2] = {residual, add_constant(graph, "shortcut", &shape, false)};
        residual = graph_add_node(graph, "Conv", "", inputs, 2);
    }
    thaw_value *y = add_main(graph, chain, x);
    if (chain->norm)
        y = add_norm(graph, y, chain->y.dims[1]);
    if (residual)
        y = graph_add_node(graph, "Add", "", (thaw_value *[]){residual, y}, 2);
    if (chain->activation) {
        thaw_value *before = y;
        y = graph_add_node(graph, chain->activation, chain->activation_attributes, &before, 1);
        if (gate)
            y = graph_add_node(graph, "Mul", "", (thaw_value *[]){before, y}, 2);
    }
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* The chain's output for inputs that depend on nothing but their place; *nodes as the program has them. */
static thaw_tensor *run(const thaw_graph *graph, bool fuse, size_t *nodes)
{
    thaw_program *program;
    thaw_tensor *result;
    const thaw_program_options options = {.fuse = fuse};
    random_state = (thaw_random){12};
    test_must(thaw_program_create(graph, test_device(), &options, &program));
    for (size_t i = 0; i < program->graph->input_count; i++) {
        thaw_tensor *tensor = random_tensor(&program->graph->inputs[i]->shape, false);
        test_must(thaw_program_write(program, i, tensor));
        thaw_tensor_release(&tensor);
    }
    *nodes = 0;
    for (size_t i = 0; i < program->graph->node_count; i++)
        *nodes += program->graph->nodes[i]->op->onnx_type != NULL; /* Reorder has none */
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, 0, &result));
    thaw_program_destroy(&program);
    return result;
}

static void check_chain_in(const struct chain *chain, bool gate, const char *algorithm, int32_t layout)
{
    const op_case row = {.attributes = chain->attributes, .inputs = chain->activation};
    const op_trial trial = {.type = chain->type, .row = &row, .algorithm = algorithm, .layout = layout};
    size_t nodes;
    trial_force_algorithm(algorithm);
    trial_force_layout(layout);
    thaw_graph *graph = build(chain, gate);
    thaw_tensor *plain = run(graph, false, &nodes), *fused = run(graph, true, &nodes);
    if (nodes != chain->fused_nodes)
        trial_fail(&trial, "%zu nodes are left, not %zu", nodes, chain->fused_nodes);
    double *wanted = test_allocate(plain->count, sizeof *wanted);
    for (int64_t i = 0; i < plain->count; i++)
        wanted[i] = thaw_tensor_get(plain, i);
    trial_compare(&trial, "output", 0, &chain->y, fused, wanted, 4e-6 * trial_largest(wanted, plain->count));
    free(wanted);
    thaw_tensor_release(&plain);
    thaw_tensor_release(&fused);
    thaw_graph_destroy(&graph);
    trial_force_algorithm(NULL);
    trial_force_layout(0);
}

/* Algorithms are named where the row-major and the NHWC ones are meant. Simulators and slow compilers get one width of
 * blocks. */
static void check_chain(const struct chain *chain, bool gate, const char *algorithm)
{
    static const int32_t layouts[] = {1, THAW_BLOCK_ALL, 4, 8, 16};
    const size_t count = test_tiny() ? 3 : sizeof layouts / sizeof *layouts;
    for (size_t i = 0; i < (algorithm ? 2 : count); i++)
        check_chain_in(chain, gate, algorithm, layouts[i]);
}

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                            \
    }

static void test_convolutions(void)
{
    /* The last one's kernels take llvmpipe long to compile. */
    static const char *const algorithms[] = {NULL, "im2col", "direct", "implicit", "plain", "implicit_nchw"};
    const size_t algorithm_count = sizeof algorithms / sizeof *algorithms - (test_tiny() ? 1 : 0);
    static const struct chain chains[] = {
        {"Conv", "pads=1,1,1,1", SHAPE(2, 3, 5, 7), SHAPE(15, 3, 3, 3), SHAPE(2, 15, 5, 7), true, true, "input", "Relu",
         "", 1},
        {"Conv", "pads=1,1,1,1", SHAPE(2, 3, 5, 7), SHAPE(4, 3, 3, 3), SHAPE(2, 4, 5, 7), false, true, "conv", "Relu",
         "", 2},
        {"Conv", "", SHAPE(2, 7, 4, 4), SHAPE(16, 7, 1, 1), SHAPE(2, 16, 4, 4), false, true, NULL, "Clip",
         "min=0.0 max=0.5", 1},
        {"Conv", "", SHAPE(2, 7, 4, 4), SHAPE(16, 7, 1, 1), SHAPE(2, 16, 4, 4), false, false, "input", NULL, "", 1},
        {"Conv", "group=16 pads=1,1,1,1", SHAPE(1, 16, 5, 5), SHAPE(16, 1, 3, 3), SHAPE(1, 16, 5, 5), false, true, NULL,
         "LeakyRelu", "alpha=0.3", 1},
        {"Conv", "group=3 strides=2,2", SHAPE(2, 3, 7, 7), SHAPE(6, 1, 3, 3), SHAPE(2, 6, 3, 3), true, true, "input",
         "Sigmoid", "", 1},
        {"Conv", "group=2", SHAPE(1, 4, 5, 5), SHAPE(6, 2, 3, 3), SHAPE(1, 6, 3, 3), true, false, NULL, "HardSigmoid",
         "alpha=0.25", 1},
        {"Conv", "", SHAPE(1, 4, 5, 5), SHAPE(6, 4, 3, 3), SHAPE(1, 6, 3, 3), true, false, NULL, "HardSwish", "", 1},
        {"Conv", "pads=1,1,1,1", SHAPE(2, 16, 5, 5), SHAPE(17, 16, 3, 3), SHAPE(2, 17, 5, 5), true, false, "conv",
         "HardSigmoid", "alpha=0.25", 2},
        {"Conv", "", SHAPE(1, 16, 7, 7), SHAPE(31, 16, 1, 1), SHAPE(1, 31, 7, 7), true, true, "input", "Clip",
         "min=0.0 max=6.0", 1},
        {"Conv", "pads=1,1,1,1", SHAPE(2, 16, 5, 5), SHAPE(17, 16, 3, 3), SHAPE(2, 17, 5, 5), true, false, "input",
         "Gelu", "", 1},
        {"Conv", "", SHAPE(1, 16, 7, 7), SHAPE(31, 16, 1, 1), SHAPE(1, 31, 7, 7), true, true, NULL, "Gelu",
         "approximate=tanh", 1},
        {"Conv", "group=16 pads=1,1,1,1", SHAPE(1, 16, 5, 5), SHAPE(16, 1, 3, 3), SHAPE(1, 16, 5, 5), true, false, NULL,
         "Gelu", "", 1},
        {"Conv", "strides=2,", SHAPE(2, 4, 9), SHAPE(6, 4, 3), SHAPE(2, 6, 4), false, true, "input", "Relu", "", 1},
    };
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        for (size_t j = 0; j < algorithm_count; j++)
            check_chain(&chains[i], false, algorithms[j]);
}

/* x * sigmoid(x) and the like are activations, where x is used for nothing else. */
static void test_gates(void)
{
    static const struct chain chains[] = {
        {"Conv", "pads=1,1,1,1", SHAPE(2, 16, 5, 5), SHAPE(17, 16, 3, 3), SHAPE(2, 17, 5, 5), true, true, "input",
         "Sigmoid", "", 1},
        {"Conv", "group=17 pads=1,1,1,1", SHAPE(1, 17, 5, 8), SHAPE(17, 1, 3, 3), SHAPE(1, 17, 5, 8), true, false, NULL,
         "Sigmoid", "", 1},
        {"Conv", "", SHAPE(1, 4, 5, 5), SHAPE(6, 4, 3, 3), SHAPE(1, 6, 3, 3), true, false, NULL, "HardSigmoid",
         "alpha=0.16666667 beta=0.5", 1},
        {"Conv", "", SHAPE(1, 4, 5, 5), SHAPE(6, 4, 3, 3), SHAPE(1, 6, 3, 3), true, false, NULL, "HardSigmoid",
         "alpha=0.2", 3},
        {"Gemm", "transB=1", SHAPE(7, 5), SHAPE(9, 5), SHAPE(7, 9), true, false, NULL, "Sigmoid", "", 1},
        {"BatchNormalization", "", SHAPE(2, 5, 3, 3), {0}, SHAPE(2, 5, 3, 3), false, false, NULL, "Sigmoid", "", 1},
    };
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        check_chain(&chains[i], true, NULL);
}

/* What constants do to a convolution's result y, behind its bias. */
struct arithmetic {
    const char *type;
    thaw_shape constant, y;
    bool constant_first, bias;
    size_t fused_nodes;
};

static thaw_graph *build_arithmetic(const struct arithmetic *row)
{
    const int64_t channels = row->y.dims[1];
    const thaw_shape x_shape = {4, {row->y.dims[0], 5, row->y.dims[2], row->y.dims[3]}};
    const thaw_shape weight = {4, {channels, 5, 1, 1}}, bias = {1, {channels}};
    thaw_graph *graph;
    random_state = (thaw_random){13};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = add_input(graph, "x", &x_shape);
    thaw_value *inputs[3] = {x, add_constant(graph, "weight", &weight, false)};
    if (row->bias)
        inputs[2] = add_constant(graph, "bias", &bias, false);
    thaw_value *y = graph_add_node(graph, "Conv", "", inputs, row->bias ? 3 : 2);
    thaw_value *constant = add_constant(graph, "constant", &row->constant, false);
    thaw_value *const operands[2] = {row->constant_first ? constant : y, row->constant_first ? y : constant};
    y = graph_add_node(graph, row->type, "", operands, 2);
    test_must(thaw_graph_add_output(graph, graph_add_node(graph, "Relu", "", &y, 1)));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* A constant for each channel, or for all, goes into the weights and the bias. */
static void test_arithmetic(void)
{
    static const struct arithmetic rows[] = {
        {"Mul", SHAPE(17, 1, 1), SHAPE(2, 17, 3, 5), true, true, 1},
        {"Mul", SHAPE(1, 3, 1, 1), SHAPE(1, 3, 3, 5), false, false, 1},
        {"Mul", SHAPE(1), SHAPE(1, 8, 1, 3), false, true, 1},
        {"Add", SHAPE(31, 1, 1), SHAPE(1, 31, 3, 1), true, false, 1},
        {"Sub", SHAPE(16, 1, 1), SHAPE(2, 16, 3, 3), false, true, 1},
        {"Sub", SHAPE(16, 1, 1), SHAPE(2, 16, 3, 3), true, true, 1},
        {"Div", SHAPE(5, 1, 1), SHAPE(1, 5, 3, 3), false, true, 1},
        {"Div", SHAPE(5, 1, 1), SHAPE(1, 5, 3, 3), true, true, 2},
        {"Mul", SHAPE(5), SHAPE(1, 3, 3, 5), false, true, 2},
        {"Add", SHAPE(3, 1, 5), SHAPE(1, 3, 3, 5), false, true, 2},
        {"PRelu", SHAPE(3, 1, 1), SHAPE(1, 3, 3, 5), false, true, 3},
        {"Mul", SHAPE(1, 1, 1, 1, 1), SHAPE(1, 3, 3, 5), false, true, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const op_case described = {.attributes = rows[i].constant_first ? "constant first" : "", .inputs = ""};
        const op_trial trial = {.type = rows[i].type, .row = &described};
        size_t nodes;
        thaw_graph *graph = build_arithmetic(&rows[i]);
        thaw_tensor *plain = run(graph, false, &nodes), *fused = run(graph, true, &nodes);
        if (nodes != rows[i].fused_nodes)
            trial_fail(&trial, "%zu nodes are left, not %zu", nodes, rows[i].fused_nodes);
        double *wanted = test_allocate(plain->count, sizeof *wanted);
        for (int64_t j = 0; j < plain->count; j++)
            wanted[j] = thaw_tensor_get(plain, j);
        trial_compare(&trial, "output", 0, &plain->shape, fused, wanted, 4e-6 * trial_largest(wanted, plain->count));
        free(wanted);
        thaw_tensor_release(&plain);
        thaw_tensor_release(&fused);
        thaw_graph_destroy(&graph);
    }
}

/* MaxPool(x) + 0, which takes blocks, and a gate behind it, or its activation alone. */
static thaw_graph *build_gate(const thaw_shape *shape, bool gate)
{
    thaw_graph *graph;
    const thaw_shape scalar = {0};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = add_input(graph, "x", shape), *zero = graph_add_value(graph, "zero", &scalar);
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &scalar, &zero->constant));
    thaw_tensor_set(zero->constant, 0, 0);
    x = graph_add_node(graph, "MaxPool", "kernel_shape=1,1", &x, 1);
    x = graph_add_node(graph, "Add", "", (thaw_value *[]){x, zero}, 2);
    thaw_value *y = graph_add_node(graph, "Sigmoid", "", &x, 1);
    if (gate)
        y = graph_add_node(graph, "Mul", "", (thaw_value *[]){y, x}, 2);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* The sigmoid and SiLU of numbers of every size, in blocks of channels, which have an exponential of their own. */
static void test_extremes(void)
{
    static const float numbers[] = {-3e38f, -1e30f, -200, -104, -89, -88.6f, -88, -87, -17,   -1e-3f, -0.0f,    1e-30f,
                                    0.5f,   3,      20,   87,   88,  88.6f,  89,  200, 1e30f, 3e38f,  INFINITY, NAN};
    const thaw_shape shape = {4, {1, 4, 2, 3}};
    for (int gate = 0; gate < 2; gate++) {
        thaw_program *program;
        thaw_tensor *x, *y;
        trial_force_layout(8);
        thaw_graph *graph = build_gate(&shape, gate);
        test_must(thaw_program_create(graph, test_device(), &(thaw_program_options){.fuse = true}, &program));
        test_must(thaw_tensor_borrow(test_context(), THAW_FLOAT32, &shape, numbers, &x));
        test_must(thaw_program_write(program, 0, x));
        test_must(thaw_program_forward(program));
        test_must(thaw_program_read(program, 0, &y));
        for (int64_t i = 0; i < y->count; i++) {
            const double sigmoid = 1 / (1 + exp(-(double)numbers[i])), got = thaw_tensor_get(y, i);
            const double wanted = gate ? numbers[i] * sigmoid : sigmoid;
            CU_ASSERT(got == wanted || (isnan(got) && isnan(wanted)) ||
                      fabs(got - wanted) <= 4e-7 * fabs(wanted) + 1e-35);
        }
        thaw_tensor_release(&x);
        thaw_tensor_release(&y);
        thaw_program_destroy(&program);
        thaw_graph_destroy(&graph);
    }
    trial_force_layout(0);
}

static void test_others(void)
{
    static const struct chain chains[] = {
        {"Gemm", "transB=1 alpha=0.5 beta=2.0", SHAPE(7, 5), SHAPE(9, 5), SHAPE(7, 9), true, false, NULL, "Relu", "",
         1},
        {"Gemm", "transB=1", SHAPE(7, 5), SHAPE(9, 5), SHAPE(7, 9), true, false, NULL, "Gelu", "", 1},
        {"Gemm", "transB=1", SHAPE(7, 5), SHAPE(9, 5), SHAPE(7, 9), false, false, NULL, "Clip", "min=-0.5 max=0.5", 1},
        {"BatchNormalization", "", SHAPE(2, 5, 3, 3), {0}, SHAPE(2, 5, 3, 3), false, false, NULL, "Relu", "", 1},
    };
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        check_chain(&chains[i], false, NULL);
}

void suite_epilogue(void)
{
    static const test_entry tests[] = {
        {"what follows a convolution", test_convolutions},       {"x * gate(x)", test_gates},
        {"what constants do to a convolution", test_arithmetic}, {"gates of numbers of every size", test_extremes},
        {"what follows Gemm and batch norms", test_others},
    };
    TEST_SUITE("epilogue", tests);
}
