#include "op_harness.h"

#include "op_trial.h"
#include "test.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TINY_ELEMENTS   700
#define DIFFERENCE_STEP 1e-4
#define BITS_OF_ONE     0x3f800000

static size_t output_count(const op_trial *trial)
{
    return trial->subject.node->output_count;
}

static void compare_outputs(const op_trial *trial, thaw_tensor *const *results, double tolerance)
{
    for (size_t i = 0; i < output_count(trial); i++) {
        const thaw_shape *shape = &trial->subject.node->outputs[i]->shape;
        const double slack = tolerance * trial_largest(trial->wanted[i], thaw_shape_size(shape));
        trial_compare(trial, "output", i, shape, results[i], trial->wanted[i], slack);
    }
}

static void compare_bits(const op_trial *trial, thaw_tensor *const *first, thaw_tensor *const *second)
{
    for (size_t i = 0; i < output_count(trial); i++)
        if (first[i]->bytes != second[i]->bytes || memcmp(first[i]->data, second[i]->data, first[i]->bytes) != 0)
            trial_fail(trial, "output %zu: a second run gave other bits", i);
}

static void release_all(thaw_tensor **tensors)
{
    for (size_t i = 0; i < OP_MOST_OUTPUTS; i++)
        thaw_tensor_release(&tensors[i]);
}

static void check_row(op_trial trial, uint64_t seed, op_reference reference, double tolerance)
{
    thaw_tensor *first[OP_MOST_OUTPUTS] = {0}, *second[OP_MOST_OUTPUTS] = {0};
    if (trial_begin(&trial, seed, false)) {
        trial_reference(&trial, reference, trial.wanted);
        if (trial_forward(&trial, first)) {
            compare_outputs(&trial, first, tolerance);
            if (trial_forward(&trial, second))
                compare_bits(&trial, first, second);
        }
    }
    release_all(first);
    release_all(second);
    trial_end(&trial);
}

static bool left_out(const op_case *row)
{
    return test_tiny() && op_case_elements(row) > TINY_ELEMENTS;
}

/* The user's own choices are set aside while cases run. */
typedef struct choices {
    char *algorithm, *layout;
} choices;

static char *copy_variable(const char *name)
{
    const char *set = getenv(name);
    return set ? strdup(set) : NULL;
}

static choices save_choices(void)
{
    return (choices){copy_variable("THAW_ALGORITHM"), copy_variable("THAW_LAYOUT")};
}

static void restore_choices(choices saved)
{
    trial_force_algorithm(saved.algorithm);
    trial_force_layout(!saved.layout ? 0 : strcmp(saved.layout, "nhwc") == 0 ? THAW_BLOCK_ALL : atoi(saved.layout));
    free(saved.algorithm);
    free(saved.layout);
}

/* Each row by the operator's choice and by the named algorithms; in blocks, by these alone if there are any. */
static void check_rows(op_trial trial, const op_case *cases, size_t count, op_reference reference, double tolerance,
                       const char *algorithms)
{
    for (size_t i = 0; i < count; i++) {
        if (left_out(&cases[i]))
            continue;
        trial.row = &cases[i];
        trial.algorithm = NULL;
        if (!algorithms || !trial.layout)
            check_row(trial, i + 1, reference, tolerance);
        char list[256];
        char *rest = NULL;
        snprintf(list, sizeof list, "%s", algorithms ? algorithms : "");
        for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
            trial.algorithm = name;
            check_row(trial, i + 1, reference, tolerance);
        }
    }
}

void op_check(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance,
              const char *algorithms)
{
    const choices saved = save_choices();
    check_rows((op_trial){.type = type}, cases, count, reference, tolerance, algorithms);
    restore_choices(saved);
}

/* Software renderers take long to compile wide blocks. */
static int32_t widest_layout(void)
{
    return test_tiny() ? 4 : 16;
}

void op_check_blocked(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance,
                      const char *algorithms)
{
    const choices saved = save_choices();
    for (int32_t layout = 4; layout <= widest_layout(); layout *= 2)
        check_rows((op_trial){.type = type, .layout = layout}, cases, count, reference, tolerance, algorithms);
    restore_choices(saved);
}

void op_check_layout(const char *type, int32_t layout, const op_case *cases, size_t count, op_reference reference,
                     double tolerance, const char *algorithms)
{
    const choices saved = save_choices();
    check_rows((op_trial){.type = type, .layout = layout}, cases, count, reference, tolerance, algorithms);
    restore_choices(saved);
}

void op_check_amid_blocks(const char *type, const op_case *cases, size_t count, op_reference reference,
                          double tolerance)
{
    const choices saved = save_choices();
    for (int32_t layout = 4; layout <= widest_layout(); layout *= 2)
        check_rows((op_trial){.type = type, .layout = layout, .pooled = true}, cases, count, reference, tolerance,
                   NULL);
    check_rows((op_trial){.type = type, .layout = THAW_BLOCK_ALL, .pooled = true}, cases, count, reference, tolerance,
               NULL);
    restore_choices(saved);
}

/* The functional whose gradient is checked: the sum of weights[i] * output0[i]. */
static double functional(op_trial *trial, op_reference reference, const double *weights)
{
    double sum = 0;
    const int64_t count = thaw_shape_size(&trial->subject.node->outputs[0]->shape);
    trial_reference(trial, reference, trial->wanted);
    for (int64_t i = 0; i < count; i++)
        sum += weights[i] * trial->wanted[0][i];
    return sum;
}

/* Central differences of the functional in input `index`; freed by the caller. */
static double *difference_gradient(op_trial *trial, op_reference reference, const double *weights, size_t index)
{
    const int64_t count = trial->subject.tensors[index]->count;
    double *gradient = test_allocate(count, sizeof *gradient);
    for (int64_t i = 0; i < count; i++) {
        double *element = &trial->inputs[index][i];
        const double kept = *element;
        *element = kept + DIFFERENCE_STEP;
        const double above = functional(trial, reference, weights);
        *element = kept - DIFFERENCE_STEP;
        const double below = functional(trial, reference, weights);
        *element = kept;
        gradient[i] = (above - below) / (2 * DIFFERENCE_STEP);
    }
    return gradient;
}

/* The gradient that backward left for run-time input `at`. */
static thaw_tensor *read_gradient(const op_trial *trial, size_t at)
{
    const thaw_value *input = trial->program->graph->inputs[at];
    thaw_tensor *tensor;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, &input->shape, &tensor));
    if (tensor->bytes)
        test_must(thaw_buffer_read(input->gradient, 0, tensor->data, tensor->bytes));
    return tensor;
}

static void write_output_gradient(const op_trial *trial, const double *weights)
{
    thaw_graph *graph = trial->program->graph;
    for (size_t i = 0; i < graph->output_count; i++) {
        const int64_t count = thaw_shape_size(&graph->outputs[i]->shape);
        if (!graph->outputs[i]->gradient || count == 0)
            continue;
        float *numbers = test_allocate(count, sizeof *numbers);
        for (int64_t j = 0; j < count && i == 0; j++)
            numbers[j] = (float)weights[j];
        test_must(thaw_buffer_write(graph->outputs[i]->gradient, 0, numbers, (size_t)count * sizeof *numbers));
        free(numbers);
    }
}

/* As it lies in its buffer. */
static float *read_stored(const thaw_value *value, thaw_buffer *buffer, int64_t *count)
{
    const thaw_shape stored = thaw_value_stored(value);
    *count = thaw_shape_size(&stored);
    float *numbers = test_allocate(*count, sizeof *numbers);
    if (*count)
        test_must(thaw_buffer_read(buffer, 0, numbers, (size_t)*count * sizeof *numbers));
    return numbers;
}

/* Does element `index` of a buffer only fill a block of channels up? */
static bool is_spare(const thaw_value *value, int64_t index)
{
    if (value->block <= 1 || value->shape.rank != 4)
        return false;
    const int64_t block = value->block, plane = thaw_shape_span(&value->shape, 2, 4) * block;
    const int64_t blocks = (value->shape.dims[1] + block - 1) / block;
    return index / plane % blocks * block + index % block >= value->shape.dims[1];
}

/* Puts a number into what fills blocks up. */
static void spoil_spare(const thaw_value *value, thaw_buffer *buffer)
{
    int64_t count;
    if (!value || !buffer || value->block <= 1 || value->shape.rank != 4)
        return;
    float *numbers = read_stored(value, buffer, &count);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = is_spare(value, i) ? 100 : numbers[i];
    if (count)
        test_must(thaw_buffer_write(buffer, 0, numbers, (size_t)count * sizeof *numbers));
    free(numbers);
}

static void compare_added(const op_trial *trial, size_t index, const thaw_value *input, const float *alone)
{
    int64_t count;
    float *added = read_stored(input, input->gradient, &count);
    double largest = 1;
    for (int64_t i = 0; i < count; i++)
        largest = fabs((double)alone[i]) > largest ? fabs((double)alone[i]) : largest;
    for (int64_t i = 0; i < count; i++) {
        const bool spare = is_spare(input, i);
        if (spare ? isfinite(added[i]) : fabs((double)added[i] - (double)alone[i] - 1) <= 1e-5 * largest)
            continue;
        trial_fail(trial, "gradient of input %zu, element %lld%s: %.9g, added to 1 %.9g", index, (long long)i,
                   spare ? " (spare)" : "", (double)alone[i], (double)added[i]);
        break;
    }
    free(added);
}

/* Runs the operator's backward over gradients that are 1 already: it must add. Channels that fill up must not count. */
static void check_accumulation(op_trial *trial, size_t index)
{
    thaw_node *node = trial_node(trial);
    if (!node || !node->op->backward)
        return;
    int64_t count;
    thaw_value *input = node->inputs[index];
    float *alone = read_stored(input, input->gradient, &count);
    for (size_t i = 0; i < node->input_count; i++)
        spoil_spare(node->inputs[i], node->inputs[i] ? node->inputs[i]->buffer : NULL);
    spoil_spare(node->outputs[0], node->outputs[0]->buffer);
    spoil_spare(node->outputs[0], node->outputs[0]->gradient);
    input->gradient_begins = NULL;
    if (count)
        test_must(thaw_buffer_fill(input->gradient, 0, BITS_OF_ONE, (size_t)count * sizeof *alone));
    if (trial_succeeded(trial, node->op->backward(node), "backward alone"))
        compare_added(trial, index, input, alone);
    free(alone);
}

static void check_input_gradient(op_trial *trial, op_reference reference, const double *weights, size_t at,
                                 size_t index, double tolerance)
{
    if (!trial->program->graph->inputs[at]->gradient) {
        trial_fail(trial, "input %zu has no gradient", index);
        return;
    }
    double *wanted = difference_gradient(trial, reference, weights, index);
    thaw_tensor *first = read_gradient(trial, at);
    const double slack = tolerance * trial_largest(wanted, first->count) + 1e-7;
    trial_compare(trial, "gradient of input", index, &first->shape, first, wanted, slack);

    if (trial_succeeded(trial, thaw_program_backward(trial->program), "second backward")) {
        thaw_tensor *second = read_gradient(trial, at);
        if (memcmp(first->data, second->data, first->bytes) != 0)
            trial_fail(trial, "gradient of input %zu: a second backward gave other bits", index);
        thaw_tensor_release(&second);
    }
    check_accumulation(trial, index);
    thaw_tensor_release(&first);
    free(wanted);
}

static void check_row_gradient(op_trial *trial, op_reference reference, double tolerance)
{
    thaw_tensor *results[OP_MOST_OUTPUTS] = {0};
    const int64_t count = thaw_shape_size(&trial->subject.node->outputs[0]->shape);
    double *weights = test_allocate(count, sizeof *weights);
    thaw_random random = {1000003}; /* no row's: the functional must not look like an input */
    for (int64_t i = 0; i < count; i++)
        weights[i] = (double)(float)(2 * thaw_random_uniform(&random) - 1);
    trial_reference(trial, reference, trial->wanted);
    if (trial_forward(trial, results)) {
        size_t at = 0;
        compare_outputs(trial, results, tolerance);
        for (size_t i = 0; i < trial->subject.node->input_count; i++) {
            if (!trial->subject.at_run_time[i])
                continue;
            write_output_gradient(trial, weights);
            if (trial_succeeded(trial, thaw_program_backward(trial->program), "backward"))
                check_input_gradient(trial, reference, weights, at, i, tolerance);
            at++;
        }
    }
    release_all(results);
    free(weights);
}

static void check_gradients(op_trial model, const op_case *cases, size_t count, op_reference reference,
                            double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        op_trial trial = model;
        trial.row = &cases[i];
        if (left_out(&cases[i]))
            continue;
        if (trial_begin(&trial, i + 1, true))
            check_row_gradient(&trial, reference, tolerance);
        trial_end(&trial);
    }
}

void op_check_gradient(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance)
{
    const choices saved = save_choices();
    check_gradients((op_trial){.type = type}, cases, count, reference, tolerance);
    restore_choices(saved);
}

void op_check_gradient_blocked(const char *type, const op_case *cases, size_t count, op_reference reference,
                               double tolerance)
{
    const choices saved = save_choices();
    for (int32_t layout = 4; layout <= widest_layout(); layout *= 2)
        check_gradients((op_trial){.type = type, .layout = layout, .pooled = true}, cases, count, reference, tolerance);
    restore_choices(saved);
}

/* Each row by each of the named algorithms; all of them fit somewhere. */
static void check_gradients_by(op_trial model, const op_case *cases, size_t count, op_reference reference,
                               double tolerance, const char *algorithms)
{
    char list[256], *rest = NULL;
    snprintf(list, sizeof list, "%s", algorithms);
    for (model.algorithm = strtok_r(list, ",", &rest); model.algorithm; model.algorithm = strtok_r(NULL, ",", &rest))
        for (size_t i = 0; i < count; i++) {
            op_trial trial = model;
            trial.row = &cases[i];
            if (left_out(&cases[i]))
                continue;
            if (trial_begin(&trial, i + 1, true))
                check_row_gradient(&trial, reference, tolerance);
            trial_end(&trial);
        }
}

void op_check_gradient_by(const char *type, const op_case *cases, size_t count, op_reference reference,
                          double tolerance, const char *algorithms)
{
    const choices saved = save_choices();
    check_gradients_by((op_trial){.type = type, .layout = 1}, cases, count, reference, tolerance, algorithms);
    restore_choices(saved);
}

void op_check_gradient_in_blocks(const char *type, const op_case *cases, size_t count, op_reference reference,
                                 double tolerance, const char *algorithms)
{
    const choices saved = save_choices();
    for (int32_t layout = 4; layout <= widest_layout(); layout *= 2)
        check_gradients_by((op_trial){.type = type, .layout = layout}, cases, count, reference, tolerance, algorithms);
    restore_choices(saved);
}

void op_check_refused(const char *type, const op_case *cases, size_t count, thaw_status status)
{
    for (size_t i = 0; i < count; i++) {
        op_trial trial = {.type = type, .row = &cases[i]};
        thaw_status got = op_subject_build(type, &cases[i], i + 1, &trial.subject);
        thaw_node *node = trial.subject.node;
        if (got == THAW_OK)
            got = node->op->infer(node);
        if (got != status)
            trial_fail(&trial, "got '%s', wanted '%s' (%s)", thaw_status_text(got), thaw_status_text(status),
                       thaw_error_message(test_context()));
        else
            CU_PASS("refused");
        op_subject_free(&trial.subject);
    }
}
