/* MatMul and Gemm with constant weights and what follows them in one kernel, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_trial.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

typedef struct linear_case {
    const char *type; /* Gemm's weights are [n, k] */
    thaw_shape x, weight;
    thaw_shape bias;   /* of an Add behind MatMul, of the node itself for Gemm; rank -1: none */
    const char *after; /* nodes, each over what comes before: "Add" adds the residual, "Gelu", ... */
    size_t nodes;      /* that are left */
} linear_case;

/* What keeps nodes apart, each in a graph of its own. */
typedef enum hindrance {
    NOTHING,
    READ_TWICE,     /* the product is a second output */
    TRAINABLE_BIAS, /* which changes between runs */
    WEIGHTS_AT_RUN_TIME,
    LATE_RESIDUAL,  /* is made behind the product */
    SMALL_RESIDUAL, /* is one number for each row */
} hindrance;

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                            \
    }
#define SCALAR                                                                                                         \
    {                                                                                                                  \
        .rank = 0                                                                                                      \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        .rank = -1                                                                                                     \
    }

static thaw_value *add_input(thaw_graph *graph, const char *name, thaw_shape shape)
{
    thaw_value *value = graph_add_value(graph, name, &shape);
    test_must(thaw_graph_add_input(graph, value));
    return value;
}

/* [..., m, k] times [k, n], or [n, k] for Gemm. */
static thaw_shape output_shape(const linear_case *c)
{
    thaw_shape y = c->x;
    y.dims[y.rank - 1] = c->weight.dims[strcmp(c->type, "Gemm") != 0];
    return y;
}

static thaw_value *add_product(thaw_graph *graph, const linear_case *c, graph_numbers *numbers, thaw_value *x,
                               hindrance h)
{
    thaw_value *inputs[3] = {x};
    inputs[1] = h == WEIGHTS_AT_RUN_TIME ? add_input(graph, "weight", c->weight)
                                         : graph_add_constant(graph, numbers, c->weight);
    if (c->bias.rank >= 0)
        inputs[2] = graph_add_constant(graph, numbers, c->bias);
    if (strcmp(c->type, "Gemm") == 0)
        return graph_add_node(graph, "Gemm", "transB=1", inputs, c->bias.rank < 0 ? 2 : 3);
    thaw_value *y = graph_add_node(graph, "MatMul", "", inputs, 2);
    if (h == READ_TWICE)
        test_must(thaw_graph_add_output(graph, y));
    if (h == TRAINABLE_BIAS)
        inputs[2]->trainable = true;
    return c->bias.rank < 0 ? y : graph_add_node(graph, "Add", "", (thaw_value *[]){inputs[2], y}, 2);
}

static thaw_value *add_residual(thaw_graph *graph, thaw_value *y, thaw_value *residual, hindrance h)
{
    if (h == LATE_RESIDUAL)
        residual = graph_add_node(graph, "Neg", "", &residual, 1);
    return graph_add_node(graph, "Add", "", (thaw_value *[]){residual, y}, 2);
}

static thaw_graph *build(const linear_case *c, hindrance h)
{
    thaw_graph *graph;
    graph_numbers numbers = {.random = {11}, .low = -1, .high = 1};
    thaw_shape residual = output_shape(c);
    char after[64], *rest, *name;
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 20;
    if (h == SMALL_RESIDUAL)
        residual.dims[residual.rank - 1] = 1;
    thaw_value *x = add_input(graph, "x", c->x), *second = NULL;
    if (strstr(c->after, "Add"))
        second = add_input(graph, "residual", residual);
    thaw_value *y = add_product(graph, c, &numbers, x, h);
    strcpy(after, c->after);
    for (name = strtok_r(after, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        y = strcmp(name, "Add") == 0 ? add_residual(graph, y, second, h) : graph_add_node(graph, name, "", &y, 1);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* The last output; *nodes as the program has them. */
static thaw_tensor *run(const thaw_graph *graph, const thaw_program_options *options, size_t *nodes)
{
    thaw_program *program;
    thaw_tensor *result;
    graph_numbers numbers = {.random = {12}, .low = -1, .high = 1};
    test_must(thaw_program_create(graph, test_device(), options, &program));
    for (size_t i = 0; i < program->graph->input_count; i++) {
        thaw_tensor *tensor = graph_random_tensor(&numbers, &program->graph->inputs[i]->shape);
        test_must(thaw_program_write(program, i, tensor));
        thaw_tensor_release(&tensor);
    }
    *nodes = program->graph->node_count;
    test_must(thaw_program_forward(program));
    test_must(thaw_program_read(program, program->graph->output_count - 1, &result));
    thaw_program_destroy(&program);
    return result;
}

/* Fused for a device that likes `layout` channels side by side. */
static void check_in(const linear_case *c, hindrance h, int32_t layout, thaw_precision precision)
{
    const op_case row = {.attributes = "", .inputs = c->after};
    const op_trial trial = {.type = c->type, .row = &row, .layout = layout};
    const thaw_program_options fused_options = {.fuse = true, .frozen_precision = precision};
    const double tolerance = precision == THAW_PRECISION_FP16 ? 2e-3 : 4e-6;
    const thaw_shape shape = output_shape(c);
    size_t nodes;
    thaw_graph *graph = build(c, h);
    thaw_tensor *plain = run(graph, &(thaw_program_options){0}, &nodes);
    trial_force_layout(layout);
    thaw_tensor *fused = run(graph, &fused_options, &nodes);
    trial_force_layout(0);
    if (nodes != c->nodes)
        trial_fail(&trial, "hindrance %d: %zu nodes are left, not %zu", (int)h, nodes, c->nodes);
    double *wanted = test_allocate(plain->count, sizeof *wanted);
    for (int64_t i = 0; i < plain->count; i++)
        wanted[i] = thaw_tensor_get(plain, i);
    trial_compare(&trial, "output", 0, &shape, fused, wanted, tolerance * trial_largest(wanted, plain->count));
    free(wanted);
    thaw_tensor_release(&plain);
    thaw_tensor_release(&fused);
    thaw_graph_destroy(&graph);
}

static void check(const linear_case *c, hindrance h)
{
    static const int32_t layouts[] = {1, THAW_BLOCK_ALL, 4, 8, 16};
    const size_t count = test_tiny() ? 3 : sizeof layouts / sizeof *layouts;
    for (size_t i = 0; i < count; i++)
        check_in(c, h, layouts[i], THAW_PRECISION_FP32);
}

/* A few rows, one tile of them and parts of one; more than 64, which go another way, with sums that take several
 * launches; columns that fill no vector, one, and several panels. */
static void test_joined(void)
{
    static const linear_case cases[] = {
        {"MatMul", SHAPE(2, 3, 5), SHAPE(5, 7), SHAPE(7), "", 1},
        {"MatMul", SHAPE(3, 5), SHAPE(5, 33), SHAPE(1, 33), "Relu", 1},
        {"MatMul", SHAPE(1, 5), SHAPE(5, 4), SCALAR, "Gelu", 1},
        {"MatMul", SHAPE(2, 3, 5), SHAPE(5, 7), SHAPE(1, 1, 1), "Add", 1},
        {"MatMul", SHAPE(2, 2, 3, 5), SHAPE(5, 17), NONE, "Add Sigmoid", 1},
        {"MatMul", SHAPE(5), SHAPE(5, 9), SHAPE(9), "Add", 1},
        {"MatMul", SHAPE(13, 5), SHAPE(5, 3), SHAPE(3), "Add Gelu", 1},
        {"Gemm", SHAPE(7, 5), SHAPE(9, 5), SHAPE(9), "Add HardSwish", 1},
        {"Gemm", SHAPE(7, 5), SHAPE(9, 5), NONE, "Add", 1},
        {"MatMul", SHAPE(65, 3), SHAPE(3, 5), SHAPE(5), "Add Gelu", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i], NOTHING);
}

static void test_large(void)
{
    static const linear_case cases[] = {
        {"MatMul", SHAPE(2, 61, 70), SHAPE(70, 67), SHAPE(67), "Gelu", 1},
        {"MatMul", SHAPE(131, 1100), SHAPE(1100, 33), SHAPE(33), "Add Relu", 1},
        {"Gemm", SHAPE(70, 2100), SHAPE(35, 2100), NONE, "Add", 1},
        {"MatMul", SHAPE(70, 2100), SHAPE(2100, 31), SHAPE(1), "Gelu", 1},
    };
    for (size_t i = 0; !test_tiny() && i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i], NOTHING);
        for (int32_t width = 4; width <= 16; width *= 2)
            check_in(&cases[i], NOTHING, width, THAW_PRECISION_FP16);
    }
}

static void test_apart(void)
{
    static const struct {
        linear_case row;
        hindrance hindrance;
    } cases[] = {
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "", 2}, READ_TWICE},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "", 2}, TRAINABLE_BIAS},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "", 2}, WEIGHTS_AT_RUN_TIME},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), NONE, "Gelu", 2}, WEIGHTS_AT_RUN_TIME},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "Add", 3}, LATE_RESIDUAL},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "Add", 2}, SMALL_RESIDUAL},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(3, 1), "", 2}, NOTHING},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(3, 7), "", 2}, NOTHING},
        {{"MatMul", SHAPE(3, 5), SHAPE(5, 7), SHAPE(7), "Relu Add", 2}, NOTHING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i].row, cases[i].hindrance);
}

void suite_linear(void)
{
    static const test_entry tests[] = {
        {"bias, residual and activation are the product's", test_joined},
        {"many rows and long sums, both precisions", test_large},
        {"what others see, or comes later, stays apart", test_apart},
    };
    TEST_SUITE("linear", tests);
}
