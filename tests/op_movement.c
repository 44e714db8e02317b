#include "op_movement.h"

#include "op_trial.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* Constant's attribute is written as tensors are in a table: it serves to read what is expected. */
static thaw_tensor *parse_expected(const char *text, op_subject *subject)
{
    char attributes[300];
    snprintf(attributes, sizeof attributes, "value=%s", text);
    const op_case row = {.attributes = attributes, .inputs = ""};
    test_must(op_subject_build("Constant", &row, 1, subject));
    return thaw_node_tensor(subject->node, "value");
}

static void compare(const op_trial *trial, const thaw_tensor *got, const thaw_tensor *wanted)
{
    char got_shape[THAW_SHAPE_TEXT], wanted_shape[THAW_SHAPE_TEXT];
    if (got->dtype != wanted->dtype || !thaw_shape_equal(&got->shape, &wanted->shape)) {
        trial_fail(trial, "got %s %s, wanted %s %s", thaw_dtype_text(got->dtype),
                   thaw_shape_text(&got->shape, got_shape), thaw_dtype_text(wanted->dtype),
                   thaw_shape_text(&wanted->shape, wanted_shape));
        return;
    }
    for (int64_t i = 0; i < got->count; i++)
        if (thaw_tensor_get(got, i) != thaw_tensor_get(wanted, i)) {
            trial_fail(trial, "element %lld is %g, wanted %g", (long long)i, thaw_tensor_get(got, i),
                       thaw_tensor_get(wanted, i));
            return;
        }
    CU_ASSERT(memcmp(got->data, wanted->data, got->bytes) == 0);
}

void op_check_folded(const op_folded_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const op_case row = {.attributes = cases[i].attributes, .inputs = cases[i].inputs, .opset = cases[i].opset};
        op_trial trial = {.type = cases[i].type, .row = &row};
        op_subject expected;
        const thaw_tensor *wanted = parse_expected(cases[i].expected, &expected);
        const thaw_status built = op_subject_build(cases[i].type, &row, 1, &trial.subject);
        thaw_node *node = trial.subject.node;
        if (trial_succeeded(&trial, built, "graph") && trial_succeeded(&trial, node->op->infer(node), "infer") &&
            trial_succeeded(&trial, node->op->fold(node), "fold"))
            compare(&trial, node->outputs[0]->constant, wanted);
        op_subject_free(&trial.subject);
        op_subject_free(&expected);
    }
}

void op_subject_replace(op_subject *subject, thaw_dtype dtype, const thaw_shape *shape, const double *elements)
{
    thaw_value *value = subject->node->inputs[0];
    thaw_tensor_release(&value->constant);
    test_must(thaw_tensor_create(test_context(), dtype, shape, &value->constant));
    for (int64_t i = 0; i < value->constant->count; i++)
        thaw_tensor_set(value->constant, i, elements[i]);
    value->dtype = dtype;
    value->shape = *shape;
}

void op_unravel(const thaw_shape *shape, int64_t index, int64_t place[THAW_MAX_RANK])
{
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        place[d] = index % shape->dims[d];
        index /= shape->dims[d];
    }
}

int64_t op_ravel(const thaw_shape *shape, const int64_t place[THAW_MAX_RANK])
{
    int64_t index = 0;
    for (int32_t d = 0; d < shape->rank; d++)
        index = index * shape->dims[d] + place[d];
    return index;
}
