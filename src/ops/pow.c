/* Pow: y = a^b, broadcasting, of a's type. One constant exponent for all is a function of one number. */
#include "ops/shared/binary.h"
#include "ops/shared/elementwise.h"

typedef struct pow_state {
    thaw_binary binary; /* first: what thaw_binary_*() look at */
    thaw_elementwise elementwise;
    bool by_one;            /* the exponent is elementwise.alpha */
    thaw_buffer *exponents; /* constant ones that are integers, as floats; NULL: input 1 as it is */
} pow_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, thaw_node_opset(node) < 7 ? "axis,broadcast" : ""));
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(pow_state), &node->state));
    ((pow_state *)node->state)->binary.arithmetic = THAW_RAISE;
    return THAW_OK;
}

/* A constant exponent may have any type. */
static thaw_status infer(thaw_node *node)
{
    pow_state *state = node->state;
    thaw_value *a = node->inputs[0], *b = node->inputs[1];
    const thaw_dtype dtype = b->dtype;
    if (b->constant && thaw_dtype_is_float(a->dtype))
        b->dtype = THAW_FLOAT32;
    const thaw_status status = thaw_binary_infer(node);
    b->dtype = dtype;
    if (status != THAW_OK)
        return status;
    state->by_one = b->constant && !b->trainable && b->constant->count == 1 &&
                    thaw_shape_size(&node->outputs[0]->shape) == thaw_shape_size(&a->shape);
    if (state->by_one)
        state->elementwise =
            (thaw_elementwise){.function = THAW_POWER, .alpha = (float)thaw_tensor_get(b->constant, 0)};
    return THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    pow_state *state = node->state;
    const thaw_tensor *b = node->inputs[1]->constant;
    if (state->by_one)
        return thaw_elementwise_get(node, &state->elementwise);
    THAW_TRY(thaw_binary_prepare(node));
    if (!b || thaw_dtype_is_float(b->dtype))
        return THAW_OK;
    thaw_tensor *exponents;
    THAW_TRY(thaw_tensor_create(thaw_node_context(node), THAW_FLOAT32, &b->shape, &exponents));
    for (int64_t i = 0; i < b->count; i++)
        thaw_tensor_set(exponents, i, thaw_tensor_get(b, i));
    thaw_status status =
        thaw_buffer_create(thaw_node_device(node), exponents->bytes + sizeof(float), &state->exponents);
    if (status == THAW_OK && exponents->bytes)
        status = thaw_buffer_write(state->exponents, 0, exponents->data, exponents->bytes);
    thaw_tensor_release(&exponents);
    return status;
}

static thaw_status forward(thaw_node *node)
{
    const pow_state *state = node->state;
    if (state->by_one)
        return thaw_elementwise_run(node, &state->elementwise);
    if (!state->exponents || thaw_shape_size(&node->outputs[0]->shape) == 0)
        return thaw_binary_forward(node);
    return thaw_binary_run(&state->binary, &node->epilogue, node->outputs[0]->buffer, node->inputs[0]->buffer,
                           state->exponents);
}

static thaw_status backward(thaw_node *node)
{
    const pow_state *state = node->state;
    thaw_value *b = node->inputs[1];
    if (state->by_one)
        return thaw_elementwise_run_backward(node, &state->elementwise);
    thaw_buffer *kept = b->buffer;
    b->buffer = state->exponents ? state->exponents : kept;
    const thaw_status status = thaw_binary_backward(node);
    b->buffer = kept;
    return status;
}

static void release(thaw_node *node)
{
    pow_state *state = node->state;
    thaw_binary_release(node);
    thaw_buffer_destroy(&state->exponents);
}

const thaw_op thaw_op_pow = {
    .name = "pow",
    .onnx_type = "Pow",
    .flags = THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_binary_fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
