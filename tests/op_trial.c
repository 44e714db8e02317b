#include "op_trial.h"

#include "test.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define GUARD_BYTES       ((size_t)256)
#define NAN_PATTERN       0x7fc0dead
#define SHOWN_DIFFERENCES 3

static thaw_context *shared_context;
static thaw_device *shared_device;

static void close_shared(void)
{
    thaw_device_close(&shared_device);
    thaw_context_destroy(&shared_context);
}

thaw_context *test_context(void)
{
    if (!shared_context) {
        if (thaw_context_create(&shared_context) != THAW_OK)
            abort();
        test_at_end(close_shared);
    }
    return shared_context;
}

thaw_device *test_device(void)
{
    if (!shared_device && thaw_device_open(test_context(), NULL, &shared_device) != THAW_OK) {
        fprintf(stderr, "no device to test on: %s\n", thaw_error_message(test_context()));
        abort();
    }
    return shared_device;
}

bool test_tiny(void)
{
    return getenv("THAW_TEST_TINY") != NULL;
}

void trial_fail(const op_trial *trial, const char *format, ...)
{
    char reason[512], line[1536];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "%s {%s} on '%s'%s%s%s%s: %s", trial->type,
             trial->row->attributes ? trial->row->attributes : "", trial->row->inputs ? trial->row->inputs : "",
             trial->row->values ? " " : "", trial->row->values ? trial->row->values : "",
             trial->algorithm ? " by " : "", trial->algorithm ? trial->algorithm : "", reason);
    CU_assertImplementation(CU_FALSE, __LINE__, line, __FILE__, "", CU_FALSE);
}

bool trial_succeeded(const op_trial *trial, thaw_status status, const char *what)
{
    if (status != THAW_OK)
        trial_fail(trial, "%s: %s (%s)", what, thaw_status_text(status), thaw_error_message(test_context()));
    else
        CU_PASS(what);
    return status == THAW_OK;
}

void test_must(thaw_status status)
{
    if (status != THAW_OK) {
        fprintf(stderr, "the test can't go on: %s\n", thaw_error_message(test_context()));
        abort();
    }
}

void *test_allocate(int64_t count, size_t size)
{
    void *memory;
    test_must(thaw_allocate(test_context(), (size_t)count, size, &memory));
    return memory;
}

thaw_node *trial_node(const op_trial *trial)
{
    const thaw_graph *graph = trial->program->graph;
    return graph->node_count == 1 ? graph->nodes[0] : NULL;
}

/* As it lies in its buffer. */
static size_t value_bytes(const thaw_value *value)
{
    const size_t element = thaw_dtype_is_float(value->dtype) ? sizeof(float) : thaw_dtype_bytes(value->dtype);
    return (size_t)thaw_shape_size(&value->shape) * element;
}

/* Outputs get buffers of our own with room behind them, so that a write past the end is seen. Views share their
 * input's memory and are left alone. */
static void guard_outputs(op_trial *trial)
{
    thaw_graph *graph = trial->program->graph;
    const thaw_node *node = trial_node(trial);
    if (!node || !node->op->forward)
        return;
    for (size_t i = 0; i < graph->output_count; i++) {
        thaw_value *output = graph->outputs[i];
        if (output->constant || !output->buffer)
            continue;
        test_must(thaw_buffer_create(test_device(), value_bytes(output) + GUARD_BYTES, &trial->own[i]));
        trial->kept[i] = output->buffer;
        output->buffer = trial->own[i];
    }
}

static void unguard_outputs(op_trial *trial)
{
    for (size_t i = 0; i < OP_MOST_OUTPUTS; i++) {
        if (!trial->own[i])
            continue;
        trial->program->graph->outputs[i]->buffer = trial->kept[i];
        thaw_buffer_destroy(&trial->own[i]);
    }
}

static void fill_with_nan(thaw_buffer *buffer)
{
    if (buffer)
        test_must(thaw_buffer_fill(buffer, 0, NAN_PATTERN, thaw_buffer_bytes(buffer) / 4 * 4));
}

static void check_guards(const op_trial *trial)
{
    for (size_t i = 0; i < OP_MOST_OUTPUTS; i++) {
        uint32_t guard[GUARD_BYTES / 4];
        if (!trial->own[i])
            continue;
        const size_t end = value_bytes(trial->program->graph->outputs[i]);
        test_must(thaw_buffer_read(trial->own[i], end, guard, sizeof guard));
        for (size_t j = 0; j < sizeof guard / sizeof *guard; j++) {
            if (guard[j] == NAN_PATTERN)
                continue;
            trial_fail(trial, "output %zu: wrote %zu elements past its end", i, j + 1);
            break;
        }
    }
}

void trial_force_algorithm(const char *name)
{
    if (name)
        setenv("THAW_ALGORITHM", name, 1);
    else
        unsetenv("THAW_ALGORITHM");
}

/* Inputs as doubles of the float-rounded contents, and room for what the reference says. Infers the source graph's own
 * node: a program may have folded its copy away. */
static bool prepare_reference(op_trial *trial)
{
    thaw_node *node = trial->subject.node;
    if (!trial_succeeded(trial, node->op->infer(node), "infer"))
        return false;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_tensor *tensor = trial->subject.tensors[i];
        if (!tensor)
            continue;
        trial->inputs[i] = test_allocate(tensor->count, sizeof(double));
        for (int64_t j = 0; j < tensor->count; j++)
            trial->inputs[i][j] = thaw_tensor_get(tensor, j);
    }
    for (size_t i = 0; i < node->output_count; i++)
        trial->wanted[i] = test_allocate(thaw_shape_size(&node->outputs[i]->shape), sizeof(double));
    return true;
}

void trial_reference(const op_trial *trial, op_reference reference, double *const *outputs)
{
    const double *inputs[OP_MOST_INPUTS];
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        inputs[i] = trial->inputs[i];
    reference(trial->subject.node, inputs, outputs);
}

bool trial_begin(op_trial *trial, const char *type, const op_case *row, const char *algorithm, uint64_t seed,
                 bool differentiable)
{
    *trial = (op_trial){.type = type, .row = row, .algorithm = algorithm};
    trial_force_algorithm(algorithm);
    if (!trial_succeeded(trial, op_subject_build(type, row, seed, &trial->subject), "graph"))
        return false;
    thaw_graph *graph = trial->subject.graph;
    thaw_shape shapes[OP_MOST_INPUTS] = {{0}};
    for (size_t i = 0; i < graph->input_count; i++) {
        shapes[i] = graph->inputs[i]->shape;
        graph->inputs[i]->trainable = differentiable;
    }
    const thaw_program_options options = {.shapes = shapes, .differentiable = differentiable};
    if (!trial_succeeded(trial, thaw_program_create(graph, test_device(), &options, &trial->program), "program"))
        return false;
    guard_outputs(trial);
    return prepare_reference(trial);
}

void trial_end(op_trial *trial)
{
    unguard_outputs(trial);
    thaw_program_destroy(&trial->program);
    op_subject_free(&trial->subject);
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        free(trial->inputs[i]);
    for (size_t i = 0; i < OP_MOST_OUTPUTS; i++)
        free(trial->wanted[i]);
    trial_force_algorithm(NULL);
}

/* Writes every run-time input. */
static void write_inputs(op_trial *trial)
{
    size_t at = 0;
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        if (trial->subject.at_run_time[i])
            test_must(thaw_program_write(trial->program, at++, trial->subject.tensors[i]));
}

bool trial_forward(op_trial *trial, thaw_tensor **results)
{
    thaw_graph *graph = trial->program->graph;
    for (size_t i = 0; i < graph->output_count; i++)
        if (!graph->outputs[i]->constant)
            fill_with_nan(graph->outputs[i]->buffer);
    fill_with_nan(graph->scratch);
    write_inputs(trial);
    if (!trial_succeeded(trial, thaw_program_forward(trial->program), "forward"))
        return false;
    for (size_t i = 0; i < graph->output_count; i++)
        if (!trial_succeeded(trial, thaw_program_read(trial->program, i, &results[i]), "read"))
            return false;
    check_guards(trial);
    return true;
}

double trial_largest(const double *values, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite((float)values[i]) && fabs(values[i]) > largest)
            largest = fabs(values[i]);
    return largest;
}

/* Whether a float result is what the reference says, rounded to float, give or take `slack`. */
static bool close_enough(double got, double wanted, double slack)
{
    const double rounded = (double)(float)wanted;
    if (isnan(rounded) || isnan(got))
        return isnan(rounded) && isnan(got);
    return got == wanted || got == rounded || fabs(got - wanted) <= slack;
}

void trial_compare(const op_trial *trial, const char *what, size_t index, const thaw_shape *shape,
                   const thaw_tensor *got, const double *wanted, double slack)
{
    char text[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
    int shown = 0;
    if (!thaw_shape_equal(&got->shape, shape)) {
        trial_fail(trial, "%s %zu: got shape %s, wanted %s", what, index, thaw_shape_text(&got->shape, text),
                   thaw_shape_text(shape, other));
        return;
    }
    for (int64_t i = 0; i < got->count && shown < SHOWN_DIFFERENCES; i++) {
        const double value = thaw_tensor_get(got, i);
        if (close_enough(value, wanted[i], slack))
            continue;
        trial_fail(trial, "%s %zu, element %lld of %s: got %.9g, wanted %.9g", what, index, (long long)i,
                   thaw_shape_text(shape, text), value, wanted[i]);
        shown++;
    }
    if (!shown)
        CU_PASS(what);
}
