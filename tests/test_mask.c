/* Masks on the device: comparisons and logic of what is computed, Cast to bool and back, Where. */
#include "op_movement.h"
#include "op_trial.h"
#include "test.h"

#include <math.h>
#include <string.h>

static bool answer(const char *type, double a, double b)
{
    if (strcmp(type, "Equal") == 0)
        return a == b;
    if (strncmp(type, "Less", 4) == 0)
        return a < b || (type[4] && a == b);
    return a > b || (type[7] && a == b);
}

/* Element `index` of y, in a tensor that is broadcast to it. */
static double element(const thaw_node *node, int64_t index, size_t input, const double *const *inputs)
{
    const thaw_shape *x = &node->inputs[input]->shape, *y = &node->outputs[0]->shape;
    int64_t place[THAW_MAX_RANK], own[THAW_MAX_RANK];
    op_unravel(y, index, place);
    for (int32_t d = 0; d < x->rank; d++)
        own[d] = x->dims[d] == 1 ? 0 : place[y->rank - x->rank + d];
    return inputs[input][op_ravel(x, own)];
}

static void compare(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->outputs[0]->shape); i++)
        outputs[0][i] = answer(node->op->onnx_type, element(node, i, 0, inputs), element(node, i, 1, inputs));
}

static void choose(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    for (int64_t i = 0; i < thaw_shape_size(&node->outputs[0]->shape); i++)
        outputs[0][i] = element(node, i, element(node, i, 0, inputs) != 0 ? 1 : 2, inputs);
}

static void test_comparisons(void)
{
    static const char *const types[] = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
    static const op_case cases[] = {
        {"", "3x7 3x7", 16, 0, NULL},   {"", "2x17x5 17x1", 16, 0, "extreme"},
        {"", "33 f:0.5", 16, 0, "nan"}, {"", "c:3x1 1x16", 16, 0, NULL},
        {"", "s s", 16, 0, NULL},       {"", "0x3 3", 16, 0, NULL},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        op_check(types[i], OP_CASES(cases), compare, 0, NULL);
}

static void test_where(void)
{
    static const op_case cases[] = {
        {"", "b:1,0,1 2x3 2x3", 0, 0, "extreme"},
        {"", "b:1,0,0,1,1,0@2x3x1 7 2x1x7", 0, 0, NULL},
        {"", "b:1,0@1x2x1x1 3x2x5x17 f:-100", 0, 0, NULL},
        {"", "b:0@s 15 c:15", 0, 0, NULL},
        {"", "b:1,1,0@3 s 2x1", 0, 0, NULL},
        {"", "b:1 0x3 3", 0, 0, NULL},
    };
    static const op_case many[] = {{"", "b:1,0@2x1 300 2x300", 0, 0, NULL}};
    op_check("Where", OP_CASES(cases), choose, 0, NULL);
    op_check("Where", OP_CASES(many), choose, 0, NULL);
    op_check_gradient("Where", cases + 1, 5, choose, 1e-5);
    op_check_gradient("Where", OP_CASES(many), choose, 1e-5);
}

/* --- several nodes --- */

typedef struct builder {
    thaw_graph *graph;
    thaw_value *x;
} builder;

static thaw_value *add(const builder *b, const char *type, thaw_value *first, thaw_value *second, thaw_value *third)
{
    thaw_value *const inputs[] = {first, second, third};
    const size_t count = third ? 3 : second ? 2 : 1;
    thaw_node *node;
    thaw_value *y;
    test_must(thaw_graph_add_node(b->graph, thaw_op_find(type), "", count, 1, &node));
    test_must(thaw_graph_add_value(b->graph, "", &y));
    for (size_t i = 0; i < count; i++)
        thaw_node_set_input(node, i, inputs[i]);
    thaw_node_set_output_value(node, 0, y);
    return y;
}

static void set_cast(const thaw_value *y, const char *to)
{
    op_subject_attributes(y->producer, to);
}

static thaw_value *add_number(const builder *b, float number)
{
    const thaw_shape scalar = {0};
    thaw_value *value;
    test_must(thaw_graph_add_value(b->graph, "", &value));
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &scalar, &value->constant));
    thaw_tensor_set(value->constant, 0, (double)number);
    value->dtype = THAW_FLOAT32;
    value->shape_known = true;
    return value;
}

enum { COUNT = 35 };

static void begin(builder *b)
{
    test_must(thaw_graph_create(test_context(), &b->graph));
    b->graph->opset = 16;
    test_must(thaw_graph_add_value(b->graph, "x", &b->x));
    b->x->dtype = THAW_FLOAT32;
    b->x->shape = (thaw_shape){2, {5, 7}};
    b->x->shape_known = true;
    test_must(thaw_graph_add_input(b->graph, b->x));
}

/* Between 0.25 and 1.5, or not below 3 (as x * 1 there and as 0.5 * x elsewhere). */
static bool holds(float x)
{
    return (x > 0.25f && x < 1.5f) || !(x < 3.0f);
}

static thaw_value *build_mask(const builder *b)
{
    thaw_value *between = add(b, "And", add(b, "Greater", b->x, add_number(b, 0.25f), NULL),
                              add(b, "Less", b->x, add_number(b, 1.5f), NULL), NULL);
    return add(b, "Or", between, add(b, "Not", add(b, "Less", b->x, add_number(b, 3.0f), NULL), NULL, NULL), NULL);
}

static thaw_tensor *numbers(void)
{
    const thaw_shape shape = {2, {5, 7}};
    thaw_tensor *tensor;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &tensor));
    for (int64_t i = 0; i < COUNT; i++)
        thaw_tensor_set(tensor, i, (double)(i % 13) * 0.375 - 0.5);
    return tensor;
}

static void test_masks_as_outputs(void)
{
    builder b;
    begin(&b);
    thaw_value *mask = build_mask(&b), *number = add(&b, "Cast", mask, NULL, NULL);
    set_cast(number, "to=1");
    thaw_value *again = add(&b, "Cast", add(&b, "Mul", number, b.x, NULL), NULL, NULL);
    set_cast(again, "to=9");
    thaw_value *either = add(&b, "Xor", again, mask, NULL);
    test_must(thaw_graph_add_output(b.graph, mask));
    test_must(thaw_graph_add_output(b.graph, either));
    test_must(thaw_graph_finish(b.graph));
    const thaw_program_options options = {.batch = 5};
    thaw_program *program;
    thaw_tensor *x = numbers(), *got[2];
    test_must(thaw_program_create(b.graph, test_device(), &options, &program));
    test_must(thaw_program_write(program, 0, x));
    test_must(thaw_program_forward(program));
    for (size_t i = 0; i < 2; i++) {
        test_must(thaw_program_read(program, i, &got[i]));
        CU_ASSERT_EQUAL(got[i]->dtype, THAW_BOOL);
    }
    for (int64_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(thaw_tensor_get_int(got[0], i), holds(((const float *)x->data)[i]));
        CU_ASSERT_EQUAL(thaw_tensor_get_int(got[1], i), 0);
    }
    thaw_tensor_release(&got[0]);
    thaw_tensor_release(&got[1]);
    thaw_tensor_release(&x);
    thaw_program_destroy(&program);
    thaw_graph_destroy(&b.graph);
}

/* Gradients go through what was chosen, and not through the question. */
static void test_gradient_through_masks(void)
{
    builder b;
    begin(&b);
    thaw_value *scale = add_number(&b, 0.5f);
    scale->trainable = true;
    thaw_value *scaled = add(&b, "Mul", b.x, scale, NULL);
    thaw_value *mask = add(&b, "Less", scaled, add_number(&b, 0.75f), NULL);
    thaw_value *y = add(&b, "Where", mask, scaled, b.x);
    test_must(thaw_graph_add_output(b.graph, y));
    test_must(thaw_graph_finish(b.graph));
    const thaw_program_options options = {.batch = 5, .differentiable = true};
    thaw_program *program;
    thaw_tensor *x = numbers(), *ones = numbers();
    double wanted = 0;
    float got;
    for (int64_t i = 0; i < COUNT; i++) {
        const double number = thaw_tensor_get(x, i);
        wanted += number * 0.5 < 0.75 ? number : 0;
        thaw_tensor_set(ones, i, 1);
    }
    test_must(thaw_program_create(b.graph, test_device(), &options, &program));
    test_must(thaw_program_write(program, 0, x));
    test_must(thaw_program_forward(program));
    test_must(thaw_buffer_write(program->graph->outputs[0]->gradient, 0, ones->data, ones->bytes));
    test_must(thaw_program_backward(program));
    for (size_t i = 0; i < program->graph->value_count; i++)
        if (program->graph->values[i]->trainable) {
            test_must(thaw_buffer_read(program->graph->values[i]->gradient, 0, &got, sizeof got));
            CU_ASSERT_DOUBLE_EQUAL((double)got, wanted, 1e-4);
        }
    thaw_tensor_release(&x);
    thaw_tensor_release(&ones);
    thaw_program_destroy(&program);
    thaw_graph_destroy(&b.graph);
}

static void test_refused(void)
{
    static const op_case unsupported[] = {{"", "b:1,0 i:1,2 2", 0, 0, NULL}};
    op_check_refused("Where", OP_CASES(unsupported), THAW_ERR_MODEL);
}

void suite_mask(void)
{
    static const test_entry tests[] = {{"comparisons", test_comparisons},
                                       {"Where", test_where},
                                       {"masks as outputs", test_masks_as_outputs},
                                       {"gradients", test_gradient_through_masks},
                                       {"refused", test_refused}};
    TEST_SUITE("mask", tests);
}
