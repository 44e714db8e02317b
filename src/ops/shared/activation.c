#include "ops/shared/activation.h"

#include "ops/shared/elementwise.h"

#include <math.h>
#include <stdio.h>

static thaw_epilogue gelu(const thaw_elementwise *state)
{
    return (thaw_epilogue){.activation = state->function == THAW_GELU_TANH ? THAW_TANH_GELU : THAW_ERF_GELU};
}

bool thaw_activation_of(const thaw_node *node, thaw_epilogue *epilogue)
{
    if (node->op->flags & THAW_OP_GELU) {
        *epilogue = gelu(node->state);
        return true;
    }
    if (!(node->op->flags & THAW_OP_ACTIVATION))
        return false;
    const thaw_activation_state *state = node->state;
    *epilogue = state->epilogue;
    return !state->bounds_at_run_time;
}

thaw_status thaw_activation_create(thaw_node *node, thaw_activation activation, float alpha, float beta)
{
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_activation_state), &node->state));
    thaw_activation_state *state = node->state;
    state->epilogue = (thaw_epilogue){.activation = activation, .alpha = alpha, .beta = beta};
    return THAW_OK;
}

thaw_status thaw_activation_infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    THAW_TRY(thaw_node_float_inputs(node));
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &x->shape));
    node->flops = thaw_shape_size(&x->shape);
    return THAW_OK;
}

/* What lies beside the channels of the last block must stay finite. */
int32_t thaw_activation_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const thaw_activation_state *state = node->state;
    (void)block;
    if (state->bounds_at_run_time || !isfinite(state->epilogue.alpha) || !isfinite(state->epilogue.beta))
        return 1;
    return wanted[0] = node->inputs[0]->block;
}

thaw_status thaw_activation_get_backward(const thaw_node *node, thaw_activation activation, bool add,
                                         thaw_kernel **kernel)
{
    char options[32];
    snprintf(options, sizeof options, "-DACTIVATION=%d%s", (int)activation, add ? " -DADD" : "");
    return thaw_kernel_get(thaw_node_device(node), "activation_backward", "activation_backward", options, kernel);
}

/* Bounds that are computed could lie in memory that others have by then. */
static thaw_status prepare_backward(thaw_node *node)
{
    thaw_activation_state *state = node->state;
    if (state->bounds_at_run_time)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "can be trained through with constant bounds only");
    THAW_TRY(thaw_activation_get_backward(node, state->epilogue.activation, true, &state->add));
    return thaw_activation_get_backward(node, state->epilogue.activation, false, &state->backward);
}

thaw_status thaw_activation_prepare(thaw_node *node)
{
    thaw_activation_state *state = node->state;
    char options[64];
    if (node->outputs[0]->gradient)
        THAW_TRY(prepare_backward(node));
    snprintf(options, sizeof options, "-DACTIVATION=%d%s%s", (int)state->epilogue.activation,
             state->bounds_at_run_time && thaw_node_input(node, 1) ? " -DLOWER" : "",
             state->bounds_at_run_time && thaw_node_input(node, 2) ? " -DUPPER" : "");
    return thaw_kernel_get(thaw_node_device(node), "activation", "activation", options, &state->kernel);
}

static const thaw_buffer *bound(const thaw_node *node, size_t index)
{
    const thaw_activation_state *state = node->state;
    const thaw_value *value = state->bounds_at_run_time ? thaw_node_input(node, index) : NULL;
    return value ? value->buffer : NULL;
}

thaw_status thaw_activation_forward(thaw_node *node)
{
    const thaw_activation_state *state = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    return thaw_kernel_launch(state->kernel, THAW_RANGE_1(thaw_shape_size(&stored)),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[0]->buffer),
                              THAW_FLOAT(state->epilogue.alpha), THAW_FLOAT(state->epilogue.beta),
                              THAW_BUFFER(bound(node, 1)), THAW_BUFFER(bound(node, 2)));
}

thaw_status thaw_activation_backward(thaw_node *node)
{
    const thaw_activation_state *state = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    const bool reads_output = node->op->flags & THAW_OP_BACKWARD_READS_OUTPUT;
    thaw_kernel *kernel = thaw_node_overwrites(node, 0) ? state->backward : state->add;
    return thaw_kernel_launch(kernel, THAW_RANGE_1(thaw_shape_size(&stored)), THAW_BUFFER(node->inputs[0]->gradient),
                              THAW_BUFFER(node->outputs[0]->gradient),
                              THAW_BUFFER(reads_output ? node->outputs[0]->buffer : node->inputs[0]->buffer),
                              THAW_FLOAT(state->epilogue.alpha), THAW_FLOAT(state->epilogue.beta));
}
