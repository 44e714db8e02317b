/* Gradients through several convolutions: whatever the storage and the algorithm, the same numbers. */
#include "op_harness.h"
#include "op_trial.h"
#include "test.h"

#include "base/random.h"
#include "model/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct builder {
    thaw_graph *graph;
    thaw_random random;
} builder;

static thaw_value *constant(builder *b, const char *name, thaw_shape shape, bool trainable)
{
    thaw_value *value;
    test_must(thaw_graph_add_value(b->graph, name, &value));
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &value->constant));
    for (int64_t i = 0; i < value->constant->count; i++)
        ((float *)value->constant->data)[i] = (float)(thaw_random_uniform(&b->random) - 0.5);
    value->shape = shape;
    value->shape_known = true;
    value->trainable = trainable;
    return value;
}

static thaw_value *add(builder *b, const char *type, const char *name, thaw_value *const *inputs, size_t count)
{
    thaw_node *node;
    thaw_value *output;
    test_must(thaw_graph_add_node(b->graph, thaw_op_find(type), name, count, 1, &node));
    test_must(thaw_graph_add_value(b->graph, "", &output));
    for (size_t i = 0; i < count; i++)
        thaw_node_set_input(node, i, inputs[i]);
    thaw_node_set_output_value(node, 0, output);
    return output;
}

typedef struct layer {
    const char *name;
    int64_t out, in, kernel, stride, groups;
    bool trainable, bias;
} layer;

static thaw_value *convolve(builder *b, thaw_value *x, layer l)
{
    char weight[32], bias[32];
    const int64_t pad = l.kernel / 2, pads[] = {pad, pad, pad, pad}, strides[] = {l.stride, l.stride};
    snprintf(weight, sizeof weight, "%s.weight", l.name);
    snprintf(bias, sizeof bias, "%s.bias", l.name);
    const thaw_shape shape = {4, {l.out, l.in / l.groups, l.kernel, l.kernel}};
    thaw_value *inputs[3] = {x, constant(b, weight, shape, l.trainable)};
    if (l.bias)
        inputs[2] = constant(b, bias, (thaw_shape){1, {l.out}}, l.trainable);
    thaw_value *y = add(b, "Conv", l.name, inputs, l.bias ? 3 : 2);
    test_must(thaw_node_add_ints(y->producer, "pads", pads, 4));
    test_must(thaw_node_add_ints(y->producer, "strides", strides, 2));
    test_must(thaw_node_add_int(y->producer, "group", l.groups));
    return y;
}

static thaw_value *clip(builder *b, thaw_value *x, const char *name)
{
    char lower[32], upper[32];
    snprintf(lower, sizeof lower, "%s.lower", name);
    snprintf(upper, sizeof upper, "%s.upper", name);
    const thaw_shape scalar = {0};
    thaw_value *const bounds[3] = {x, constant(b, lower, scalar, false), constant(b, upper, scalar, false)};
    *(float *)bounds[1]->constant->data = -0.25f;
    *(float *)bounds[2]->constant->data = 0.5f;
    return add(b, "Clip", name, bounds, 3);
}

/* With the batch's statistics, and a Clip behind it. */
static thaw_value *normalize(builder *b, thaw_value *x, int64_t channels)
{
    const thaw_shape shape = {1, {channels}};
    thaw_value *const parameters[5] = {x, constant(b, "scale", shape, true), constant(b, "shift", shape, true),
                                       constant(b, "mean", shape, false), constant(b, "variance", shape, false)};
    parameters[3]->updated = parameters[4]->updated = true;
    for (int64_t c = 0; c < channels; c++)
        ((float *)parameters[4]->constant->data)[c] += 1;
    return clip(b, add(b, "BatchNormalization", "norm", parameters, 5), "clip");
}

/* Frozen layers below and between trained ones, activations, values that several layers read, every kind of kernel. */
static thaw_graph *chain(void)
{
    builder b = {.random = {3}};
    thaw_value *x;
    test_must(thaw_graph_create(test_context(), &b.graph));
    b.graph->opset = 13;
    test_must(thaw_graph_add_value(b.graph, "image", &x));
    x->shape = (thaw_shape){4, {2, 3, 21, 19}};
    x->shape_known = true;
    test_must(thaw_graph_add_input(b.graph, x));
    x = convolve(&b, x, (layer){"stem", 20, 3, 5, 2, 1, true, true});
    x = add(&b, "Relu", "relu", &x, 1);
    x = convolve(&b, x, (layer){"frozen", 20, 20, 3, 1, 1, false, true});
    x = convolve(&b, x, (layer){"depthwise", 20, 20, 3, 2, 20, true, false});
    x = convolve(&b, x, (layer){"depthwise1", 20, 20, 3, 1, 20, true, false});
    x = normalize(&b, x, 20);
    thaw_value *parts[3] = {
        convolve(&b, x, (layer){"part0", 16, 20, 1, 1, 1, true, true}),
        clip(&b, convolve(&b, x, (layer){"part1", 32, 20, 3, 1, 1, true, true}), "part1.clip"),
        convolve(&b, x, (layer){"part2", 16, 20, 3, 1, 1, false, false}),
    };
    x = add(&b, "Concat", "concat", parts, 3);
    test_must(thaw_node_add_int(x->producer, "axis", 1));
    x = convolve(&b, x, (layer){"down", 40, 64, 3, 2, 1, true, false});
    x = convolve(&b, x, (layer){"last", 6, 40, 1, 1, 1, true, true});
    test_must(thaw_graph_add_output(b.graph, x));
    test_must(thaw_graph_finish(b.graph));
    return b.graph;
}

/* One step on numbers that depend on the place only. */
static void step(thaw_program *program)
{
    thaw_graph *graph = program->graph;
    thaw_value *image = graph->inputs[0], *y = graph->outputs[0];
    thaw_tensor *tensor;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &image->shape, &tensor));
    for (int64_t i = 0; i < tensor->count; i++)
        ((float *)tensor->data)[i] = (float)(i * 13 % 29) / 29.0f - 0.5f;
    test_must(thaw_program_write(program, 0, tensor));
    program->graph->training = true;
    thaw_tensor_release(&tensor);
    test_must(thaw_program_forward(program));
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &y->shape, &tensor));
    for (int64_t i = 0; i < tensor->count; i++)
        ((float *)tensor->data)[i] = (float)(i * 7 % 31) / 31.0f - 0.4f;
    test_must(thaw_buffer_write(y->gradient, 0, tensor->data, tensor->bytes));
    thaw_tensor_release(&tensor);
    test_must(thaw_program_backward(program));
}

static thaw_tensor *gradient_of(const thaw_program *program, const char *name)
{
    const thaw_value *value = thaw_graph_find_value(program->graph, name);
    thaw_tensor *tensor;
    CU_ASSERT_PTR_NOT_NULL_FATAL(value->gradient);
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &value->shape, &tensor));
    test_must(thaw_buffer_read(value->gradient, 0, tensor->data, tensor->bytes));
    return tensor;
}

static void compare(const thaw_program *program, const thaw_program *expected, double tolerance)
{
    const thaw_graph *graph = expected->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        if (!graph->values[i]->trainable)
            continue;
        thaw_tensor *got = gradient_of(program, graph->values[i]->name);
        thaw_tensor *wanted = gradient_of(expected, graph->values[i]->name);
        double largest = 0, difference = 0;
        for (int64_t j = 0; j < wanted->count; j++) {
            const double number = thaw_tensor_get(wanted, j), off = fabs(thaw_tensor_get(got, j) - number);
            largest = fmax(largest, fabs(number));
            difference = off <= difference ? difference : off;
        }
        CU_ASSERT(largest > 0);
        CU_ASSERT(difference <= tolerance * largest);
        thaw_tensor_release(&got);
        thaw_tensor_release(&wanted);
    }
}

typedef enum memory { SHARED, KEPT, RECOMPUTED } memory;

static thaw_program *create(const thaw_graph *graph, int32_t layout, memory how)
{
    const thaw_program_options options = {
        .batch = 2, .differentiable = true, .keep = how == KEPT, .recompute = how == RECOMPUTED};
    thaw_program *program;
    trial_force_layout(layout);
    test_must(thaw_program_create(graph, test_device(), &options, &program));
    trial_force_layout(0);
    return program;
}

/* The stem's gradient has come through all of it. A second step gives the same bits, and so does one that shares no
 * memory. */
static void test_storages(void)
{
    static const char *const algorithms[] = {"tiled", "winograd", "gather"};
    thaw_graph *graph = chain();
    thaw_program *expected = create(graph, 1, SHARED);
    step(expected);
    CU_ASSERT_PTR_NULL(thaw_graph_find_value(expected->graph, "frozen.weight")->gradient);
    for (int32_t layout = 4; layout <= (test_tiny() ? 4 : 16); layout *= 2)
        for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
            trial_force_algorithm(algorithms[i]);
            thaw_program *program = create(graph, layout, SHARED), *again = create(graph, layout, KEPT);
            trial_force_algorithm(NULL);
            step(program);
            compare(program, expected, 2e-5);
            step(again);
            step(again);
            compare(again, program, 0);
            CU_ASSERT(program->activation_bytes < again->activation_bytes);
            thaw_program_destroy(&program);
            thaw_program_destroy(&again);
        }
    thaw_program_destroy(&expected);
    thaw_graph_destroy(&graph);
}

/* Training changes weights in the program's own buffers: the next step is one with those. */
static void test_changed_weights(void)
{
    thaw_graph *graph = chain();
    thaw_program *programs[2] = {create(graph, 1, SHARED), create(graph, test_tiny() ? 4 : 16, SHARED)};
    for (int i = 0; i < 2; i++) {
        step(programs[i]);
        for (size_t j = 0; j < programs[i]->graph->value_count; j++) {
            const thaw_value *value = programs[i]->graph->values[j];
            if (value->trainable)
                test_must(thaw_buffer_write(value->buffer, 0, "\0\0\x80\x3f", 4)); /* its first number: 1 */
        }
        step(programs[i]);
    }
    compare(programs[1], programs[0], 2e-5);
    thaw_program_destroy(&programs[0]);
    thaw_program_destroy(&programs[1]);
    thaw_graph_destroy(&graph);
}

/* Layers that keep much for backward, one that drops at random, and two sums over a way around. */
static thaw_graph *deep_chain(void)
{
    enum { LAYERS = 24, CHANNELS = 8 };
    builder b = {.random = {5}};
    thaw_value *x, *around = NULL;
    char name[16];
    test_must(thaw_graph_create(test_context(), &b.graph));
    b.graph->opset = 13;
    b.graph->seed = 7;
    test_must(thaw_graph_add_value(b.graph, "image", &x));
    x->shape = (thaw_shape){4, {2, 3, 9, 8}};
    x->shape_known = true;
    test_must(thaw_graph_add_input(b.graph, x));
    for (int i = 0; i < LAYERS; i++) {
        snprintf(name, sizeof name, "layer%d", i);
        x = convolve(&b, x, (layer){name, CHANNELS, i ? CHANNELS : 3, 3, 1, 1, true, true});
        x = i == LAYERS / 3 ? normalize(&b, x, CHANNELS) : add(&b, "Sigmoid", "", &x, 1);
        if (i == LAYERS / 2)
            x = add(&b, "Dropout", "dropout", &x, 1);
        thaw_value *const both[] = {x, around};
        if (i % 4 == 2)
            around = x;
        else if (i % 4 == 1 && around)
            x = add(&b, "Add", "", both, 2);
    }
    test_must(thaw_graph_add_output(b.graph, x));
    test_must(thaw_graph_finish(b.graph));
    return b.graph;
}

static bool same_buffer(const thaw_program *a, const thaw_program *b, const char *name)
{
    const thaw_value *value = thaw_graph_find_value(a->graph, name);
    const size_t bytes = value->constant->bytes;
    char *numbers[2] = {malloc(bytes), malloc(bytes)};
    test_must(thaw_buffer_read(value->buffer, 0, numbers[0], bytes));
    test_must(thaw_buffer_read(thaw_graph_find_value(b->graph, name)->buffer, 0, numbers[1], bytes));
    const bool same = memcmp(numbers[0], numbers[1], bytes) == 0;
    free(numbers[0]);
    free(numbers[1]);
    return same;
}

/* Activations that are computed again are the same, dropped ones too; running statistics move once for each step. */
static void test_recomputed(void)
{
    thaw_graph *graphs[] = {chain(), deep_chain()};
    for (size_t i = 0; i < 2; i++)
        for (int32_t layout = 1; layout <= 4; layout += 3) {
            thaw_program *program = create(graphs[i], layout, SHARED);
            thaw_program *again = create(graphs[i], layout, RECOMPUTED);
            program->graph->seed = again->graph->seed = 7;
            for (uint64_t j = 1; j <= 2; j++) {
                program->graph->step = again->graph->step = j;
                step(program);
                step(again);
                compare(again, program, 0);
            }
            CU_ASSERT(same_buffer(again, program, "mean"));
            CU_ASSERT(same_buffer(again, program, "variance"));
            CU_ASSERT_EQUAL(program->schedule.count, 1);
            CU_ASSERT(again->activation_bytes <= program->activation_bytes);
            if (i == 1)
                CU_ASSERT(again->schedule.count > 2 && again->activation_bytes < program->activation_bytes / 2);
            thaw_program_destroy(&program);
            thaw_program_destroy(&again);
        }
    thaw_graph_destroy(&graphs[0]);
    thaw_graph_destroy(&graphs[1]);
}

/* More tiles than Winograd's gradient of weights transforms at a time: sums go on from one part to the next. */
static void test_many_tiles(void)
{
    builder b = {.random = {9}};
    thaw_value *x;
    if (test_tiny())
        return;
    test_must(thaw_graph_create(test_context(), &b.graph));
    b.graph->opset = 13;
    test_must(thaw_graph_add_value(b.graph, "image", &x));
    x->shape = (thaw_shape){4, {2, 128, 41, 43}};
    x->shape_known = true;
    test_must(thaw_graph_add_input(b.graph, x));
    x = convolve(&b, x, (layer){"wide", 17, 128, 3, 1, 1, true, true});
    test_must(thaw_graph_add_output(b.graph, x));
    test_must(thaw_graph_finish(b.graph));
    thaw_program *expected = create(b.graph, 1, SHARED);
    step(expected);
    trial_force_algorithm("winograd");
    for (int32_t layout = 4; layout <= 16; layout *= 2) {
        thaw_program *program = create(b.graph, layout, SHARED);
        step(program);
        compare(program, expected, 2e-5);
        thaw_program_destroy(&program);
    }
    trial_force_algorithm(NULL);
    thaw_program_destroy(&expected);
    thaw_graph_destroy(&b.graph);
}

void suite_conv_chain(void)
{
    static const test_entry tests[] = {
        {"every storage", test_storages},
        {"weights that training has changed", test_changed_weights},
        {"activations computed again", test_recomputed},
        {"many tiles", test_many_tiles},
    };
    TEST_SUITE("conv_chain", tests);
}
