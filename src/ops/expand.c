/* Expand: broadcasts to a constant shape, both ways (a 1 in that shape keeps the input's dimension). */
#include "ops/shared/movement.h"
#include "ops/shared/terms.h"

#include <string.h>

typedef struct expand_state {
    thaw_move_state move; /* first: what thaw_move_forward() and thaw_move_fold() look at */
    thaw_terms backward;
} expand_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_node_known_attributes(node, ""));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(expand_state), &node->state);
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *input = node->inputs[0];
    thaw_move *move = &((expand_state *)node->state)->move.move;
    thaw_shape target = {0}, shape;
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_node_constant_ints(node, 1, target.dims, &target.rank));
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &input->shape, &target, &shape);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "Expand '%s'", node->name);
    THAW_TRY(thaw_node_set_output(node, 0, input->dtype, &shape));
    *move = thaw_move_into(&shape);
    thaw_broadcast_strides(&input->shape, &shape, move->from_stride);
    return THAW_OK;
}

/* The gradient of an element is the sum over its copies. */
static thaw_status prepare(thaw_node *node)
{
    expand_state *state = node->state;
    const thaw_move *move = &state->move.move;
    thaw_terms *terms = &state->backward;
    THAW_TRY(thaw_mover_prepare(thaw_node_device(node), move, false, &state->move.forward));
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    *terms = (thaw_terms){.term = THAW_TERM_PLAIN, .scale = 1, .rank = move->rank};
    memcpy(terms->extent, move->extent, sizeof terms->extent);
    memcpy(terms->stride[THAW_FROM], move->to_stride, sizeof terms->stride[THAW_FROM]);
    memcpy(terms->stride[THAW_TO], move->from_stride, sizeof terms->stride[THAW_TO]);
    return thaw_terms_prepare(thaw_node_device(node), terms);
}

static thaw_status backward(thaw_node *node)
{
    const expand_state *state = node->state;
    return thaw_terms_run(thaw_node_device(node), &state->backward, node->inputs[0]->gradient,
                          node->outputs[0]->gradient, NULL, NULL, true);
}

static void release(thaw_node *node)
{
    thaw_terms_release(&((expand_state *)node->state)->backward);
}

const thaw_op thaw_op_expand = {
    .name = "expand",
    .onnx_type = "Expand",
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = prepare,
    .forward = thaw_move_forward,
    .backward = backward,
    .release = release,
};
