/* Attention in one kernel, against the same nodes one by one. */
#include "graph_parts.h"
#include "op_subject.h"
#include "op_trial.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* q [.., rows, depth], k [.., depth, keys] and v [.., keys, width], `stack` before these. */
struct attention {
    thaw_shape stack;
    int64_t rows, depth, keys, width;
    const char *scale; /* "product", "operands", "division" or "" */
    const char *masks; /* "heads": [1, heads, rows, keys]; "windows": that, then [1, windows, 1, rows, keys] where the
                          batch is seen as images and windows; "rows": [rows, keys]; or "" */
    bool fused;
};

static graph_numbers random_numbers = {.low = -2, .high = 2};

static thaw_value *add_constant(thaw_graph *graph, thaw_shape shape)
{
    return graph_add_constant(graph, &random_numbers, shape);
}

static thaw_value *add_number(thaw_graph *graph, double number)
{
    thaw_value *value = add_constant(graph, (thaw_shape){0});
    thaw_tensor_set(value->constant, 0, number);
    return value;
}

static thaw_value *add_node(thaw_graph *graph, const char *type, thaw_value *a, thaw_value *b)
{
    thaw_node *node;
    thaw_value *output = graph_add_value(graph, "", NULL);
    test_must(thaw_graph_add_node(graph, thaw_op_find(type), "", b ? 2 : 1, 1, &node));
    thaw_node_set_input(node, 0, a);
    if (b)
        thaw_node_set_input(node, 1, b);
    thaw_node_set_output_value(node, 0, output);
    return output;
}

static thaw_shape matrices(const struct attention *a, int64_t rows, int64_t columns)
{
    thaw_shape shape = a->stack;
    shape.dims[shape.rank++] = rows;
    shape.dims[shape.rank++] = columns;
    return shape;
}

static thaw_value *add_masks(thaw_graph *graph, const struct attention *a, thaw_value *scores)
{
    const thaw_shape whole = matrices(a, a->rows, a->keys);
    if (strcmp(a->masks, "rows") == 0)
        return add_node(graph, "Add", scores, add_constant(graph, (thaw_shape){2, {a->rows, a->keys}}));
    if (!*a->masks)
        return scores;
    scores =
        add_node(graph, "Add", scores, add_constant(graph, (thaw_shape){4, {1, a->stack.dims[1], a->rows, a->keys}}));
    if (strcmp(a->masks, "windows") != 0)
        return scores;
    const int64_t windows = a->stack.dims[0] / 2;
    const thaw_shape seen = {5, {2, windows, a->stack.dims[1], a->rows, a->keys}};
    scores = add_node(graph, "Reshape", scores, graph_add_integers(graph, seen.dims, seen.rank));
    scores = add_node(graph, "Add", add_constant(graph, (thaw_shape){5, {1, windows, 1, a->rows, a->keys}}), scores);
    return add_node(graph, "Reshape", scores, graph_add_integers(graph, whole.dims, whole.rank));
}

static thaw_graph *build(const struct attention *a)
{
    thaw_graph *graph;
    random_numbers.random = (thaw_random){29};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    const thaw_shape shapes[] = {matrices(a, a->rows, a->depth), matrices(a, a->depth, a->keys),
                                 matrices(a, a->keys, a->width)};
    thaw_value *inputs[3];
    for (size_t i = 0; i < 3; i++) {
        inputs[i] = graph_add_value(graph, "", &shapes[i]);
        test_must(thaw_graph_add_input(graph, inputs[i]));
    }
    thaw_value *q = inputs[0], *k = inputs[1];
    if (strcmp(a->scale, "operands") == 0) {
        q = add_node(graph, "Mul", q, add_number(graph, 0.5));
        k = add_node(graph, "Mul", add_number(graph, 0.25), k);
    }
    thaw_value *scores = add_node(graph, "MatMul", q, k);
    if (strcmp(a->scale, "product") == 0)
        scores = add_node(graph, "Mul", scores, add_number(graph, 0.3));
    if (strcmp(a->scale, "division") == 0)
        scores = add_node(graph, "Div", scores, add_number(graph, 3));
    scores = add_masks(graph, a, scores);
    thaw_value *y = add_node(graph, "MatMul", add_node(graph, "Softmax", scores, NULL), inputs[2]);
    test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

/* The same numbers each time. */
static thaw_tensor *run(const thaw_graph *graph, bool fuse, thaw_program **program)
{
    thaw_shape shapes[3];
    thaw_tensor *result;
    for (size_t i = 0; i < graph->input_count; i++)
        shapes[i] = graph->inputs[i]->shape;
    const thaw_program_options options = {.shapes = shapes, .fuse = fuse};
    random_numbers.random = (thaw_random){31};
    test_must(thaw_program_create(graph, test_device(), &options, program));
    for (size_t i = 0; i < graph->input_count; i++) {
        thaw_tensor *numbers = graph_random_tensor(&random_numbers, &shapes[i]);
        test_must(thaw_program_write(*program, i, numbers));
        thaw_tensor_release(&numbers);
    }
    test_must(thaw_program_forward(*program));
    test_must(thaw_program_read(*program, 0, &result));
    return result;
}

/* That the graph's program, fused, has that many nodes, the one at `place` being attention or not, and the same output
 * as the nodes one by one. The graph goes. */
static void check_graph(thaw_graph *graph, const op_trial *trial, bool attends, size_t nodes, size_t place)
{
    thaw_program *plain, *fused;
    thaw_tensor *wanted = run(graph, false, &plain);
    trial_force_layout(trial->layout);
    thaw_tensor *got = run(graph, true, &fused);
    trial_force_layout(0);
    const size_t count = fused->graph->node_count;
    const bool found = place < count && strcmp(fused->graph->nodes[place]->op->name, "attention") == 0;
    if (found != attends || (found && count != nodes))
        trial_fail(trial, "%zu nodes are left, attention is %sone of them", count, found ? "" : "not ");
    double *numbers = test_allocate(wanted->count, sizeof *numbers);
    for (int64_t i = 0; i < wanted->count; i++)
        numbers[i] = thaw_tensor_get(wanted, i);
    trial_compare(trial, "output", 0, &wanted->shape, got, numbers, 2e-6 * trial_largest(numbers, wanted->count));
    free(numbers);
    thaw_tensor_release(&wanted);
    thaw_tensor_release(&got);
    thaw_program_destroy(&plain);
    thaw_program_destroy(&fused);
    thaw_graph_destroy(&graph);
}

static void check(const struct attention *a, int32_t layout)
{
    const op_case row = {.attributes = a->scale, .inputs = a->masks};
    const op_trial trial = {.type = "Attention", .row = &row, .layout = layout};
    check_graph(build(a), &trial, a->fused && a->keys >= layout && a->width >= layout, 1, 0);
}

static void test_patterns(void)
{
    static const struct attention cases[] = {
        {{2, {2, 3}}, 17, 16, 17, 16, "operands", "", true},
        {{2, {1, 2}}, 7, 5, 33, 31, "product", "", true},
        {{1, {3}}, 16, 33, 16, 17, "division", "rows", true},
        {{2, {4, 3}}, 9, 7, 19, 33, "operands", "heads", true},
        {{2, {6, 2}}, 16, 8, 16, 32, "operands", "windows", true},
        {{2, {2, 2}}, 1, 1, 17, 16, "", "", true},
        {{2, {2, 2}}, 3, 4, 5, 6, "product", "heads", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int32_t layout = 4; layout <= (test_tiny() ? 4 : 16); layout *= 2)
            check(&cases[i], layout);
}

/* --- operands and results that lie in larger values --- */

/* What makes q, k and v out of one input, and what follows. */
typedef enum packing {
    IMAGES_FIRST,   /* [n, s, 3 * h * d] */
    SEQUENCE_FIRST, /* [s, n, 3 * h * d] */
    READ_TWICE,     /* as the first; the result is an output too, so it can't be written in another order */
    APART,          /* q's columns don't lie side by side */
} packing;

enum { N = 2, S = 33, H = 3, D = 17 };

static thaw_value *reshape(thaw_graph *graph, thaw_value *x, thaw_shape shape)
{
    return add_node(graph, "Reshape", x, graph_add_integers(graph, shape.dims, shape.rank));
}

static thaw_value *transpose(thaw_graph *graph, const char *order, thaw_value *x)
{
    return graph_add_node(graph, "Transpose", order, &x, 1);
}

static thaw_value *pick(thaw_graph *graph, thaw_value *x, int64_t place)
{
    thaw_value *index = graph_add_integers(graph, &place, 1);
    index->shape.rank = index->constant->shape.rank = 0;
    return graph_add_node(graph, "Gather", "axis=0", (thaw_value *[]){x, index}, 2);
}

/* [n, h, s, d] for place 0 to 2 of x. */
static thaw_value *unpack(thaw_graph *graph, packing kind, thaw_value *x, int64_t place)
{
    if (kind != SEQUENCE_FIRST) {
        x = reshape(graph, x, (thaw_shape){5, {N, S, 3, H, D}});
        return pick(graph, transpose(graph, "perm=2,0,3,1,4", x), place);
    }
    x = reshape(graph, x, (thaw_shape){5, {1, S, N, 3, H * D}});
    x = transpose(graph, "perm=3,1,2,0,4", x);
    x = pick(graph, reshape(graph, x, (thaw_shape){4, {3, S, N, H * D}}), place - 3);
    x = transpose(graph, "perm=1,0,2", reshape(graph, x, (thaw_shape){3, {S, N * H, D}}));
    return reshape(graph, x, (thaw_shape){4, {N, H, S, D}});
}

static thaw_graph *build_packed(packing kind)
{
    thaw_graph *graph;
    const thaw_shape rows = {4, {N, H, D, S}};
    const thaw_shape shape =
        kind == SEQUENCE_FIRST ? (thaw_shape){3, {S, N, 3 * H * D}} : (thaw_shape){3, {N, S, 3 * H * D}};
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    thaw_value *x = graph_add_value(graph, "", &shape), *q;
    test_must(thaw_graph_add_input(graph, x));
    if (kind == APART) {
        q = graph_add_value(graph, "", &rows);
        test_must(thaw_graph_add_input(graph, q));
        q = transpose(graph, "perm=0,1,3,2", q);
    } else {
        q = unpack(graph, kind, x, 0);
    }
    thaw_value *k = transpose(graph, "perm=0,1,3,2", unpack(graph, kind, x, 1));
    thaw_value *scores = add_node(graph, "Softmax", add_node(graph, "MatMul", q, k), NULL);
    thaw_value *y = add_node(graph, "MatMul", scores, unpack(graph, kind, x, 2));
    thaw_value *z = transpose(graph, kind == SEQUENCE_FIRST ? "perm=2,0,1,3" : "perm=0,2,1,3", y);
    test_must(thaw_graph_add_output(graph, z));
    if (kind == READ_TWICE)
        test_must(thaw_graph_add_output(graph, y));
    test_must(thaw_graph_finish(graph));
    return graph;
}

static void test_places(void)
{
    static const struct {
        const char *name;
        packing kind;
        size_t nodes, place;
    } cases[] = {
        {"images first", IMAGES_FIRST, 1, 0},
        {"sequence first", SEQUENCE_FIRST, 1, 0},
        {"read twice", READ_TWICE, 2, 0},
        {"apart", APART, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int32_t layout = 4; layout <= (test_tiny() ? 4 : 16); layout *= 2) {
            const op_case row = {.attributes = cases[i].name, .inputs = ""};
            const op_trial trial = {.type = "Attention", .row = &row, .layout = layout};
            check_graph(build_packed(cases[i].kind), &trial, true, cases[i].nodes, cases[i].place);
        }
}

/* Scores that others read, or that are scaled behind a mask, stay what they are. */
static void test_others(void)
{
    static const struct attention plain = {{2, {2, 2}}, 5, 4, 16, 16, "", "", false};
    thaw_program *program;
    thaw_tensor *result;
    for (int i = 0; i < 2; i++) {
        thaw_graph *graph = build(&plain);
        const thaw_node *last = graph->nodes[graph->node_count - 1], *softmax = last->inputs[0]->producer;
        if (i == 0) {
            test_must(thaw_graph_add_output(graph, softmax->inputs[0]));
        } else {
            thaw_node *node = (thaw_node *)softmax;
            thaw_value *masked = add_node(graph, "Add", node->inputs[0], add_number(graph, 1));
            thaw_value *scaled = add_node(graph, "Mul", masked, add_number(graph, 2));
            thaw_value *again = add_node(graph, "Softmax", scaled, NULL);
            thaw_value *y = add_node(graph, "MatMul", again, last->inputs[1]);
            graph->outputs[0] = y;
        }
        trial_force_layout(4);
        result = run(graph, true, &program);
        trial_force_layout(0);
        for (size_t n = 0; n < program->graph->node_count; n++)
            CU_ASSERT(strcmp(program->graph->nodes[n]->op->name, "attention") != 0);
        thaw_tensor_release(&result);
        thaw_program_destroy(&program);
        thaw_graph_destroy(&graph);
    }
}

void suite_attention(void)
{
    static const test_entry tests[] = {
        {"patterns", test_patterns}, {"operands in larger values", test_places}, {"what is none", test_others}};
    TEST_SUITE("attention", tests);
}
