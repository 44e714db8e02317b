#include "op_harness.h"

#include "op_trial.h"
#include "test.h"
#include "base/random.h"

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
    trial_force_layout(saved.layout ? atoi(saved.layout) : 0);
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

void op_check_amid_blocks(const char *type, const op_case *cases, size_t count, op_reference reference,
                          double tolerance)
{
    const choices saved = save_choices();
    for (int32_t layout = 4; layout <= widest_layout(); layout *= 2)
        check_rows((op_trial){.type = type, .layout = layout, .pooled = true}, cases, count, reference, tolerance,
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

/* Runs the operator's backward over gradients that are 1 already: it must add. */
static void check_accumulation(op_trial *trial, size_t at, size_t index, double *wanted, double slack)
{
    thaw_node *node = trial_node(trial);
    thaw_value *input = trial->program->graph->inputs[at];
    if (!node || !node->op->backward)
        return;
    input->gradient_begins = NULL;
    test_must(thaw_buffer_fill(input->gradient, 0, BITS_OF_ONE, (size_t)thaw_shape_size(&input->shape) * 4));
    if (!trial_succeeded(trial, node->op->backward(node), "backward alone"))
        return;
    thaw_tensor *tensor = read_gradient(trial, at);
    for (int64_t i = 0; i < tensor->count; i++)
        wanted[i] += 1;
    trial_compare(trial, "gradient added to 1 of input", index, &tensor->shape, tensor, wanted, slack + 1e-6);
    thaw_tensor_release(&tensor);
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
    check_accumulation(trial, at, index, wanted, slack);
    thaw_tensor_release(&first);
    free(wanted);
}

static void check_row_gradient(op_trial *trial, op_reference reference, double tolerance)
{
    thaw_tensor *results[OP_MOST_OUTPUTS] = {0};
    const int64_t count = thaw_shape_size(&trial->subject.node->outputs[0]->shape);
    double *weights = test_allocate(count, sizeof *weights);
    thaw_random random = {7};
    for (int64_t i = 0; i < count; i++)
        weights[i] = (double)(float)(2 * thaw_random_uniform(&random) - 1);
    if (trial_forward(trial, results)) {
        size_t at = 0;
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

void op_check_gradient(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance)
{
    const choices saved = save_choices();
    for (size_t i = 0; i < count; i++) {
        op_trial trial = {.type = type, .row = &cases[i]};
        if (left_out(&cases[i]))
            continue;
        if (trial_begin(&trial, i + 1, true))
            check_row_gradient(&trial, reference, tolerance);
        trial_end(&trial);
    }
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
