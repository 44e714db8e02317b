/* Graphs, programs, heads: built in memory, without a file. */
#include "op_harness.h"
#include "test.h"

#include "base/random.h"
#include "model/freeze.h"
#include "model/head.h"
#include "model/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A graph under construction: every step adds a node and makes its output the current value. */
typedef struct builder {
    thaw_graph *graph;
    thaw_value *last;
    thaw_random random;
} builder;

static builder begin(int64_t channels, int64_t size)
{
    builder b = {.random = {7}};
    CU_ASSERT_EQUAL_FATAL(thaw_graph_create(test_context(), &b.graph), THAW_OK);
    b.graph->opset = 13;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(b.graph, "image", &b.last), THAW_OK);
    b.last->shape = (thaw_shape){4, {-1, channels, size, size}};
    b.last->shape_known = true;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_input(b.graph, b.last), THAW_OK);
    return b;
}

static thaw_value *constant(builder *b, const char *name, thaw_shape shape)
{
    thaw_value *value;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(b->graph, name, &value), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &value->constant), THAW_OK);
    for (int64_t i = 0; i < value->constant->count; i++)
        ((float *)value->constant->data)[i] = (float)(thaw_random_uniform(&b->random) - 0.4);
    value->shape = shape;
    value->shape_known = true;
    return value;
}

/* Adds a node that reads the last value and up to two more. */
static thaw_node *add(builder *b, const char *type, const char *name, thaw_value *second, thaw_value *third)
{
    thaw_node *node;
    thaw_value *output;
    const size_t inputs = 1 + (second != NULL) + (third != NULL);
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_node(b->graph, thaw_op_find(type), name, inputs, 1, &node), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(b->graph, "", &output), THAW_OK);
    thaw_node_set_input(node, 0, b->last);
    if (second)
        thaw_node_set_input(node, 1, second);
    if (third)
        thaw_node_set_input(node, 2, third);
    thaw_node_set_output_value(node, 0, output);
    b->last = output;
    return node;
}

static void conv(builder *b, const char *name, int64_t out, int64_t in, int64_t kernel)
{
    char weight[32];
    const int64_t pad = kernel / 2, pads[] = {pad, pad, pad, pad};
    snprintf(weight, sizeof weight, "%s.weight", name);
    thaw_node *node = add(b, "Conv", name, constant(b, weight, (thaw_shape){4, {out, in, kernel, kernel}}), NULL);
    CU_ASSERT_EQUAL(thaw_node_add_ints(node, "pads", pads, 4), THAW_OK);
}

static thaw_graph *finish(builder *b)
{
    CU_ASSERT_EQUAL(thaw_graph_add_output(b->graph, b->last), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_graph_finish(b->graph), THAW_OK);
    return b->graph;
}

/* Three blocks with a residual, then a classifier: what photographs go through. */
static thaw_graph *small_network(bool with_softmax)
{
    builder b = begin(3, 9);
    conv(&b, "stem", 8, 3, 3);
    add(&b, "Relu", "stem_relu", NULL, NULL);
    for (int i = 0; i < 3; i++) {
        char name[16];
        thaw_value *shortcut = b.last;
        snprintf(name, sizeof name, "block%d", i);
        conv(&b, name, 8, 8, 3);
        add(&b, "Add", "", shortcut, NULL);
        add(&b, "Relu", "", NULL, NULL);
    }
    add(&b, "GlobalAveragePool", "pool", NULL, NULL);
    add(&b, "Flatten", "flatten", NULL, NULL);
    thaw_node *node = add(&b, "Gemm", "classifier", constant(&b, "fc.weight", (thaw_shape){2, {5, 8}}),
                          constant(&b, "fc.bias", (thaw_shape){1, {5}}));
    CU_ASSERT_EQUAL(thaw_node_add_int(node, "transB", 1), THAW_OK);
    if (with_softmax)
        add(&b, "Softmax", "softmax", NULL, NULL);
    return finish(&b);
}

/* Runs a graph on numbers that depend on the place only; *output is released by the caller. */
static thaw_program *run(const thaw_graph *graph, thaw_program_options options, thaw_tensor **output)
{
    thaw_program *program;
    thaw_tensor *input;
    CU_ASSERT_EQUAL_FATAL(thaw_program_create(graph, test_device(), &options, &program), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &program->graph->inputs[0]->shape, &input),
                          THAW_OK);
    for (int64_t i = 0; i < input->count; i++)
        ((float *)input->data)[i] = (float)(i * 13 % 29) / 29.0f - 0.5f;
    CU_ASSERT_EQUAL(thaw_program_write(program, 0, input), THAW_OK);
    CU_ASSERT_EQUAL(thaw_program_forward(program), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_program_read(program, 0, output), THAW_OK);
    thaw_tensor_release(&input);
    return program;
}

static double largest_difference(const thaw_tensor *a, const thaw_tensor *b)
{
    double difference = 0.0;
    CU_ASSERT_FATAL(thaw_shape_equal(&a->shape, &b->shape));
    for (int64_t i = 0; i < a->count; i++)
        difference = fmax(difference, fabs(thaw_tensor_get(a, i) - thaw_tensor_get(b, i)));
    return difference;
}

/* Folding, fusing and sharing memory change no number; memory does not grow with depth. */
static void fused_programs(void)
{
    thaw_graph *graph = small_network(false);
    thaw_tensor *plain_output, *fused_output;
    setenv("THAW_LAYOUT", "1", 1); /* no Reorder nodes to be counted */
    thaw_program *plain = run(graph, (thaw_program_options){.batch = 2, .differentiable = true}, &plain_output);
    thaw_program *fused = run(graph, (thaw_program_options){.batch = 2, .fuse = true}, &fused_output);
    unsetenv("THAW_LAYOUT");
    CU_ASSERT(largest_difference(plain_output, fused_output) < 1e-5);
    CU_ASSERT_EQUAL(fused->graph->node_count, 7); /* 4 convolutions, pool, flatten, linear */
    const size_t map_bytes = 2 * 8 * 9 * 9 * sizeof(float);
    CU_ASSERT(fused->activation_bytes < 4 * map_bytes);
    CU_ASSERT(plain->activation_bytes < 5 * map_bytes); /* nothing is trainable: nothing is kept */
    thaw_tensor_release(&plain_output);
    thaw_tensor_release(&fused_output);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

/* `convolutions` with what comes before them added to their result; `again`: and once more behind another one. */
static thaw_graph *sum_network(int convolutions, bool again)
{
    builder b = begin(3, 9);
    conv(&b, "stem", 8, 3, 3);
    add(&b, "Relu", "stem_relu", NULL, NULL);
    thaw_value *shortcut = b.last;
    for (int i = 0; i < convolutions; i++)
        conv(&b, i ? "second" : "first", 8, 8, 3);
    add(&b, "Add", "", shortcut, NULL);
    add(&b, "Relu", "", NULL, NULL);
    if (again) {
        conv(&b, "more", 8, 8, 3);
        add(&b, "Add", "", shortcut, NULL);
    }
    return finish(&b);
}

/* Sums that overwrite what was added, of a program in blocks of channels that gives the same numbers as one where every
 * value has its own memory. */
static size_t count_overwritten(int convolutions, bool again)
{
    thaw_graph *graph = sum_network(convolutions, again);
    thaw_tensor *apart_output, *output;
    size_t count = 0;
    setenv("THAW_LAYOUT", "8", 1);
    thaw_program *apart = run(graph, (thaw_program_options){.fuse = true, .keep = true}, &apart_output);
    thaw_program *program = run(graph, (thaw_program_options){.fuse = true}, &output);
    unsetenv("THAW_LAYOUT");
    CU_ASSERT_EQUAL(largest_difference(apart_output, output), 0);
    for (size_t i = 0; i < program->graph->node_count; i++) {
        const thaw_node *node = program->graph->nodes[i];
        count += node->epilogue.residual && node->outputs[0]->buffer == node->epilogue.residual->buffer;
    }
    thaw_tensor_release(&apart_output);
    thaw_tensor_release(&output);
    thaw_program_destroy(&apart);
    thaw_program_destroy(&program);
    thaw_graph_destroy(&graph);
    return count;
}

static void sums_in_place(void)
{
    CU_ASSERT_EQUAL(count_overwritten(2, false), 1);
    CU_ASSERT_EQUAL(count_overwritten(2, true), 1);  /* the first time it is still needed */
    CU_ASSERT_EQUAL(count_overwritten(1, false), 0); /* it is what is convolved */
}

/* Convolutions of 8, 16 and 8 channels side by side, one after the other in the output. */
static thaw_graph *fire_network(void)
{
    builder b = begin(3, 9);
    thaw_value *parts[3];
    conv(&b, "stem", 8, 3, 3);
    thaw_value *squeezed = b.last;
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "part%d", i);
        b.last = squeezed;
        conv(&b, name, i == 1 ? 16 : 8, 8, i == 0 ? 1 : 3);
        parts[i] = b.last;
    }
    b.last = parts[0];
    thaw_node *concat = add(&b, "Concat", "concat", parts[1], parts[2]);
    CU_ASSERT_EQUAL(thaw_node_add_int(concat, "axis", 1), THAW_OK);
    add(&b, "MaxPool", "pool", NULL, NULL);
    const int64_t kernel[] = {2, 2};
    CU_ASSERT_EQUAL(thaw_node_add_ints(b.graph->nodes[b.graph->node_count - 1], "kernel_shape", kernel, 2), THAW_OK);
    return finish(&b);
}

static size_t count_reorders(const thaw_graph *graph)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        count += strcmp(graph->nodes[i]->op->name, "reorder") == 0;
    return count;
}

/* What is stored inside a Concat's output is the same as what is copied there. Only the graph's ends need another
 * storage than what lies between: in NHWC the stem reads the input as it comes. */
static void slices(void)
{
    static const struct {
        const char *layout, *algorithm;
        size_t reorders;
    } choices[] = {{"8", "tiled", 2},
                   {"8", "winograd", 2},
                   {"nhwc", "implicit", 1},
                   {"nhwc", "pointwise", 1},
                   {"nhwc", "direct", 1}};
    thaw_graph *graph = fire_network();
    thaw_tensor *plain_output, *sliced_output;
    thaw_program *plain = run(graph, (thaw_program_options){.batch = 2, .differentiable = true}, &plain_output);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        setenv("THAW_LAYOUT", choices[i].layout, 1);
        setenv("THAW_ALGORITHM", choices[i].algorithm, 1);
        thaw_program *sliced = run(graph, (thaw_program_options){.batch = 2, .fuse = true}, &sliced_output);
        unsetenv("THAW_LAYOUT");
        unsetenv("THAW_ALGORITHM");
        const thaw_value *whole = thaw_graph_find_node(sliced->graph, "concat")->outputs[0];
        CU_ASSERT_PTR_EQUAL(thaw_graph_find_node(sliced->graph, "part1")->outputs[0]->whole, whole);
        CU_ASSERT_EQUAL(thaw_graph_find_node(sliced->graph, "part2")->outputs[0]->first_channel, 24);
        CU_ASSERT_EQUAL(count_reorders(sliced->graph), choices[i].reorders);
        CU_ASSERT(largest_difference(plain_output, sliced_output) < 1e-5);
        thaw_tensor_release(&sliced_output);
        thaw_program_destroy(&sliced);
    }
    thaw_tensor_release(&plain_output);
    thaw_program_destroy(&plain);
    thaw_graph_destroy(&graph);
}

/* An image's row does not depend on the batch it came in. */
static void batches(void)
{
    thaw_graph *graph = small_network(true);
    thaw_tensor *one, *three;
    thaw_program *first = run(graph, (thaw_program_options){.batch = 1, .fuse = true}, &one);
    thaw_program *second = run(graph, (thaw_program_options){.batch = 3, .fuse = true}, &three);
    CU_ASSERT_EQUAL(three->shape.dims[0], 3);
    for (int64_t i = 0; i < one->count; i++)
        CU_ASSERT_DOUBLE_EQUAL(thaw_tensor_get(one, i), thaw_tensor_get(three, i), 1e-6);
    thaw_tensor_release(&one);
    thaw_tensor_release(&three);
    thaw_program_destroy(&first);
    thaw_program_destroy(&second);
    thaw_graph_destroy(&graph);
}

/* A part gives what the whole gives there, and the rest goes on from it. */
static void parts(void)
{
    thaw_graph *graph = small_network(false);
    const char *const cut = thaw_graph_find_node(graph, "flatten")->outputs[0]->name;
    thaw_tensor *features, *whole, *rest;
    thaw_program *lower =
        run(graph, (thaw_program_options){.batch = 2, .outputs = &cut, .output_count = 1, .fuse = true}, &features);
    thaw_program *all = run(graph, (thaw_program_options){.batch = 2, .fuse = true}, &whole);
    const thaw_program_options options = {.batch = 2, .shapes = &features->shape, .inputs = &cut, .input_count = 1};
    thaw_program *upper;
    CU_ASSERT_EQUAL_FATAL(thaw_program_create(graph, test_device(), &options, &upper), THAW_OK);
    CU_ASSERT_EQUAL(upper->graph->node_count, 1);
    CU_ASSERT_EQUAL(thaw_program_write(upper, 0, features), THAW_OK);
    CU_ASSERT_EQUAL(thaw_program_forward(upper), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_program_read(upper, 0, &rest), THAW_OK);
    CU_ASSERT(largest_difference(whole, rest) < 1e-5); /* other kernels, other order of sums */
    CU_ASSERT_EQUAL(thaw_program_write(upper, 0, whole), THAW_ERR_SHAPE);
    thaw_tensor_release(&features);
    thaw_tensor_release(&whole);
    thaw_tensor_release(&rest);
    thaw_program_destroy(&lower);
    thaw_program_destroy(&all);
    thaw_program_destroy(&upper);
    thaw_graph_destroy(&graph);
}

static void damaged_graphs(void)
{
    builder b = begin(3, 4);
    thaw_value *again;
    CU_ASSERT_EQUAL(thaw_graph_add_value(b.graph, "image", &again), THAW_ERR_MODEL);
    thaw_node *relu = add(&b, "Relu", "first", NULL, NULL);
    thaw_node *second = add(&b, "Relu", "second", NULL, NULL);
    CU_ASSERT_EQUAL(thaw_graph_add_output(b.graph, b.last), THAW_OK);
    thaw_node_set_input(relu, 0, second->outputs[0]); /* a circle */
    CU_ASSERT_EQUAL(thaw_graph_finish(b.graph), THAW_ERR_MODEL);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "first"));
    thaw_graph_destroy(&b.graph);
    CU_ASSERT_PTR_NULL(b.graph);
    thaw_graph_destroy(&b.graph);
}

static void unknown_names(void)
{
    thaw_graph *graph = small_network(false);
    thaw_value *value;
    CU_ASSERT_EQUAL(thaw_graph_resolve(graph, "flatten", &value), THAW_OK);
    CU_ASSERT_EQUAL(thaw_graph_resolve(graph, "imagine", &value), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "image"));
    thaw_graph_destroy(&graph);
}

/* The new head reads what the old one read, is all that trains, and keeps the output's name and its Softmax. */
static void new_heads(void)
{
    for (int with_softmax = 0; with_softmax < 2; with_softmax++) {
        thaw_graph *graph = small_network(with_softmax);
        char name[64];
        snprintf(name, sizeof name, "%s", graph->outputs[0]->name);
        const thaw_value *features = thaw_graph_find_node(graph, "flatten")->outputs[0];
        CU_ASSERT_EQUAL_FATAL(thaw_head_replace(graph, 3, NULL, 1), THAW_OK);
        CU_ASSERT_STRING_EQUAL(graph->outputs[0]->name, name);
        CU_ASSERT_EQUAL(thaw_head_ends_in_softmax(graph), with_softmax);
        CU_ASSERT_PTR_NULL(thaw_graph_find_value(graph, "fc.weight"));
        thaw_split split;
        CU_ASSERT_EQUAL_FATAL(thaw_split_create(graph, &split), THAW_OK);
        CU_ASSERT_EQUAL(split.cut_count, 1);
        CU_ASSERT_PTR_EQUAL(split.cut[0], features);
        thaw_split_free(&split);
        thaw_tensor *output;
        thaw_program *program = run(graph, (thaw_program_options){.batch = 2, .fuse = true}, &output);
        CU_ASSERT_EQUAL(output->shape.dims[1], 3);
        thaw_tensor_release(&output);
        thaw_program_destroy(&program);
        CU_ASSERT_EQUAL(thaw_head_replace(graph, 4, NULL, 1), THAW_OK); /* and once more on its own work */
        thaw_graph_destroy(&graph);
    }
}

static void heads_elsewhere(void)
{
    thaw_graph *graph = small_network(false);
    CU_ASSERT_EQUAL(thaw_head_replace(graph, 3, "no such place", 1), THAW_ERR_USAGE);
    CU_ASSERT_EQUAL_FATAL(thaw_head_replace(graph, 3, "block1", 1), THAW_OK); /* a map: pooled first */
    CU_ASSERT_PTR_NOT_NULL(thaw_graph_find_node(graph, "thaw_head_pool"));
    CU_ASSERT_PTR_NULL(thaw_graph_find_node(graph, "block2"));
    thaw_graph_destroy(&graph);

    builder b = begin(3, 5);
    add(&b, "Sigmoid", "", NULL, NULL);
    graph = finish(&b);
    CU_ASSERT_EQUAL(thaw_head_replace(graph, 3, NULL, 1), THAW_ERR_MODEL);
    thaw_graph_destroy(&graph);
}

/* A hash that would not notice a flipped bit, or would notice training, proves nothing. */
static void frozen_hashes(void)
{
    thaw_graph *graph = small_network(false);
    CU_ASSERT_EQUAL_FATAL(thaw_head_replace(graph, 3, NULL, 1), THAW_OK);
    const thaw_hash before = thaw_graph_hash_frozen(graph);
    thaw_value *frozen = thaw_graph_find_value(graph, "block1.weight");
    thaw_value *trained = thaw_graph_find_value(graph, "thaw_head.weight");
    ((float *)trained->constant->data)[0] += 1.0f;
    CU_ASSERT(thaw_hash_equal(before, thaw_graph_hash_frozen(graph)));
    ((uint8_t *)frozen->constant->data)[5] ^= 1;
    CU_ASSERT(!thaw_hash_equal(before, thaw_graph_hash_frozen(graph)));
    thaw_graph_destroy(&graph);
}

/* What only the host computes, on values that only exist at run time: all named at once. */
static void host_only_nodes(void)
{
    builder b = begin(3, 4);
    add(&b, "Mod", "remainder", b.last, NULL);
    thaw_graph *graph = finish(&b);
    thaw_program *program;
    const thaw_program_options options = {.batch = 1};
    CU_ASSERT_EQUAL(thaw_program_create(graph, NULL, &options, &program), THAW_ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(program);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "remainder (Mod)"));
    thaw_graph_destroy(&graph);
}

void suite_graph(void)
{
    static const test_entry tests[] = {
        {"fused programs", fused_programs},   {"sums where their residuals were", sums_in_place},
        {"slices of a Concat", slices},       {"any batch", batches},
        {"parts of a graph", parts},          {"damaged graphs", damaged_graphs},
        {"unknown names", unknown_names},     {"new heads", new_heads},
        {"heads elsewhere", heads_elsewhere}, {"hashes of what is frozen", frozen_hashes},
        {"host-only nodes", host_only_nodes},
    };
    TEST_SUITE("graph", tests);
}
