/* LRN: y = x / d^beta with d = bias + alpha / size * the sum of x^2 over `size` neighbouring channels. */
#include "ops/op.h"

#include <limits.h>

typedef struct lrn_state {
    int64_t images, channels, inner;
    int64_t before, behind; /* channels of the window on both sides */
    float bias, scale, beta;
    thaw_kernel *kernel, *divisor, *backward;
} lrn_state;

static thaw_status attributes(thaw_node *node)
{
    const int64_t size = thaw_node_int(node, "size", 0);
    THAW_TRY(thaw_node_known_attributes(node, "alpha,beta,bias,size"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    if (size < 1 || size > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_MODEL, "a size of %lld", (long long)size);
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(lrn_state), &node->state));
    *(lrn_state *)node->state = (lrn_state){.before = (size - 1) / 2,
                                            .behind = size / 2,
                                            .bias = thaw_node_float(node, "bias", 1),
                                            .scale = thaw_node_float(node, "alpha", 1e-4f) / (float)size,
                                            .beta = thaw_node_float(node, "beta", 0.75f)};
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    lrn_state *state = node->state;
    const thaw_value *x = node->inputs[0];
    char text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    if (x->shape.rank < 2)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has no channels", thaw_shape_text(&x->shape, text));
    state->images = x->shape.dims[0];
    state->channels = x->shape.dims[1];
    state->inner = thaw_shape_span(&x->shape, 2, x->shape.rank);
    node->flops = (2 * (state->before + state->behind) + 4) * thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static thaw_status prepare(thaw_node *node)
{
    lrn_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    if (node->inputs[0]->gradient) {
        THAW_TRY(thaw_kernel_get(device, "lrn", "lrn_divisor", "", &state->divisor));
        THAW_TRY(thaw_kernel_get(device, "lrn", "lrn_backward", "", &state->backward));
    }
    return thaw_kernel_get(device, "lrn", "lrn", "", &state->kernel);
}

static thaw_range elements(const lrn_state *state)
{
    return THAW_RANGE_3(state->inner, state->channels, state->images);
}

static bool is_empty(const lrn_state *state)
{
    return state->images * state->channels * state->inner == 0;
}

static thaw_status forward(thaw_node *node)
{
    const lrn_state *state = node->state;
    if (is_empty(state))
        return THAW_OK;
    return thaw_kernel_launch(state->kernel, elements(state), THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_LONG(state->before), THAW_LONG(state->behind),
                              THAW_FLOAT(state->bias), THAW_FLOAT(state->scale), THAW_FLOAT(state->beta));
}

static thaw_status run_backward(const thaw_node *node, thaw_buffer *divisors)
{
    const lrn_state *state = node->state;
    const thaw_value *x = node->inputs[0];
    THAW_TRY(thaw_kernel_launch(state->divisor, elements(state), THAW_BUFFER(divisors), THAW_BUFFER(x->buffer),
                                THAW_LONG(state->before), THAW_LONG(state->behind), THAW_FLOAT(state->bias),
                                THAW_FLOAT(state->scale)));
    return thaw_kernel_launch(state->backward, elements(state), THAW_BUFFER(x->gradient),
                              THAW_BUFFER(node->outputs[0]->gradient), THAW_BUFFER(x->buffer), THAW_BUFFER(divisors),
                              THAW_LONG(state->before), THAW_LONG(state->behind), THAW_FLOAT(state->scale),
                              THAW_FLOAT(state->beta));
}

static thaw_status backward(thaw_node *node)
{
    const lrn_state *state = node->state;
    thaw_buffer *divisors = NULL;
    if (is_empty(state) || !node->inputs[0]->gradient)
        return THAW_OK;
    THAW_TRY(thaw_buffer_create(thaw_node_device(node),
                                (size_t)thaw_shape_size(&node->inputs[0]->shape) * sizeof(float), &divisors));
    const thaw_status status = run_backward(node, divisors);
    thaw_buffer_destroy(&divisors);
    return status;
}

const thaw_op thaw_op_lrn = {
    .name = "lrn",
    .onnx_type = "LRN",
    .flags = THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
