/* ChannelSelect against a reference, and channel shuffles that become it, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_subject.h"
#include "op_trial.h"
#include "ops/shared/channel_select.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static graph_numbers random_numbers = {.low = -0.9, .high = 1.1};

static thaw_node *add_node(thaw_graph *graph, const char *type, const char *attributes, thaw_value *const *inputs,
                           size_t input_count, size_t output_count)
{
    thaw_node *node;
    const bool internal = strcmp(type, "ChannelSelect") == 0;
    test_must(thaw_graph_add_node(graph, internal ? &thaw_op_channel_select : thaw_op_find(type), "", input_count,
                                  output_count, &node));
    op_subject_attributes(node, attributes);
    for (size_t i = 0; i < input_count; i++)
        thaw_node_set_input(node, i, inputs[i]);
    for (size_t i = 0; i < output_count; i++)
        thaw_node_set_output_value(node, i, graph_add_value(graph, "", NULL));
    return node;
}

/* Inputs of the graph behind a MaxPool that changes nothing and takes blocks of channels. */
static void add_inputs(thaw_graph *graph, const thaw_shape *shapes, size_t count, thaw_value **inputs)
{
    for (size_t i = 0; i < count; i++) {
        thaw_value *x = graph_add_value(graph, "", &shapes[i]);
        test_must(thaw_graph_add_input(graph, x));
        inputs[i] = add_node(graph, "MaxPool", "kernel_shape=1,1", &x, 1, 1)->outputs[0];
    }
}

static thaw_graph *new_graph(void)
{
    thaw_graph *graph;
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    return graph;
}

/* Everything is NaN before. Inputs are the same in each run; tensors[input count], released by the caller. */
static void run(thaw_program *program, thaw_tensor **tensors)
{
    random_numbers.random = (thaw_random){5};
    for (size_t i = 0; i < program->buffer_count; i++) {
        const size_t bytes = thaw_buffer_bytes(program->buffers[i]) / 4 * 4;
        test_must(thaw_buffer_fill(program->buffers[i], 0, 0x7fc00000, bytes));
    }
    for (size_t i = 0; i < program->graph->input_count; i++) {
        tensors[i] = graph_random_tensor(&random_numbers, &program->graph->inputs[i]->shape);
        test_must(thaw_program_write(program, i, tensors[i]));
    }
    test_must(thaw_program_forward(program));
}

/* --- the operator --- */

struct selection {
    int64_t n, channels[THAW_CHANNEL_SELECT_INPUTS], h, w; /* 0 channels: no such input */
    int64_t count, step;                                   /* output channel k is channel 1 + k * step, counted round */
};

static int64_t source_of(const struct selection *row, int64_t k)
{
    return (1 + k * row->step) % (row->channels[0] + row->channels[1]);
}

static thaw_program *make_selection(const struct selection *row, int32_t layout)
{
    const thaw_program_options options = {.fuse = true, .keep = true};
    const thaw_shape shapes[] = {{4, {row->n, row->channels[0], row->h, row->w}},
                                 {4, {row->n, row->channels[1], row->h, row->w}}};
    thaw_value *inputs[THAW_CHANNEL_SELECT_INPUTS];
    thaw_program *program;
    thaw_graph *graph = new_graph();
    const size_t count = row->channels[1] ? 2 : 1;
    add_inputs(graph, shapes, count, inputs);
    int64_t *channels = test_allocate(row->count, sizeof *channels);
    for (int64_t k = 0; k < row->count; k++)
        channels[k] = source_of(row, k);
    thaw_node *node = add_node(graph, "ChannelSelect", "", inputs, count, 1);
    test_must(thaw_node_add_ints(node, "channels", channels, (size_t)row->count));
    free(channels);
    test_must(thaw_graph_add_output(graph, node->outputs[0]));
    test_must(thaw_graph_finish(graph));
    trial_force_layout(layout);
    test_must(thaw_program_create(graph, test_device(), &options, &program));
    trial_force_layout(0);
    thaw_graph_destroy(&graph);
    return program;
}

static const thaw_node *find_node(const thaw_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->op->name, name) == 0)
            return graph->nodes[i];
    return NULL;
}

/* What is at that place of the output; spare channels are zeros. */
static float reference(const struct selection *row, thaw_tensor *const *tensors, int64_t image, int64_t k,
                       int64_t pixel)
{
    if (k >= row->count)
        return 0;
    const int64_t source = source_of(row, k), second = source >= row->channels[0];
    const int64_t c = second ? source - row->channels[0] : source;
    return ((const float *)tensors[second]->data)[(image * row->channels[second] + c) * row->h * row->w + pixel];
}

static void check_selection(const struct selection *row, int32_t layout)
{
    const op_case described = {.attributes = "", .inputs = ""};
    const op_trial trial = {.type = "ChannelSelect", .row = &described, .layout = layout};
    thaw_tensor *tensors[THAW_CHANNEL_SELECT_INPUTS] = {NULL};
    thaw_program *program = make_selection(row, layout);
    run(program, tensors);
    const thaw_value *y = find_node(program->graph, "channel_select")->outputs[0];
    CU_ASSERT_EQUAL(y->block, layout);
    const thaw_shape stored = thaw_value_stored(y);
    const int64_t lanes = thaw_block_lanes(layout, row->count), pixels = row->h * row->w;
    const int64_t blocks = layout > 1 ? stored.dims[1] : row->count, size = thaw_shape_size(&stored);
    float *got = test_allocate(size, sizeof *got);
    test_must(thaw_buffer_read(y->buffer, 0, got, (size_t)size * sizeof *got));
    for (int64_t i = 0; i < size; i++) {
        const int64_t block = i / lanes / pixels % blocks, image = i / lanes / pixels / blocks;
        const float wanted = reference(row, tensors, image, block * lanes + i % lanes, i / lanes % pixels);
        if (memcmp(&got[i], &wanted, sizeof wanted) != 0) {
            trial_fail(&trial, "element %lld is %g, not %g, of %lld + %lld channels to %lld", (long long)i,
                       (double)got[i], (double)wanted, (long long)row->channels[0], (long long)row->channels[1],
                       (long long)row->count);
            break;
        }
    }
    free(got);
    thaw_tensor_release(&tensors[0]);
    thaw_tensor_release(&tensors[1]);
    thaw_program_destroy(&program);
}

static void test_selections(void)
{
    static const int32_t layouts[] = {1, 4, 8, 16, THAW_BLOCK_ALL};
    static const struct selection rows[] = {
        {1, {1, 0}, 1, 1, 1, 1},       {2, {17, 0}, 3, 5, 3, 5},  {1, {3, 58}, 2, 3, 58, 2},
        {3, {16, 17}, 1, 7, 33, 7},    {1, {3, 5}, 17, 31, 9, 3}, {2, {29, 30}, 2, 3, 56, 30},
        {2, {58, 58}, 28, 28, 58, 57},
    };
    for (size_t i = 0; i < (test_tiny() ? 6 : 7); i++)
        for (size_t j = 0; j < sizeof layouts / sizeof *layouts; j++)
            check_selection(&rows[i], layouts[j]);
}

static void test_refused(void)
{
    static const int64_t channels[][2] = {{7, 8}, {-1, 0}};
    static const thaw_shape shapes[] = {{4, {1, 3, 1, 1}}, {4, {1, 5, 1, 1}}};
    for (size_t i = 0; i < 2; i++) {
        thaw_value *inputs[THAW_CHANNEL_SELECT_INPUTS];
        thaw_program *program;
        thaw_graph *graph = new_graph();
        add_inputs(graph, shapes, 2, inputs);
        thaw_node *node = add_node(graph, "ChannelSelect", "", inputs, 2, 1);
        test_must(thaw_node_add_ints(node, "channels", channels[i], 2));
        test_must(thaw_graph_add_output(graph, node->outputs[0]));
        test_must(thaw_graph_finish(graph));
        CU_ASSERT_EQUAL(thaw_program_create(graph, test_device(), &(thaw_program_options){0}, &program),
                        THAW_ERR_SHAPE);
        thaw_graph_destroy(&graph);
    }
}

/* --- the rewrite --- */

static const char swap[] = "perm=0,2,1,3,4";

struct shuffle {
    const char *name;
    int64_t channels[3]; /* of the tensors that are put together; 0: no such one */
    int64_t groups;
    const char *perm;
    int64_t pieces[3]; /* of the Split; 0: no such one */
    bool read_twice;   /* what the Transpose makes is an output too */
    bool unread;       /* the Split's first piece is no output */
    size_t selects;    /* what it becomes; 0: it stays */
    size_t nodes;      /* that are left, MaxPools and Reorders aside */
};

static size_t count_present(const int64_t numbers[3])
{
    return numbers[0] == 0 ? 0 : numbers[1] == 0 ? 1 : numbers[2] == 0 ? 2 : 3;
}

static thaw_value *reshape(thaw_graph *graph, thaw_value *x, const int64_t *shape, int64_t rank)
{
    thaw_value *const inputs[] = {x, graph_add_integers(graph, shape, rank)};
    return add_node(graph, "Reshape", "", inputs, 2, 1)->outputs[0];
}

static void add_outputs(thaw_graph *graph, thaw_value *y, const struct shuffle *row)
{
    const size_t count = count_present(row->pieces);
    if (count == 0) {
        test_must(thaw_graph_add_output(graph, y));
        return;
    }
    thaw_value *const inputs[] = {y, graph_add_integers(graph, row->pieces, (int64_t)count)};
    const thaw_node *split = add_node(graph, "Split", "axis=1", inputs, 2, count);
    for (size_t i = row->unread; i < count; i++)
        test_must(thaw_graph_add_output(graph, split->outputs[i]));
}

static thaw_graph *make_shuffle(const struct shuffle *row)
{
    const int64_t all = row->channels[0] + row->channels[1] + row->channels[2];
    const int64_t grouped[] = {-1, row->groups, all / row->groups, 3, 5}, back[] = {-1, all, 3, 5};
    const size_t count = count_present(row->channels);
    thaw_graph *graph = new_graph();
    thaw_value *inputs[3];
    thaw_shape shapes[3];
    for (size_t i = 0; i < count; i++)
        shapes[i] = (thaw_shape){4, {2, row->channels[i], 3, 5}};
    add_inputs(graph, shapes, count, inputs);
    thaw_value *x = count > 1 ? add_node(graph, "Concat", "axis=1", inputs, count, 1)->outputs[0] : inputs[0];
    x = reshape(graph, x, grouped, 5);
    x = add_node(graph, "Transpose", row->perm, &x, 1, 1)->outputs[0];
    if (row->read_twice)
        test_must(thaw_graph_add_output(graph, x));
    add_outputs(graph, reshape(graph, x, back, 4), row);
    test_must(thaw_graph_finish(graph));
    return graph;
}

static void check_nodes(const op_trial *trial, const struct shuffle *row, const thaw_graph *graph)
{
    size_t nodes = 0, selects = 0, reorders = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const char *name = graph->nodes[i]->op->name;
        selects += strcmp(name, "channel_select") == 0;
        reorders += strcmp(name, "reorder") == 0;
        nodes += strcmp(name, "max_pool") != 0 && strcmp(name, "reorder") != 0;
    }
    if (selects != row->selects || nodes != row->nodes)
        trial_fail(trial, "%zu nodes are left, not %zu; %zu are ChannelSelects, not %zu", nodes, row->nodes, selects,
                   row->selects);
    /* Before each MaxPool, and behind what makes an output, nowhere else. */
    if (trial->layout > 1 && row->selects == row->nodes && reorders != graph->input_count + graph->output_count)
        trial_fail(trial, "%zu Reorders, not %zu", reorders, graph->input_count + graph->output_count);
}

static void compare_outputs(const op_trial *trial, thaw_program *plain, thaw_program *fused)
{
    for (size_t i = 0; i < plain->graph->output_count; i++) {
        thaw_tensor *wanted, *got;
        test_must(thaw_program_read(plain, i, &wanted));
        test_must(thaw_program_read(fused, i, &got));
        if (!thaw_shape_equal(&got->shape, &wanted->shape) || memcmp(got->data, wanted->data, wanted->bytes) != 0)
            trial_fail(trial, "output %zu differs", i);
        thaw_tensor_release(&wanted);
        thaw_tensor_release(&got);
    }
}

/* The fused program runs so often. */
static void check_shuffle(const struct shuffle *row, int32_t layout, int runs)
{
    const thaw_program_options options = {.fuse = true};
    const op_case described = {.attributes = row->name, .inputs = row->perm};
    const op_trial trial = {.type = "Transpose", .row = &described, .layout = layout};
    thaw_tensor *tensors[3] = {NULL};
    thaw_program *plain, *fused;
    thaw_graph *graph = make_shuffle(row);
    test_must(thaw_program_create(graph, test_device(), &(thaw_program_options){0}, &plain));
    trial_force_layout(layout);
    test_must(thaw_program_create(graph, test_device(), &options, &fused));
    trial_force_layout(0);
    for (int i = 0; i <= runs; i++) {
        run(i == 0 ? plain : fused, tensors);
        for (size_t j = 0; j < 3; j++)
            thaw_tensor_release(&tensors[j]);
    }
    check_nodes(&trial, row, fused->graph);
    compare_outputs(&trial, plain, fused);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

static void test_shuffles(void)
{
    static const int32_t layouts[] = {8, 1, 4, 16, THAW_BLOCK_ALL};
    static const struct shuffle rows[] = {
        {"halves", {29, 29}, 2, swap, {29, 29}, false, false, 2, 2},
        {"three groups", {7, 5}, 3, swap, {1, 4, 7}, false, false, 3, 3},
        {"no Split", {17, 17}, 2, swap, {0}, false, false, 1, 1},
        {"no Concat", {15}, 5, swap, {8, 7}, false, false, 2, 2},
        {"nothing but a shuffle", {34}, 17, swap, {0}, false, false, 1, 1},
        {"three inputs", {4, 8, 4}, 2, swap, {3, 13}, false, false, 2, 3},
        {"a piece is not read", {3, 3}, 3, swap, {4, 2}, false, true, 1, 1},
        {"in one group", {4, 4}, 1, swap, {4, 4}, false, false, 0, 5},
        {"read twice", {4, 4}, 2, swap, {4, 4}, true, false, 0, 5},
        {"pixels too", {6}, 2, "perm=0,2,1,4,3", {0}, false, false, 0, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < (test_tiny() ? 1 : sizeof layouts / sizeof *layouts); j++)
            check_shuffle(&rows[i], layouts[j], 1);
}

/* Both pieces in one launch, where the driver gains by that (test_chains.c). */
static void test_chained(void)
{
    static const struct shuffle rows[] = {
        {"two groups in a chain", {29, 29}, 2, swap, {29, 29}, false, false, 2, 2},
        {"three groups in a chain", {29, 13}, 3, swap, {17, 25}, false, false, 2, 2},
    };
    const char *platform = thaw_device_describe(test_device())->platform;
    if (strcmp(platform, "Portable Computing Language") != 0) {
        test_skip("no chains on %s", platform);
        return;
    }
    setenv("THAW_CHAINS", "on", 1);
    for (int32_t i = 0; i < 6; i++) {
        const size_t before = thaw_chains_queued(test_device());
        check_shuffle(&rows[i % 2], 4 << i / 2, 3);
        CU_ASSERT(thaw_chains_queued(test_device()) > before);
    }
    unsetenv("THAW_CHAINS");
}

void suite_channel_select(void)
{
    static const test_entry tests[] = {
        {"against the reference", test_selections},
        {"channels that don't exist", test_refused},
        {"shuffles become it", test_shuffles},
        {"in a chain", test_chained},
    };
    TEST_SUITE("channel_select", tests);
}
