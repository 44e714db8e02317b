/* Inverted residuals and squeeze-and-excite blocks in few kernels, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_trial.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    const char *source, *source_attributes; /* what makes x [n, c, h, w] of the input: its shape is `input` */
    thaw_shape input, source_weight;
    int64_t hidden, width;           /* of the gate's first layer, and what the projection makes */
    const char *form;                /* "conv", "gemm", "pool+gemm" */
    const char *activation;          /* between the layers; "SiLU" is Mul(x, Sigmoid(x)) */
    const char *gate, *attributes;   /* behind them */
    bool residual;                   /* behind the projection */
    const char *last, *projection;   /* what reads the product, with which attributes; weights are [width, c, 1, 1] */
    size_t nodes;                    /* that are left in a fused program, Reorders aside */
    bool has_gate, has_sums, scales; /* what became of the block */
};

static graph_numbers random_numbers = {.low = -0.9, .high = 1.1};
static thaw_precision precision = THAW_PRECISION_FP32; /* of frozen weights in fused programs */

static thaw_value *add_constant(thaw_graph *graph, thaw_shape shape)
{
    return graph_add_constant(graph, &random_numbers, shape);
}

/* A node over x and up to two more inputs; the value that it makes. */
static thaw_value *add_node(thaw_graph *graph, const char *type, const char *attributes, thaw_value *x, thaw_value *a,
                            thaw_value *b)
{
    thaw_value *const inputs[] = {x, a, b};
    return graph_add_node(graph, type, attributes, inputs, b ? 3 : a ? 2 : 1);
}

static thaw_value *add_convolution(thaw_graph *graph, const char *attributes, thaw_value *x, const thaw_shape *weight)
{
    const thaw_shape bias = {1, {weight->dims[0]}};
    return add_node(graph, "Conv", attributes, x, add_constant(graph, *weight), add_constant(graph, bias));
}

static thaw_value *add_layer(thaw_graph *graph, bool gemm, thaw_value *x, int64_t from, int64_t to)
{
    const thaw_shape weight = {4, {to, from, 1, 1}};
    if (!gemm)
        return add_convolution(graph, "", x, &weight);
    return add_node(graph, "Gemm", to < from ? "transB=1" : "", x,
                    add_constant(graph, to < from ? (thaw_shape){2, {to, from}} : (thaw_shape){2, {from, to}}),
                    add_constant(graph, (thaw_shape){1, {to}}));
}

static thaw_value *add_gate(thaw_graph *graph, const struct block *block, thaw_value *x, int64_t channels)
{
    const bool gemm = strcmp(block->form, "conv") != 0;
    const int64_t shape[] = {0, channels, 1, 1};
    thaw_value *y = strcmp(block->form, "gemm") == 0
                        ? add_node(graph, "ReduceMean", "axes=2,3 keepdims=0", x, NULL, NULL)
                        : add_node(graph, "GlobalAveragePool", "", x, NULL, NULL);
    if (strcmp(block->form, "pool+gemm") == 0)
        y = add_node(graph, "Flatten", "", y, NULL, NULL);
    y = add_layer(graph, gemm, y, channels, block->hidden);
    if (strcmp(block->activation, "SiLU") == 0)
        y = add_node(graph, "Mul", "", y, add_node(graph, "Sigmoid", "", y, NULL, NULL), NULL);
    else
        y = add_node(graph, block->activation, "", y, NULL, NULL);
    y = add_layer(graph, gemm, y, block->hidden, channels);
    y = add_node(graph, block->gate, block->attributes, y, NULL, NULL);
    return gemm ? add_node(graph, "Reshape", "", y, graph_add_integers(graph, shape, 4), NULL) : y;
}

static thaw_graph *build(const struct block *block)
{
    thaw_graph *graph;
    const int64_t channels = block->source_weight.dims[0];
    const thaw_shape last = {4, {block->width, channels, 1, 1}};
    random_numbers.random = (thaw_random){21};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = graph_add_value(graph, "x", &block->input), *y;
    test_must(thaw_graph_add_input(graph, x));
    x = add_convolution(graph, block->source_attributes, x, &block->source_weight);
    x = add_node(graph, "Relu", "", x, NULL, NULL);
    y = add_node(graph, "Mul", "", add_gate(graph, block, x, channels), x, NULL);
    if (strcmp(block->last, "Conv") != 0)
        y = add_node(graph, block->last, block->projection, y, NULL, NULL);
    else if (block->residual)
        y = add_node(graph, "Add", "", add_convolution(graph, block->projection, y, &last), x, NULL);
    else
        y = add_convolution(graph, block->projection, y, &last);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

static thaw_tensor *run(const thaw_graph *graph, const thaw_program_options *options, thaw_program **program)
{
    thaw_tensor *result, *tensor;
    random_numbers.random = (thaw_random){22};
    test_must(thaw_program_create(graph, test_device(), options, program));
    tensor = graph_random_tensor(&random_numbers, &(*program)->graph->inputs[0]->shape);
    test_must(thaw_program_write(*program, 0, tensor));
    thaw_tensor_release(&tensor);
    test_must(thaw_program_forward(*program));
    test_must(thaw_program_read(*program, 0, &result));
    return result;
}

/* Whether all convolutions there store their weights as `precision` says. */
static bool halves_right(const thaw_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        const bool convolution = strcmp(node->op->name, "conv") == 0 || strcmp(node->op->name, "conv_expand") == 0;
        if (convolution && node->packs_weights && node->halves_weights != (precision == THAW_PRECISION_FP16))
            return false;
    }
    return true;
}

static thaw_tensor *run_fused(const thaw_graph *graph, thaw_program **program)
{
    const thaw_program_options options = {.fuse = true, .frozen_precision = precision};
    thaw_tensor *result = run(graph, &options, program);
    CU_ASSERT_TRUE(halves_right((*program)->graph));
    return result;
}

/* Is the program what the block should have become? */
static void check_nodes(const op_trial *trial, const struct block *block, const thaw_graph *graph)
{
    size_t count = 0;
    bool gate = false, sums = false, scales = false;
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        const bool is_gate = strcmp(node->op->name, "channel_gate") == 0;
        count += is_gate || node->op->onnx_type;
        gate = gate || is_gate;
        sums = sums || node->sums;
        scales = scales || node->scaled;
    }
    if (count != block->nodes || gate != block->has_gate || sums != block->has_sums || scales != block->scales)
        trial_fail(trial, "%zu nodes are left, not %zu; gate %d, sums %d, scaled %d", count, block->nodes, gate, sums,
                   scales);
}

/* Frees both. */
static void compare(const op_trial *trial, thaw_tensor *wanted, thaw_tensor *got)
{
    double *numbers = test_allocate(wanted->count, sizeof *numbers);
    for (int64_t i = 0; i < wanted->count; i++)
        numbers[i] = thaw_tensor_get(wanted, i);
    trial_compare(trial, "output", 0, &wanted->shape, got, numbers, 4e-6 * trial_largest(numbers, wanted->count));
    free(numbers);
    thaw_tensor_release(&wanted);
    thaw_tensor_release(&got);
}

static void check_block(const struct block *block, int32_t layout)
{
    const op_case row = {.attributes = block->form, .inputs = block->source};
    const op_trial trial = {.type = block->gate, .row = &row, .layout = layout};
    thaw_program *plain, *fused;
    thaw_graph *graph = build(block);
    thaw_tensor *wanted = run(graph, &(thaw_program_options){0}, &plain);
    trial_force_layout(layout);
    thaw_tensor *got = run_fused(graph, &fused);
    trial_force_layout(0);
    check_nodes(&trial, block, fused->graph);
    compare(&trial, wanted, got);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

/* A 1x1 convolution with an activation before a depthwise one, without or with a squeeze-and-excite block behind it. */
struct pair {
    const char *attributes; /* of the depthwise convolution */
    thaw_shape input, weight;
    const char *inner, *inner_attributes; /* "": none */
    bool bias, excites, fits;
};

static thaw_value *add_inner(thaw_graph *graph, const struct pair *pair, thaw_value *x)
{
    if (!*pair->inner)
        return x;
    thaw_value *y = add_node(graph, pair->inner, pair->inner_attributes, x, NULL, NULL);
    return strcmp(pair->inner, "Sigmoid") == 0 ? add_node(graph, "Mul", "", x, y, NULL) : y;
}

static thaw_graph *build_pair(const struct pair *pair)
{
    static const struct block excited = {
        .hidden = 3, .form = "conv", .activation = "Relu", .gate = "Sigmoid", .attributes = ""};
    thaw_graph *graph;
    const int64_t channels = pair->weight.dims[0];
    const thaw_shape expansion = {4, {channels, pair->input.dims[1], 1, 1}};
    random_numbers.random = (thaw_random){23};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = graph_add_value(graph, "x", &pair->input), *y;
    test_must(thaw_graph_add_input(graph, x));
    if (pair->bias)
        y = add_inner(graph, pair, add_convolution(graph, "", x, &expansion));
    else
        y = add_inner(graph, pair, add_node(graph, "Conv", "", x, add_constant(graph, expansion), NULL));
    y = add_convolution(graph, pair->attributes, y, &pair->weight);
    y = add_node(graph, "Relu", "", y, NULL, NULL);
    if (pair->excites)
        y = add_node(graph, "Mul", "", y, add_gate(graph, &excited, y, channels), NULL);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

static void check_pair(const struct pair *pair, int32_t layout)
{
    const op_case row = {.attributes = pair->attributes, .inputs = pair->inner};
    const op_trial trial = {.type = "Conv", .row = &row, .algorithm = "expand_depthwise", .layout = layout};
    thaw_program *plain, *fused;
    bool found = false;
    thaw_graph *graph = build_pair(pair);
    thaw_tensor *wanted = run(graph, &(thaw_program_options){0}, &plain);
    trial_force_layout(layout);
    trial_force_algorithm("expand_depthwise");
    thaw_tensor *got = run_fused(graph, &fused);
    trial_force_algorithm(NULL);
    trial_force_layout(0);
    for (size_t i = 0; i < fused->graph->node_count; i++)
        found = found || strcmp(fused->graph->nodes[i]->op->name, "conv_expand") == 0;
    if (found != pair->fits)
        trial_fail(&trial, "the pair is %sone kernel", found ? "" : "not ");
    compare(&trial, wanted, got);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

static void check_blocks(const struct block *blocks, size_t count)
{
    static const int32_t layouts[] = {8, 4, 16};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : sizeof layouts / sizeof *layouts); j++)
            check_block(&blocks[i], layouts[j]);
}

static void check_pairs(const struct pair *pairs, size_t count)
{
    static const int32_t layouts[] = {8, 4, 16};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : sizeof layouts / sizeof *layouts); j++)
            check_pair(&pairs[i], layouts[j]);
}

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                            \
    }
#define BLOCKS(blocks) blocks, sizeof(blocks) / sizeof *(blocks)

static void test_depthwise(void)
{
    static const struct block blocks[] = {
        {"3x3", "group=17 pads=1,1,1,1", SHAPE(2, 17, 5, 7), SHAPE(17, 1, 3, 3), 3, 9, "conv", "SiLU", "Sigmoid", "",
         false, "Conv", "", 3, true, true, true},
        {"wide", "group=32 pads=1,1,1,1", SHAPE(1, 32, 6, 41), SHAPE(32, 1, 3, 3), 8, 33, "conv", "Relu", "HardSigmoid",
         "alpha=0.16666667 beta=0.5", false, "Conv", "", 3, true, true, true},
        {"parts", "group=5 strides=2,2 pads=2,2,2,2", SHAPE(1, 5, 61, 77), SHAPE(5, 1, 5, 5), 17, 5, "pool+gemm",
         "SiLU", "Sigmoid", "", true, "Conv", "", 3, true, true, true},
        {"rank 2", "group=31 pads=1,1,1,1", SHAPE(3, 31, 7, 7), SHAPE(31, 1, 3, 3), 1, 48, "gemm", "Relu", "Sigmoid",
         "", false, "Conv", "", 3, true, true, true},
        {"one pixel", "group=16", SHAPE(2, 16, 1, 1), SHAPE(16, 1, 1, 1), 4, 8, "conv", "Relu", "Sigmoid", "", false,
         "Conv", "", 3, true, true, true},
    };
    check_blocks(BLOCKS(blocks));
}

static void test_others(void)
{
    static const struct block blocks[] = {
        {"pointwise", "", SHAPE(2, 8, 5, 5), SHAPE(15, 8, 1, 1), 3, 15, "conv", "Relu", "Sigmoid", "", true, "Conv", "",
         4, true, false, true},
        {"rank 2 and odd", "", SHAPE(2, 8, 5, 5), SHAPE(15, 8, 1, 1), 3, 7, "gemm", "Relu", "Sigmoid", "", false,
         "Conv", "", 6, false, false, true},
        {"strided", "group=8 pads=1,1,1,1", SHAPE(1, 8, 6, 6), SHAPE(8, 1, 3, 3), 4, 8, "conv", "SiLU", "Sigmoid", "",
         false, "Conv", "strides=2,2", 4, true, true, false},
        {"padded", "group=8 pads=1,1,1,1", SHAPE(1, 8, 6, 6), SHAPE(8, 1, 3, 3), 4, 8, "conv", "SiLU", "Sigmoid", "",
         false, "Conv", "pads=0,1,0,1", 4, true, true, false},
        {"pooled", "group=16 pads=1,1,1,1", SHAPE(2, 16, 5, 5), SHAPE(16, 1, 3, 3), 4, 8, "conv", "Relu", "Sigmoid", "",
         false, "MaxPool", "kernel_shape=2,2", 4, true, true, false},
        {"other hidden", "group=16 pads=1,1,1,1", SHAPE(2, 16, 5, 5), SHAPE(16, 1, 3, 3), 4, 8, "conv", "HardSwish",
         "Sigmoid", "", false, "Conv", "", 5, false, false, true},
    };
    check_blocks(BLOCKS(blocks));
}

static void test_pairs(void)
{
    static const struct pair pairs[] = {
        {"group=17 pads=1,1,1,1", SHAPE(2, 7, 5, 17), SHAPE(17, 1, 3, 3), "Clip", "", true, false, true},
        {"group=33 pads=1,1,1,1 strides=2,2", SHAPE(1, 17, 15, 14), SHAPE(33, 1, 3, 3), "Relu", "", true, true, true},
        {"group=40 pads=2,2,2,2", SHAPE(1, 5, 7, 7), SHAPE(40, 1, 5, 5), "Sigmoid", "", true, true, true},
        {"group=31 pads=2,2,2,2 strides=2,2", SHAPE(2, 16, 9, 31), SHAPE(31, 1, 5, 5), "HardSwish", "", false, true,
         true},
        {"group=16 pads=1,0,0,1", SHAPE(1, 6, 33, 16), SHAPE(16, 1, 3, 3), "", "", true, false, true},
        {"group=8", SHAPE(3, 8, 9, 15), SHAPE(8, 1, 2, 4), "Relu", "", false, false, true},
        {"group=9 strides=3,3 pads=1,1,1,1", SHAPE(1, 9, 8, 23), SHAPE(9, 1, 2, 2), "Relu", "", true, true, true},
        {"group=16 pads=3,3,3,3", SHAPE(1, 8, 2, 14), SHAPE(16, 1, 7, 7), "Relu", "", true, false, true},
        {"group=64 pads=1,1,1,1", SHAPE(1, 32, 40, 112), SHAPE(64, 1, 3, 3), "Clip", "", true, true, true},
        {"group=16 pads=1,1,1,1", SHAPE(1, 8, 5, 3), SHAPE(16, 1, 3, 3), "Relu", "", true, false, false},
        {"group=16 dilations=2,2", SHAPE(1, 8, 9, 16), SHAPE(16, 1, 3, 3), "Relu", "", true, false, false},
        {"group=16", SHAPE(1, 8, 9, 16), SHAPE(16, 1, 3, 3), "LeakyRelu", "", true, false, false},
        {"group=16", SHAPE(1, 8, 9, 400), SHAPE(16, 1, 3, 3), "Relu", "", true, false, false},
        {"group=2", SHAPE(1, 8, 9, 16), SHAPE(16, 8, 3, 3), "Relu", "", true, false, false},
    };
    check_pairs(pairs, test_tiny() ? 8 : sizeof pairs / sizeof *pairs);
}

static void test_halves(void)
{
    static const struct block blocks[] = {
        {"3x3", "group=17 pads=1,1,1,1", SHAPE(2, 17, 5, 7), SHAPE(17, 1, 3, 3), 3, 9, "conv", "SiLU", "Sigmoid", "",
         false, "Conv", "", 3, true, true, true},
        {"rank 2 and odd", "", SHAPE(2, 8, 5, 5), SHAPE(15, 8, 1, 1), 3, 7, "gemm", "Relu", "Sigmoid", "", false,
         "Conv", "", 6, false, false, true},
    };
    static const struct pair pairs[] = {
        {"group=17 pads=1,1,1,1", SHAPE(2, 7, 5, 17), SHAPE(17, 1, 3, 3), "Clip", "", true, false, true},
        {"group=31 pads=2,2,2,2 strides=2,2", SHAPE(2, 16, 9, 31), SHAPE(31, 1, 5, 5), "HardSwish", "", false, true,
         true},
    };
    precision = THAW_PRECISION_FP16;
    random_numbers.halves = true;
    check_blocks(BLOCKS(blocks));
    check_pairs(BLOCKS(pairs));
    random_numbers.halves = false;
    precision = THAW_PRECISION_FP32;
}

/* Measured, both ways are there and agree; the choice is kept. */
static void test_measured(void)
{
    static const struct pair pair = {
        "group=16 pads=1,1,1,1", SHAPE(1, 16, 14, 14), SHAPE(16, 1, 3, 3), "Relu", "", true, true, true};
    thaw_program *plain, *fused;
    const op_case row = {.attributes = pair.attributes, .inputs = pair.inner};
    const op_trial trial = {.type = "Conv", .row = &row, .layout = 8};
    thaw_graph *graph = build_pair(&pair);
    trial_force_layout(8);
    setenv("THAW_TUNING", "on", 1);
    for (int i = 0; i < 2; i++) {
        thaw_tensor *wanted = run(graph, &(thaw_program_options){0}, &plain);
        thaw_tensor *got = run_fused(graph, &fused);
        compare(&trial, wanted, got);
        thaw_program_destroy(&plain);
        thaw_program_destroy(&fused);
    }
    setenv("THAW_TUNING", "off", 1);
    trial_force_layout(0);
    thaw_graph_destroy(&graph);
}

void suite_excite(void)
{
    static const test_entry tests[] = {
        {"behind depthwise convolutions", test_depthwise},
        {"blocks that fit in part", test_others},
        {"pointwise and depthwise convolutions in one", test_pairs},
        {"weights of 16 bits", test_halves},
        {"measured pairs", test_measured},
    };
    TEST_SUITE("excite", tests);
}
