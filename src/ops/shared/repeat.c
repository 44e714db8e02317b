#include "ops/shared/repeat.h"

#include <string.h>

thaw_status thaw_repeat_attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_node_known_attributes(node, ""));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_repeat), &node->state);
}

thaw_status thaw_repeat_prepare(thaw_node *node)
{
    thaw_repeat *state = node->state;
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

thaw_status thaw_repeat_backward(thaw_node *node)
{
    const thaw_repeat *state = node->state;
    return thaw_terms_run(thaw_node_device(node), &state->backward, node->inputs[0]->gradient,
                          node->outputs[0]->gradient, NULL, NULL, true);
}

void thaw_repeat_release(thaw_node *node)
{
    thaw_terms_release(&((thaw_repeat *)node->state)->backward);
}
