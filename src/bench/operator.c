#include "bench/operator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Products of numbers that the reference computes for a verification. */
#define REFERENCE_PRODUCTS INT64_C(4000000)
#define LEAST_SAMPLES      256
#define MOST_SAMPLES       20000

static thaw_status add_value(thaw_graph *graph, const char *name, const thaw_shape *shape, thaw_value **value)
{
    THAW_TRY(thaw_graph_add_value(graph, name, value));
    if (!shape)
        return THAW_OK;
    (*value)->dtype = THAW_FLOAT32;
    (*value)->shape = *shape;
    (*value)->shape_known = true;
    return THAW_OK;
}

static thaw_status add_attributes(thaw_node *node, const thaw_bench_attribute *attributes)
{
    for (size_t i = 0; i < THAW_BENCH_ATTRIBUTES && attributes[i].name; i++) {
        if (attributes[i].count)
            THAW_TRY(thaw_node_add_ints(node, attributes[i].name, attributes[i].ints, attributes[i].count));
        else
            THAW_TRY(thaw_node_add_int(node, attributes[i].name, attributes[i].ints[0]));
    }
    return THAW_OK;
}

/* Lets the node read *value from what stores it in blocks. */
static thaw_status add_pool(thaw_graph *graph, thaw_value **value)
{
    const int64_t one[] = {1, 1};
    thaw_node *pool;
    thaw_value *pooled;
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find("MaxPool"), "", 1, 1, &pool));
    THAW_TRY(thaw_node_add_ints(pool, "kernel_shape", one, 2));
    THAW_TRY(add_value(graph, "pooled", NULL, &pooled));
    thaw_node_set_input(pool, 0, *value);
    thaw_node_set_output_value(pool, 0, pooled);
    *value = pooled;
    return THAW_OK;
}

static thaw_status add_constant(thaw_bench_operator *op, size_t index, thaw_node *node)
{
    const thaw_shape *shape = &op->options.constants[index];
    const double range = op->options.high - op->options.low;
    thaw_random random = {op->bench->options.seed * 8 + index + 1};
    thaw_value *value;
    THAW_TRY(add_value(op->graph, "", shape, &value));
    thaw_node_set_input(node, 1 + index, value);
    THAW_TRY(thaw_tensor_create(op->bench->context, THAW_FLOAT32, shape, &value->constant));
    op->constants[index] = value->constant->data;
    for (int64_t i = 0; i < value->constant->count; i++)
        op->constants[index][i] = (float)(op->options.low + range * thaw_random_uniform(&random));
    value->trainable = op->options.pass == THAW_BENCH_BACKWARD_WEIGHTS && index == 0;
    return THAW_OK;
}

static thaw_status build_graph(thaw_bench_operator *op)
{
    const thaw_bench_operator_options *options = &op->options;
    thaw_value *input, *x, *y;
    thaw_node *node;
    THAW_TRY(thaw_graph_create(op->bench->context, &op->graph));
    op->graph->opset = 17;
    THAW_TRY(add_value(op->graph, "x", &options->x, &input));
    THAW_TRY(thaw_graph_add_input(op->graph, input));
    input->trainable = options->pass == THAW_BENCH_BACKWARD_DATA;
    x = input;
    if (options->amid_blocks)
        THAW_TRY(add_pool(op->graph, &x));
    THAW_TRY(
        thaw_graph_add_node(op->graph, thaw_op_find(options->type), "operator", 1 + options->constant_count, 1, &node));
    thaw_node_set_input(node, 0, x);
    THAW_TRY(add_attributes(node, options->attributes));
    for (size_t i = 0; i < options->constant_count; i++)
        THAW_TRY(add_constant(op, i, node));
    THAW_TRY(add_value(op->graph, "y", NULL, &y));
    thaw_node_set_output_value(node, 0, y);
    THAW_TRY(thaw_graph_add_output(op->graph, y));
    return thaw_graph_finish(op->graph);
}

static thaw_node *find_node(const thaw_graph *graph, const char *type)
{
    thaw_node *found = NULL;
    for (size_t i = 0; i < graph->node_count; i++)
        if (thaw_node_is(graph->nodes[i], type))
            found = graph->nodes[i];
    return found;
}

static thaw_status fill_inputs(thaw_bench_operator *op)
{
    thaw_bench *bench = op->bench;
    const thaw_graph *graph = op->program->graph;
    const size_t count = (size_t)thaw_shape_size(&op->options.x), results = (size_t)thaw_shape_size(&op->y);
    const uint64_t seed = bench->options.seed * 8;
    if (!op->x)
        THAW_TRY(thaw_allocate(bench->context, count, sizeof *op->x, &op->x));
    THAW_TRY(thaw_bench_random(bench, seed, count, op->x, graph->inputs[0]->buffer));
    if (op->options.pass == THAW_BENCH_FORWARD)
        return THAW_OK;
    if (!op->dy)
        THAW_TRY(thaw_allocate(bench->context, results, sizeof *op->dy, &op->dy));
    return thaw_bench_random(bench, seed + 7, results, op->dy, graph->outputs[0]->gradient);
}

static thaw_status make_program(thaw_bench_operator *op)
{
    const bool forward = op->options.pass == THAW_BENCH_FORWARD;
    const thaw_program_options options = {
        .shapes = &op->options.x, .fuse = forward, .differentiable = !forward, .keep = true};
    THAW_TRY(build_graph(op));
    THAW_TRY(thaw_program_create(op->graph, op->bench->device, &options, &op->program));
    op->y = op->program->graph->outputs[0]->shape;
    op->node = find_node(op->program->graph, op->options.type);
    if (!op->node)
        return thaw_fail(op->bench->context, THAW_ERR_UNSUPPORTED, "%s has become something else", op->options.type);
    THAW_TRY(fill_inputs(op));
    THAW_TRY(thaw_program_forward(op->program)); /* all that the node reads is there */
    return forward ? THAW_OK : thaw_program_backward(op->program);
}

static void close_operator(void *user)
{
    thaw_bench_operator *op = user;
    thaw_program_destroy(&op->program);
    thaw_graph_destroy(&op->graph);
    free(op->x);
    free(op->dy);
    free(op);
}

static thaw_status run(void *user)
{
    const thaw_bench_operator *op = user;
    return op->options.pass == THAW_BENCH_FORWARD ? op->node->op->forward(op->node) : thaw_node_backward(op->node);
}

/* What the program computes, row-major: its output, or the gradient that is asked for. */
static thaw_status read_result(const thaw_bench_operator *op, thaw_tensor **result)
{
    const thaw_graph *graph = op->program->graph;
    if (op->options.pass == THAW_BENCH_FORWARD)
        return thaw_program_read(op->program, 0, result);
    const thaw_value *value = op->options.pass == THAW_BENCH_BACKWARD_DATA ? graph->inputs[0] : op->node->inputs[1];
    if (!value->gradient)
        return thaw_fail(op->bench->context, THAW_ERR_UNSUPPORTED, "no gradient was asked for");
    THAW_TRY(thaw_tensor_create(op->bench->context, THAW_FLOAT32, &value->shape, result));
    return thaw_buffer_read(value->gradient, 0, (*result)->data, (*result)->bytes);
}

static thaw_status verify(void *user, double *error)
{
    const thaw_bench_operator *op = user;
    const int64_t affordable = REFERENCE_PRODUCTS / op->products(op);
    const int64_t samples = affordable < LEAST_SAMPLES  ? LEAST_SAMPLES
                            : affordable > MOST_SAMPLES ? MOST_SAMPLES
                                                        : affordable;
    thaw_tensor *result = NULL;
    THAW_TRY(thaw_program_forward(op->program));
    if (op->options.pass != THAW_BENCH_FORWARD)
        THAW_TRY(thaw_program_backward(op->program));
    const thaw_status status = read_result(op, &result);
    if (status == THAW_OK)
        *error = thaw_bench_compare(result->data, result->count, samples, op->bench->options.seed, op->reference, op);
    thaw_tensor_release(&result);
    return status;
}

thaw_status thaw_bench_operator_open(thaw_bench *bench, const thaw_bench_operator *wanted, thaw_bench_subject *subject)
{
    thaw_bench_operator *op;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *op, &op));
    *op = *wanted;
    op->bench = bench;
    *subject = (thaw_bench_subject){.verify = verify, .run = run, .close = close_operator, .user = op};
    return make_program(op);
}
