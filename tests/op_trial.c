#include "op_trial.h"

#include "test.h"
#include "model/bind.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char reason[512], line[1536], layout[32] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (trial->layout == THAW_BLOCK_ALL)
        snprintf(layout, sizeof layout, " in NHWC");
    else if (trial->layout)
        snprintf(layout, sizeof layout, " in blocks of %d", (int)trial->layout);
    snprintf(line, sizeof line, "%s {%s} on '%s'%s%s%s%s%s: %s", trial->type,
             trial->row->attributes ? trial->row->attributes : "", trial->row->inputs ? trial->row->inputs : "",
             trial->row->values ? " " : "", trial->row->values ? trial->row->values : "",
             trial->algorithm ? " by " : "", trial->algorithm ? trial->algorithm : "", layout, reason);
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
    for (size_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->name, trial->subject.node->name) == 0)
            return graph->nodes[i];
    return NULL;
}

/* As it lies in its buffer. */
static size_t value_bytes(const thaw_value *value)
{
    const bool as_float = thaw_dtype_is_float(value->dtype) || value->dtype == THAW_BOOL;
    const size_t element = as_float ? sizeof(float) : thaw_dtype_bytes(value->dtype);
    const thaw_shape stored = thaw_value_stored(value);
    return (size_t)thaw_shape_size(&stored) * element;
}

/* Whether another value lives in the same memory: views share their input's, slices that of the whole. */
static bool is_shared(const thaw_graph *graph, const thaw_value *value)
{
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->whole == value)
            return true;
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op->flags & THAW_OP_VIEW && graph->nodes[i]->inputs[0] == value)
            return true;
    return value->whole != NULL;
}

static void guard_value(op_trial *trial, thaw_value *value)
{
    op_guard *guard = &trial->guards[trial->guard_count];
    if (!value || value->constant || !value->buffer || is_shared(trial->program->graph, value) ||
        trial->guard_count == OP_MOST_GUARDS)
        return;
    test_must(thaw_buffer_create(test_device(), value_bytes(value) + GUARD_BYTES, &guard->own));
    guard->value = value;
    guard->kept = value->buffer;
    value->buffer = guard->own;
    trial->guard_count++;
}

/* What nodes write gets buffers of our own with room behind them, so that a write past the end is seen. */
static void guard_results(op_trial *trial)
{
    const thaw_graph *graph = trial->program->graph;
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->output_count; j++)
            if (graph->nodes[i]->op->forward)
                guard_value(trial, graph->nodes[i]->outputs[j]);
}

static void unguard_results(op_trial *trial)
{
    for (size_t i = 0; i < trial->guard_count; i++) {
        trial->guards[i].value->buffer = trial->guards[i].kept;
        thaw_buffer_destroy(&trial->guards[i].own);
    }
    trial->guard_count = 0;
}

static void fill_with_nan(thaw_buffer *buffer)
{
    if (buffer)
        test_must(thaw_buffer_fill(buffer, 0, NAN_PATTERN, thaw_buffer_bytes(buffer) / 4 * 4));
}

/* Readers multiply padding channels by zero: they must have been written, with finite numbers (unless NaN came in). */
static void check_padding(const op_trial *trial, const thaw_value *value, const float *elements)
{
    const thaw_shape stored = thaw_value_stored(value);
    const int64_t block = thaw_block_lanes(value->block, value->shape.dims[1]), pixels = thaw_shape_span(&stored, 2, 4);
    const int64_t rest = value->shape.dims[1] % block, image = pixels * stored.dims[1] * block;
    if (rest == 0)
        return;
    for (int64_t i = 0; i < stored.dims[0] * pixels; i++)
        for (int64_t c = rest; c < block; c++)
            if (!isfinite(elements[i / pixels * image + image - (pixels - i % pixels) * block + c])) {
                trial_fail(trial, "channels behind the last are not finite at pixel %lld", (long long)i);
                return;
            }
}

static void check_guard(const op_trial *trial, const op_guard *guard)
{
    const size_t bytes = value_bytes(guard->value), all = bytes + GUARD_BYTES;
    char *memory = test_allocate((int64_t)all, 1);
    test_must(thaw_buffer_read(guard->own, 0, memory, all));
    for (size_t j = 0; j < GUARD_BYTES; j += 4) {
        uint32_t pattern;
        memcpy(&pattern, memory + bytes + j, 4);
        if (pattern == NAN_PATTERN)
            continue;
        trial_fail(trial, "'%s': wrote %zu elements past its end", guard->value->name, j / 4 + 1);
        break;
    }
    const char *values = trial->row->values;
    if (guard->value->block > 1 && guard->value->shape.rank == 4 && !(values && strcmp(values, "nan") == 0))
        check_padding(trial, guard->value, (const float *)memory);
    free(memory);
}

static void check_guards(const op_trial *trial)
{
    for (size_t i = 0; i < trial->guard_count; i++)
        check_guard(trial, &trial->guards[i]);
}

/* Not while anything runs: PoCL compiles then, in a thread of its own, and gives its linker the environment. */
static void change_environment(const char *name, const char *value)
{
    test_must(thaw_device_finish(test_device()));
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

void trial_force_algorithm(const char *name)
{
    change_environment("THAW_ALGORITHM", name);
}

void trial_force_layout(int32_t block)
{
    char text[16];
    snprintf(text, sizeof text, block == THAW_BLOCK_ALL ? "nhwc" : "%d", (int)block);
    change_environment("THAW_LAYOUT", block ? text : NULL);
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

bool trial_begin(op_trial *trial, uint64_t seed, bool differentiable)
{
    trial_force_algorithm(trial->algorithm);
    trial_force_layout(trial->layout);
    const thaw_status built = trial->pooled ? op_subject_build_pooled(trial->type, trial->row, seed, &trial->subject)
                                            : op_subject_build(trial->type, trial->row, seed, &trial->subject);
    if (!trial_succeeded(trial, built, "graph"))
        return false;
    thaw_graph *graph = trial->subject.graph;
    thaw_shape shapes[OP_MOST_INPUTS] = {{0}};
    for (size_t i = 0; i < graph->input_count; i++) {
        shapes[i] = graph->inputs[i]->shape;
        graph->inputs[i]->trainable = differentiable;
    }
    graph->training = graph->training && differentiable;
    const thaw_program_options options = {.shapes = shapes,
                                          .fuse = trial->layout != 0 && !differentiable,
                                          .differentiable = differentiable,
                                          .keep = differentiable};
    if (!trial_succeeded(trial, thaw_program_create(graph, test_device(), &options, &trial->program), "program"))
        return false;
    trial->program->graph->training = graph->training;
    trial->program->graph->step = 1;
    guard_results(trial);
    return prepare_reference(trial);
}

void trial_end(op_trial *trial)
{
    unguard_results(trial);
    thaw_program_destroy(&trial->program);
    op_subject_free(&trial->subject);
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        free(trial->inputs[i]);
    for (size_t i = 0; i < OP_MOST_OUTPUTS; i++)
        free(trial->wanted[i]);
    trial_force_algorithm(NULL);
    trial_force_layout(0);
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
    for (size_t i = 0; i < trial->guard_count; i++)
        fill_with_nan(trial->guards[i].own);
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
