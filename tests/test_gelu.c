/* Gelu in five nodes, as one, against themselves. */
#include "op_subject.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What each of the forms multiplies first; others than these are no Gelu. */
enum form { X_FIRST, HALF_FIRST, HALF_OF_X, MULTIPLIED, READ_TWICE, ANOTHER_NUMBER, FORMS };

static thaw_value *add_node(thaw_graph *graph, const char *type, thaw_value *a, thaw_value *b)
{
    thaw_node *node;
    thaw_value *output;
    test_must(thaw_graph_add_value(graph, "", &output));
    test_must(thaw_graph_add_node(graph, thaw_op_find(type), "", b ? 2 : 1, 1, &node));
    thaw_node_set_input(node, 0, a);
    if (b)
        thaw_node_set_input(node, 1, b);
    thaw_node_set_output_value(node, 0, output);
    return output;
}

static thaw_value *add_number(thaw_graph *graph, double number)
{
    thaw_value *value;
    const thaw_shape scalar = {0};
    test_must(thaw_graph_add_value(graph, "", &value));
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &scalar, &value->constant));
    thaw_tensor_set(value->constant, 0, number);
    value->dtype = THAW_FLOAT32;
    value->shape_known = true;
    return value;
}

static thaw_graph *build(enum form form)
{
    thaw_graph *graph;
    thaw_value *x, *y;
    test_must(thaw_graph_create(test_context(), &graph));
    graph->opset = 13;
    test_must(thaw_graph_add_value(graph, "x", &x));
    x->dtype = THAW_FLOAT32;
    x->shape = (thaw_shape){3, {2, 3, 17}};
    x->shape_known = true;
    test_must(thaw_graph_add_input(graph, x));
    thaw_value *inner = form == MULTIPLIED
                            ? add_node(graph, "Mul", add_number(graph, sqrt(0.5)), x)
                            : add_node(graph, "Div", x, add_number(graph, form == ANOTHER_NUMBER ? 2 : sqrt(2)));
    thaw_value *sum = add_node(graph, "Add", add_node(graph, "Erf", inner, NULL), add_number(graph, 1));
    if (form == HALF_FIRST)
        y = add_node(graph, "Mul", x, add_node(graph, "Mul", add_number(graph, 0.5), sum));
    else if (form == HALF_OF_X)
        y = add_node(graph, "Mul", add_node(graph, "Mul", x, add_number(graph, 0.5)), sum);
    else
        y = add_node(graph, "Mul", add_node(graph, "Mul", x, sum), add_number(graph, 0.5));
    test_must(thaw_graph_add_output(graph, y));
    if (form == READ_TWICE)
        test_must(thaw_graph_add_output(graph, sum));
    test_must(thaw_graph_finish(graph));
    return graph;
}

static thaw_tensor *run(const thaw_graph *graph, bool fuse, thaw_program **program)
{
    const thaw_program_options options = {.batch = 2, .fuse = fuse};
    thaw_tensor *x, *y;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &graph->inputs[0]->shape, &x));
    for (int64_t i = 0; i < x->count; i++)
        thaw_tensor_set(x, i, (double)(i - 50) / 9);
    test_must(thaw_program_create(graph, test_device(), &options, program));
    test_must(thaw_program_write(*program, 0, x));
    test_must(thaw_program_forward(*program));
    test_must(thaw_program_read(*program, 0, &y));
    thaw_tensor_release(&x);
    return y;
}

static void test_forms(void)
{
    for (int form = X_FIRST; form < FORMS; form++) {
        thaw_program *plain, *fused;
        thaw_graph *graph = build((enum form)form);
        thaw_tensor *wanted = run(graph, false, &plain), *got = run(graph, true, &fused);
        const bool joined = fused->graph->node_count == 1 && strcmp(fused->graph->nodes[0]->op->name, "gelu") == 0;
        CU_ASSERT_EQUAL(joined, form < READ_TWICE);
        for (int64_t i = 0; i < wanted->count; i++)
            CU_ASSERT_DOUBLE_EQUAL(thaw_tensor_get(got, i), thaw_tensor_get(wanted, i), 2e-6);
        thaw_tensor_release(&wanted);
        thaw_tensor_release(&got);
        thaw_program_destroy(&plain);
        thaw_program_destroy(&fused);
        thaw_graph_destroy(&graph);
    }
}

void suite_gelu(void)
{
    static const test_entry tests[] = {{"five nodes as one", test_forms}};
    TEST_SUITE("gelu", tests);
}
