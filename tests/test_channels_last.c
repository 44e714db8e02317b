/* ChannelNormalization against a reference, and graphs with their channels last, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_subject.h"
#include "op_trial.h"
#include "ops/shared/channel_normalization.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static graph_numbers random_numbers = {.low = -0.9, .high = 1.1};

static thaw_graph *new_graph(void)
{
    thaw_graph *graph;
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 18;
    random_numbers.random = (thaw_random){31};
    return graph;
}

/* An input of the graph behind a MaxPool that changes nothing and takes blocks of channels. */
static thaw_value *add_input(thaw_graph *graph, const thaw_shape *shape)
{
    thaw_value *x = graph_add_value(graph, "", shape);
    test_must(thaw_graph_add_input(graph, x));
    return graph_add_node(graph, "MaxPool", "kernel_shape=1,1", &x, 1);
}

static thaw_value *add_constant(thaw_graph *graph, thaw_shape shape)
{
    return graph_add_constant(graph, &random_numbers, shape);
}

/* What nodes make is NaN before; inputs are the same in each run, with `mean` added. tensors[input count], released by
 * the caller. */
static void run(thaw_program *program, double mean, thaw_tensor **tensors)
{
    graph_numbers numbers = {.random = {5}, .low = mean - 0.9, .high = mean + 1.1};
    for (size_t i = 0; i < program->graph->value_count; i++) {
        const thaw_value *value = program->graph->values[i];
        if (value->producer && value->buffer)
            test_must(thaw_buffer_fill(value->buffer, 0, 0x7fc00000, thaw_buffer_bytes(value->buffer) / 4 * 4));
    }
    for (size_t i = 0; i < program->graph->input_count; i++) {
        tensors[i] = graph_random_tensor(&numbers, &program->graph->inputs[i]->shape);
        test_must(thaw_program_write(program, i, tensors[i]));
    }
    test_must(thaw_program_forward(program));
}

static const thaw_node *find_node(const thaw_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->op->name, name) == 0)
            return graph->nodes[i];
    return NULL;
}

/* --- the operator ------------------------------------------------------------------------------------------------- */

struct normalization {
    thaw_shape x;
    bool shift;
    float epsilon;
    double mean; /* of x, more or less */
};

static thaw_program *make_normalization(const struct normalization *row, int32_t layout)
{
    const thaw_program_options options = {.fuse = true, .keep = true};
    const thaw_shape channels = {1, {row->x.dims[1]}};
    thaw_attribute *epsilon;
    thaw_program *program;
    thaw_node *node;
    thaw_graph *graph = new_graph();
    thaw_value *x = add_input(graph, &row->x);
    test_must(thaw_graph_add_node(graph, &thaw_op_channel_normalization, "", row->shift ? 3 : 2, 1, &node));
    thaw_node_set_input(node, 0, x);
    for (size_t i = 1; i < node->input_count; i++)
        thaw_node_set_input(node, i, add_constant(graph, channels));
    thaw_node_set_output_value(node, 0, graph_add_value(graph, "", NULL));
    test_must(thaw_node_add_attribute(node, "epsilon", &epsilon));
    epsilon->kind = THAW_ATTRIBUTE_FLOAT;
    epsilon->f = row->epsilon;
    test_must(thaw_graph_add_output(graph, node->outputs[0]));
    test_must(thaw_graph_finish(graph));
    trial_force_layout(layout);
    test_must(thaw_program_create(graph, test_device(), &options, &program));
    trial_force_layout(0);
    thaw_graph_destroy(&graph);
    return program;
}

/* All channels of one pixel, which lie `step` apart. */
static void normalize(const float *x, int64_t channels, int64_t step, const thaw_node *node, float epsilon, double *y)
{
    const thaw_value *shift = thaw_node_input(node, 2);
    double mean = 0, variance = 0;
    for (int64_t k = 0; k < channels; k++)
        mean += x[k * step] / (double)channels;
    for (int64_t k = 0; k < channels; k++)
        variance += (x[k * step] - mean) * (x[k * step] - mean) / (double)channels;
    for (int64_t k = 0; k < channels; k++)
        y[k * step] = (x[k * step] - mean) / sqrt(variance + epsilon) * thaw_tensor_get(node->inputs[1]->constant, k) +
                      (shift ? thaw_tensor_get(shift->constant, k) : 0);
}

/* Spare channels get zeros. */
static void check_spare(const op_trial *trial, const thaw_value *y)
{
    const thaw_shape stored = thaw_value_stored(y);
    const int64_t size = thaw_shape_size(&stored), lanes = stored.dims[4], pixels = thaw_shape_span(&stored, 2, 4);
    float *got = test_allocate(size, sizeof *got);
    test_must(thaw_buffer_read(y->buffer, 0, got, (size_t)size * sizeof *got));
    for (int64_t i = 0; i < size; i++)
        if (i / lanes / pixels % stored.dims[1] * lanes + i % lanes >= y->shape.dims[1] && got[i] != 0)
            trial_fail(trial, "element %lld, of a channel that does not exist, is %g", (long long)i, (double)got[i]);
    free(got);
}

static void check_normalization(const struct normalization *row, int32_t layout)
{
    const op_case described = {.attributes = row->shift ? "with a shift" : "", .inputs = ""};
    const op_trial trial = {.type = "ChannelNormalization", .row = &described, .layout = layout};
    const int64_t channels = row->x.dims[1], pixels = row->x.dims[2] * row->x.dims[3];
    thaw_tensor *x, *y;
    thaw_program *program = make_normalization(row, layout);
    const thaw_node *node = find_node(program->graph, "channel_normalization");
    run(program, row->mean, &x);
    test_must(thaw_program_read(program, 0, &y));
    CU_ASSERT_EQUAL(node->outputs[0]->block, layout);
    double *wanted = test_allocate(y->count, sizeof *wanted);
    for (int64_t i = 0; i < row->x.dims[0] * pixels; i++) {
        const int64_t first = i / pixels * channels * pixels + i % pixels;
        normalize((const float *)x->data + first, channels, pixels, node, row->epsilon, wanted + first);
    }
    trial_compare(&trial, "output", 0, &row->x, y, wanted, (1 + fabs(row->mean)) * 4e-6);
    if (layout > 1 && layout != THAW_BLOCK_ALL)
        check_spare(&trial, node->outputs[0]);
    free(wanted);
    thaw_tensor_release(&x);
    thaw_tensor_release(&y);
    thaw_program_destroy(&program);
}

#define SHAPE(...)                                                                                                     \
    {                                                                                                                  \
        .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dims = { __VA_ARGS__ }                            \
    }

static void test_normalizations(void)
{
    static const int32_t layouts[] = {1, 4, 8, 16, THAW_BLOCK_ALL};
    static const struct normalization rows[] = {
        {SHAPE(1, 1, 1, 1), true, 1e-5f, 0},      {SHAPE(2, 3, 5, 7), true, 1e-6f, 0},
        {SHAPE(1, 17, 3, 11), false, 1e-5f, 0},   {SHAPE(3, 31, 1, 9), true, 0.1f, 0},
        {SHAPE(1, 16, 8, 4), true, 1e-5f, 0},     {SHAPE(2, 33, 5, 13), true, 1e-5f, 0.5},
        {SHAPE(1, 96, 7, 9), false, 1e-6f, -100}, {SHAPE(2, 200, 1, 1), true, 1e-6f, 0},
    };
    for (size_t i = 0; i < (test_tiny() ? 5 : sizeof rows / sizeof *rows); i++)
        for (size_t j = 0; j < sizeof layouts / sizeof *layouts; j++)
            check_normalization(&rows[i], layouts[j]);
}

/* --- the rewrite -------------------------------------------------------------------------------------------------- */

static thaw_value *transpose(thaw_graph *graph, thaw_value *x, bool to_last)
{
    return graph_add_node(graph, "Transpose", to_last ? "perm=0,2,3,1" : "perm=0,3,1,2", &x, 1);
}

static thaw_value *function(thaw_graph *graph, const char *type, thaw_value *x)
{
    return graph_add_node(graph, type, "", &x, 1);
}

static thaw_value *combine(thaw_graph *graph, const char *type, thaw_value *a, thaw_value *b)
{
    return graph_add_node(graph, type, "", (thaw_value *[]){a, b}, 2);
}

static thaw_value *product(thaw_graph *graph, thaw_value *x, int64_t from, int64_t to)
{
    return combine(graph, "MatMul", x, add_constant(graph, (thaw_shape){2, {from, to}}));
}

/* With a bias. */
static thaw_value *layer(thaw_graph *graph, thaw_value *x, int64_t from, int64_t to)
{
    return combine(graph, "Add", product(graph, x, from, to), add_constant(graph, (thaw_shape){1, {to}}));
}

static thaw_value *normalization(thaw_graph *graph, thaw_value *x, const char *attributes, int64_t channels)
{
    thaw_value *const inputs[] = {x, add_constant(graph, (thaw_shape){1, {channels}}),
                                  add_constant(graph, (thaw_shape){1, {channels}})};
    return graph_add_node(graph, "LayerNormalization", attributes, inputs, 3);
}

static void add_output(thaw_graph *graph, thaw_value *y)
{
    test_must(thaw_graph_add_output(graph, y));
}

/* A block of ConvNeXt, but for its depthwise convolution. */
static void make_block(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = normalization(graph, transpose(graph, x, true), "axis=-1 epsilon=0.01", c);
    y = function(graph, "Gelu", layer(graph, y, c, 4 * c));
    y = transpose(graph, layer(graph, y, 4 * c, c), false);
    y = combine(graph, "Mul", add_constant(graph, (thaw_shape){3, {c, 1, 1}}), y);
    add_output(graph, combine(graph, "Add", y, x));
}

static void make_bare_normalization(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *const inputs[] = {transpose(graph, x, true), add_constant(graph, (thaw_shape){1, {c}})};
    add_output(graph, transpose(graph, graph_add_node(graph, "LayerNormalization", "axis=3", inputs, 2), false));
}

/* What goes round a product is added within the region. */
static void make_shortcut(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = transpose(graph, x, true);
    y = combine(graph, "Add", function(graph, "Relu", layer(graph, y, c, c)), y);
    add_output(graph, transpose(graph, function(graph, "Tanh", y), false));
}

/* Two ways in, two back. */
static void make_two(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = product(graph, transpose(graph, x, true), c, 9);
    y = combine(graph, "Mul", y, product(graph, transpose(graph, function(graph, "Relu", x), true), c, 9));
    add_output(graph, transpose(graph, y, false));
    add_output(graph, transpose(graph, function(graph, "Sigmoid", y), false));
}

/* Constants of every shape, on either side. */
static void make_constants(thaw_graph *graph, thaw_value *x, int64_t c)
{
    const int64_t h = x->shape.dims[2], w = x->shape.dims[3];
    thaw_value *y = combine(graph, "Add", transpose(graph, x, true), add_constant(graph, (thaw_shape){1, {c}}));
    y = combine(graph, "Mul", add_constant(graph, (thaw_shape){4, {1, 1, 1, c}}), y);
    y = combine(graph, "Sub", add_constant(graph, (thaw_shape){0}), y);
    y = combine(graph, "Add", y, add_constant(graph, (thaw_shape){2, {w, c}}));
    y = combine(graph, "Sub", y, add_constant(graph, (thaw_shape){4, {1, h, w, 1}}));
    y = combine(graph, "PRelu", y, add_constant(graph, (thaw_shape){1, {c}}));
    add_output(graph, transpose(graph, y, false));
}

/* One region after another. */
static void make_chain(thaw_graph *graph, thaw_value *x, int64_t c)
{
    x = transpose(graph, normalization(graph, transpose(graph, x, true), "", c), false);
    add_output(graph, transpose(graph, product(graph, transpose(graph, x, true), c, 7), false));
}

/* The graph's output is what a node within makes, too. */
static void make_leak(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = product(graph, transpose(graph, x, true), c, 5);
    add_output(graph, y);
    add_output(graph, transpose(graph, function(graph, "Relu", y), false));
}

/* ... or what the first Transpose makes. */
static void make_early_leak(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = transpose(graph, x, true);
    add_output(graph, y);
    add_output(graph, transpose(graph, product(graph, y, c, 5), false));
}

/* Another Transpose, of pixels, reads it. */
static void make_other_reader(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = product(graph, transpose(graph, x, true), c, 5);
    add_output(graph, transpose(graph, y, false));
    add_output(graph, graph_add_node(graph, "Transpose", "perm=0,2,1,3", &y, 1));
}

static void make_no_way_back(thaw_graph *graph, thaw_value *x, int64_t c)
{
    add_output(graph, normalization(graph, transpose(graph, x, true), "", c));
}

static void make_no_way_in(thaw_graph *graph, thaw_value *x, int64_t c)
{
    (void)c;
    add_output(graph, transpose(graph, product(graph, x, x->shape.dims[3], 6), false));
}

static void make_nothing_between(thaw_graph *graph, thaw_value *x, int64_t c)
{
    (void)c;
    add_output(graph, transpose(graph, transpose(graph, x, true), false));
}

/* A Softmax is not turned, and so nothing before it. */
static void make_other_node(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = product(graph, transpose(graph, x, true), c, 5);
    add_output(graph, transpose(graph, function(graph, "Softmax", y), false));
}

static void make_other_axis(thaw_graph *graph, thaw_value *x, int64_t c)
{
    const thaw_shape shape = {2, {x->shape.dims[3], c}};
    thaw_value *const inputs[] = {transpose(graph, x, true), add_constant(graph, shape)};
    add_output(graph, transpose(graph, graph_add_node(graph, "LayerNormalization", "axis=2", inputs, 2), false));
}

/* A matrix that is not constant. */
static void make_other_matrix(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *matrix = graph_add_value(graph, "", &(thaw_shape){2, {c, 5}});
    test_must(thaw_graph_add_input(graph, matrix));
    add_output(graph, transpose(graph, combine(graph, "MatMul", transpose(graph, x, true), matrix), false));
}

/* The means that it takes off are an output. */
static void make_statistics(thaw_graph *graph, thaw_value *x, int64_t c)
{
    thaw_value *y = transpose(graph, x, true);
    thaw_node *node;
    test_must(thaw_graph_add_node(graph, thaw_op_find("LayerNormalization"), "", 2, 2, &node));
    thaw_node_set_input(node, 0, y);
    thaw_node_set_input(node, 1, add_constant(graph, (thaw_shape){1, {c}}));
    for (size_t i = 0; i < 2; i++)
        thaw_node_set_output_value(node, i, graph_add_value(graph, "", NULL));
    add_output(graph, transpose(graph, node->outputs[0], false));
    add_output(graph, node->outputs[1]);
}

struct region {
    const char *name;
    void (*make)(thaw_graph *graph, thaw_value *x, int64_t c);
    thaw_shape x;
    size_t nodes; /* that are left, MaxPools and Reorders aside; of them: */
    size_t convolutions, normalizations, transposes;
    bool in_blocks; /* nothing needs another storage, but inputs and outputs */
};

static void count_nodes(const thaw_graph *graph, struct region *counts, size_t *reorders)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const char *name = graph->nodes[i]->op->name;
        const bool is_reorder = strcmp(name, "reorder") == 0;
        *reorders += is_reorder;
        counts->nodes += strcmp(name, "max_pool") != 0 && !is_reorder;
        counts->convolutions += strcmp(name, "conv") == 0;
        counts->normalizations += strcmp(name, "channel_normalization") == 0;
        counts->transposes += strcmp(name, "transpose") == 0;
    }
}

static void check_nodes(const op_trial *trial, const struct region *row, const thaw_graph *graph)
{
    struct region counts = {0};
    size_t reorders = 0;
    count_nodes(graph, &counts, &reorders);
    if (counts.nodes != row->nodes || counts.convolutions != row->convolutions ||
        counts.normalizations != row->normalizations || counts.transposes != row->transposes)
        trial_fail(trial,
                   "%zu nodes are left, not %zu; %zu convolutions, not %zu; %zu normalizations, not %zu; %zu "
                   "Transposes, not %zu",
                   counts.nodes, row->nodes, counts.convolutions, row->convolutions, counts.normalizations,
                   row->normalizations, counts.transposes, row->transposes);
    if (trial->layout > 1 && row->in_blocks && reorders != graph->input_count + graph->output_count)
        trial_fail(trial, "%zu Reorders, not %zu", reorders, graph->input_count + graph->output_count);
}

static void compare_outputs(const op_trial *trial, thaw_program *plain, thaw_program *fused)
{
    for (size_t i = 0; i < plain->graph->output_count; i++) {
        thaw_tensor *wanted, *got;
        test_must(thaw_program_read(plain, i, &wanted));
        test_must(thaw_program_read(fused, i, &got));
        double *numbers = test_allocate(wanted->count, sizeof *numbers);
        for (int64_t j = 0; j < wanted->count; j++)
            numbers[j] = thaw_tensor_get(wanted, j);
        trial_compare(trial, "output", i, &wanted->shape, got, numbers, 4e-6 * trial_largest(numbers, wanted->count));
        free(numbers);
        thaw_tensor_release(&wanted);
        thaw_tensor_release(&got);
    }
}

/* The fused program runs so often. */
static void check_region(const struct region *row, int32_t layout, int runs)
{
    const op_case described = {.attributes = row->name, .inputs = ""};
    const op_trial trial = {.type = "Transpose", .row = &described, .layout = layout};
    thaw_tensor *tensors[2] = {NULL};
    thaw_program *plain, *fused;
    thaw_graph *graph = new_graph();
    thaw_value *x = add_input(graph, &row->x);
    x->shape = row->x;
    row->make(graph, x, row->x.dims[1]);
    test_must(thaw_graph_finish(graph));
    test_must(thaw_program_create(graph, test_device(), &(thaw_program_options){0}, &plain));
    trial_force_layout(layout);
    test_must(thaw_program_create(graph, test_device(), &(thaw_program_options){.fuse = true}, &fused));
    for (int i = 0; i <= runs; i++) {
        trial_force_layout(i == 0 ? 0 : layout);
        run(i == 0 ? plain : fused, 0, tensors);
        for (size_t j = 0; j < 2; j++)
            thaw_tensor_release(&tensors[j]);
    }
    trial_force_layout(0);
    check_nodes(&trial, row, fused->graph);
    compare_outputs(&trial, plain, fused);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

/* Simulators and slow compilers get the first few. */
static void check_regions(const struct region *rows, size_t count)
{
    static const int32_t layouts[] = {8, 1, 4, 16, THAW_BLOCK_ALL};
    for (size_t i = 0; i < (test_tiny() ? 4 : count); i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : sizeof layouts / sizeof *layouts); j++)
            check_region(&rows[i], layouts[j], 1);
}

static void test_turned(void)
{
    static const struct region rows[] = {
        {"a block of ConvNeXt", make_block, SHAPE(2, 17, 5, 7), 3, 2, 1, 0, true},
        {"a block of 3 channels", make_block, SHAPE(1, 3, 3, 1), 3, 2, 1, 0, true},
        {"a block of one channel", make_block, SHAPE(3, 1, 1, 5), 3, 2, 1, 0, true},
        {"a normalization", make_bare_normalization, SHAPE(2, 31, 3, 5), 1, 0, 1, 0, true},
        {"a shortcut", make_shortcut, SHAPE(1, 16, 5, 3), 3, 1, 0, 0, true},
        {"two ways in and back", make_two, SHAPE(2, 8, 3, 3), 5, 2, 0, 0, true},
        {"constants", make_constants, SHAPE(2, 5, 3, 7), 6, 0, 0, 0, false},
        {"one after another", make_chain, SHAPE(2, 9, 3, 5), 2, 1, 1, 0, true},
        {"read from outside", make_leak, SHAPE(1, 6, 5, 3), 3, 1, 0, 1, false},
        {"its beginning read from outside", make_early_leak, SHAPE(1, 6, 5, 3), 2, 1, 0, 1, false},
        {"read by another Transpose", make_other_reader, SHAPE(2, 7, 3, 5), 3, 1, 0, 2, false},
    };
    check_regions(rows, sizeof rows / sizeof *rows);
}

static void test_left_alone(void)
{
    static const struct region rows[] = {
        {"no way back", make_no_way_back, SHAPE(2, 5, 3, 3), 2, 0, 0, 1, false},
        {"no way in", make_no_way_in, SHAPE(2, 3, 5, 4), 2, 0, 0, 1, false},
        {"nothing between", make_nothing_between, SHAPE(1, 5, 3, 3), 2, 0, 0, 2, false},
        {"another node", make_other_node, SHAPE(1, 5, 3, 3), 4, 0, 0, 2, false},
        {"another axis", make_other_axis, SHAPE(1, 5, 3, 3), 3, 0, 0, 2, false},
        {"another matrix", make_other_matrix, SHAPE(1, 5, 3, 3), 3, 0, 0, 2, false},
        {"statistics", make_statistics, SHAPE(1, 5, 3, 3), 3, 0, 0, 2, false},
    };
    check_regions(rows, sizeof rows / sizeof *rows);
}

/* Where the driver gains by that (test_chains.c). */
static void test_chained(void)
{
    static const struct region row = {
        "a block of ConvNeXt in a chain", make_block, SHAPE(2, 24, 5, 7), 3, 2, 1, 0, true};
    const char *platform = thaw_device_describe(test_device())->platform;
    if (strcmp(platform, "Portable Computing Language") != 0) {
        test_skip("no chains on %s", platform);
        return;
    }
    setenv("THAW_CHAINS", "on", 1);
    for (int32_t layout = 4; layout <= 16; layout *= 2) {
        const size_t before = thaw_chains_queued(test_device());
        check_region(&row, layout, 3);
        CU_ASSERT(thaw_chains_queued(test_device()) > before);
    }
    unsetenv("THAW_CHAINS");
}

/* Weights that training changes stay in a product. */
static void test_trainable(void)
{
    static const thaw_shape shape = SHAPE(2, 5, 3, 3);
    thaw_program *program;
    thaw_graph *graph = new_graph();
    thaw_value *y = product(graph, transpose(graph, add_input(graph, &shape), true), 5, 6);
    y->producer->inputs[1]->trainable = true;
    add_output(graph, transpose(graph, y, false));
    test_must(thaw_graph_finish(graph));
    test_must(thaw_program_create(graph, test_device(), &(thaw_program_options){.fuse = true}, &program));
    CU_ASSERT(find_node(program->graph, "matmul") != NULL);
    CU_ASSERT(find_node(program->graph, "conv") == NULL);
    thaw_program_destroy(&program);
    thaw_graph_destroy(&graph);
}

void suite_channels_last(void)
{
    static const test_entry tests[] = {
        {"a normalization against the reference", test_normalizations},
        {"regions that get their channels first", test_turned},
        {"regions that are left alone", test_left_alone},
        {"in a chain", test_chained},
        {"trainable weights", test_trainable},
    };
    TEST_SUITE("channels_last", tests);
}
