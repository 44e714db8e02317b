/* Where: x where the condition holds, y elsewhere; all three broadcast. */
#include "ops/shared/movement.h"
#include "ops/shared/terms.h"

#include <string.h>

enum { CONDITION, CHOICES, OPERANDS = 3, ROW = 1 + OPERANDS };

typedef struct where_state {
    int64_t stride[OPERANDS][THAW_MAX_RANK]; /* 0 where an input repeats */
    thaw_kernel *kernel;
    thaw_buffer *table; /* see cl/mask.cl */
    thaw_terms gradient[OPERANDS];
} where_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    THAW_TRY(thaw_node_known_attributes(node, ""));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(where_state), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *condition = node->inputs[0], *x = node->inputs[1], *y = node->inputs[2];
    thaw_context *context = thaw_node_context(node);
    thaw_shape shape;
    if (condition->dtype != THAW_BOOL || x->dtype != y->dtype)
        return thaw_node_fail(node, THAW_ERR_MODEL, "the condition is %s, the choices are %s and %s",
                              thaw_dtype_text(condition->dtype), thaw_dtype_text(x->dtype), thaw_dtype_text(y->dtype));
    thaw_status status = thaw_shape_broadcast(context, &condition->shape, &x->shape, &shape);
    if (status == THAW_OK)
        status = thaw_shape_broadcast(context, &shape, &y->shape, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(context, status, "Where '%s'", node->name);
    const bool constant = condition->constant && x->constant && y->constant;
    if (!constant && !thaw_dtype_is_float(x->dtype) && x->dtype != THAW_BOOL)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %s, not constant: only floating types run on the device",
                              thaw_dtype_text(x->dtype));
    for (int i = 0; i < OPERANDS; i++)
        thaw_broadcast_strides(&node->inputs[i]->shape, &shape, ((where_state *)node->state)->stride[i]);
    return thaw_node_set_output(node, 0, x->dtype, &shape);
}

static thaw_status fold(thaw_node *node)
{
    const where_state *state = node->state;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    const thaw_tensor *condition = node->inputs[0]->constant;
    const size_t bytes = thaw_dtype_bytes(output->dtype);
    char *to = output->data;
    for (int64_t i = 0; i < output->count; i++, to += bytes) {
        const int choice =
            thaw_tensor_get_int(condition, thaw_strided_index(&output->shape, state->stride[0], i)) != 0 ? 1 : 2;
        const int64_t at = thaw_strided_index(&output->shape, state->stride[choice], i);
        memcpy(to, (const char *)node->inputs[choice]->constant->data + (size_t)at * bytes, bytes);
    }
    return THAW_OK;
}

/* The gradient of a choice is the output's where it was taken. */
static thaw_status prepare_gradient(const thaw_node *node, int index)
{
    where_state *state = node->state;
    const thaw_shape *y = &node->outputs[0]->shape;
    thaw_terms *terms = &state->gradient[index];
    *terms = (thaw_terms){.term = index == CHOICES ? THAW_TERM_CHOSEN : THAW_TERM_PASSED, .scale = 1, .rank = y->rank};
    memcpy(terms->extent, y->dims, sizeof terms->extent);
    memcpy(terms->stride[THAW_TO], state->stride[index], sizeof terms->stride[THAW_TO]);
    thaw_shape_strides(y, terms->stride[THAW_FROM]);
    memcpy(terms->stride[THAW_Q], state->stride[CONDITION], sizeof terms->stride[THAW_Q]);
    return thaw_terms_prepare(thaw_node_device(node), terms);
}

static thaw_status prepare(thaw_node *node)
{
    where_state *state = node->state;
    const thaw_shape *y = &node->outputs[0]->shape;
    int64_t table[THAW_MAX_RANK * ROW + 1] = {0}, *row = table;
    for (int32_t d = y->rank - 1; d >= 0; d--, row += ROW) {
        row[0] = y->dims[d];
        for (int i = 0; i < OPERANDS; i++)
            row[1 + i] = state->stride[i][d];
    }
    for (int i = CHOICES; i < OPERANDS; i++)
        if (node->inputs[i]->gradient)
            THAW_TRY(prepare_gradient(node, i));
    thaw_buffer_destroy(&state->table);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), sizeof table, &state->table));
    THAW_TRY(thaw_buffer_write(state->table, 0, table, sizeof table));
    return thaw_kernel_get(thaw_node_device(node), "mask", "mask_choose", "", &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const where_state *state = node->state;
    const thaw_value *y = node->outputs[0];
    return thaw_kernel_launch(state->kernel, THAW_RANGE_1(thaw_shape_size(&y->shape)), THAW_BUFFER(y->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->inputs[1]->buffer),
                              THAW_BUFFER(node->inputs[2]->buffer), THAW_BUFFER(state->table), THAW_INT(y->shape.rank));
}

static thaw_status backward(thaw_node *node)
{
    const where_state *state = node->state;
    for (int i = CHOICES; i < OPERANDS; i++)
        if (node->inputs[i]->gradient)
            THAW_TRY(thaw_terms_run(thaw_node_device(node), &state->gradient[i], node->inputs[i]->gradient,
                                    node->outputs[0]->gradient, NULL, node->inputs[CONDITION]->buffer, true));
    return THAW_OK;
}

static void release(thaw_node *node)
{
    where_state *state = node->state;
    if (!state)
        return;
    thaw_buffer_destroy(&state->table);
    for (int i = 0; i < OPERANDS; i++)
        thaw_terms_release(&state->gradient[i]);
}

const thaw_op thaw_op_where = {
    .name = "where",
    .onnx_type = "Where",
    .flags = THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
