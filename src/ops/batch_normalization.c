#include "ops/shared/batch_normalization.h"
#include "ops/shared/epilogue.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    X = THAW_BATCH_X,
    SCALE = THAW_BATCH_SCALE,
    SHIFT = THAW_BATCH_SHIFT,
    MEAN = THAW_BATCH_MEAN,
    VARIANCE = THAW_BATCH_VARIANCE,
    INPUTS = THAW_BATCH_INPUTS
};

/* What became of training mode over the opsets: 6 has is_test (default 0), 7 to 13 mean it by asking for more outputs,
 * 14 has an attribute. Only the last is supported. */
static thaw_status read_training(const thaw_node *node, bool *training)
{
    const int64_t opset = thaw_node_opset(node);
    *training = opset >= 14 && thaw_node_int(node, "training_mode", 0) != 0;
    if (opset < 7 && !thaw_node_int(node, "is_test", 0))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "is_test 0 (training as of opset 6)");
    if (opset < 9 && thaw_node_int(node, "spatial", 1) != 1)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "spatial 0 (statistics for each place)");
    for (size_t i = 1; i < node->output_count && !*training; i++)
        if (node->outputs[i])
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "output %zu: statistics outside training_mode", i);
    return THAW_OK;
}

static thaw_status attributes(thaw_node *node)
{
    const int64_t opset = thaw_node_opset(node);
    THAW_TRY(thaw_node_known_attributes(node, opset >= 14  ? "epsilon,momentum,training_mode"
                                              : opset >= 9 ? "epsilon,momentum"
                                              : opset >= 7 ? "epsilon,momentum,spatial"
                                                           : "epsilon,momentum,spatial,is_test"));
    THAW_TRY(thaw_node_arity(node, INPUTS, INPUTS, opset >= 14 ? 3 : 5));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_batch_normalization), &node->state));
    thaw_batch_normalization *state = node->state;
    state->epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    state->momentum = thaw_node_float(node, "momentum", 0.9f);
    return read_training(node, &state->training);
}

static thaw_status infer(thaw_node *node)
{
    thaw_batch_normalization *state = node->state;
    const thaw_shape *x = &node->inputs[X]->shape;
    char text[THAW_SHAPE_TEXT], x_text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    if (x->rank < 2)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has no channels", thaw_shape_text(x, text));
    for (int i = SCALE; i <= VARIANCE; i++) {
        const thaw_shape *shape = &node->inputs[i]->shape;
        if (shape->rank != 1 || shape->dims[0] != x->dims[1])
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %d is %s for an X of %s", i,
                                  thaw_shape_text(shape, text), thaw_shape_text(x, x_text));
    }
    state->n = x->dims[0];
    state->channels = x->dims[1];
    state->inner = thaw_shape_span(x, 2, x->rank);
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[X]->dtype, x));
    node->flops = 2 * thaw_shape_size(x);
    if (!state->training)
        return THAW_OK;
    if (thaw_shape_size(x) == 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "no statistics of an empty X %s", thaw_shape_text(x, text));
    THAW_TRY(thaw_node_set_output(node, 1, node->inputs[MEAN]->dtype, &node->inputs[MEAN]->shape));
    return thaw_node_set_output(node, 2, node->inputs[VARIANCE]->dtype, &node->inputs[VARIANCE]->shape);
}

static bool has_constant_parameters(const thaw_node *node)
{
    for (size_t i = SCALE; i < INPUTS; i++)
        if (!node->inputs[i]->constant || node->inputs[i]->trainable || node->inputs[i]->updated)
            return false;
    return true;
}

/* In blocks where the input is; what is done to a channel is worked out on the host where it never changes. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    thaw_batch_normalization *state = node->state;
    const int32_t stored = node->inputs[X]->block;
    (void)block;
    const bool constant = has_constant_parameters(node);
    if (stored <= 1 || state->training || state->inner > INT_MAX || (stored == THAW_BLOCK_ALL && !constant))
        return 1;
    node->packs_weights = constant;
    if (node->epilogue.residual)
        wanted[INPUTS] = stored;
    return wanted[X] = state->block = stored;
}

/* The rows of `factors`. */
static void fill_factors(const thaw_node *node, float *factors)
{
    const thaw_batch_normalization *state = node->state;
    for (int64_t c = 0; c < state->channels; c++) {
        double parameter[INPUTS];
        for (size_t i = SCALE; i < INPUTS; i++)
            parameter[i] = thaw_tensor_get(node->inputs[i]->constant, c);
        const double inverse = 1 / sqrt(parameter[VARIANCE] + (double)state->epsilon);
        const double factor = parameter[SCALE] * inverse;
        factors[c] = (float)factor;
        factors[state->stride + c] = (float)(parameter[SHIFT] - parameter[MEAN] * factor);
        factors[2 * state->stride + c] = (float)parameter[MEAN];
        factors[3 * state->stride + c] = (float)inverse;
    }
}

static thaw_status pack(thaw_node *node)
{
    thaw_batch_normalization *state = node->state;
    const size_t bytes = 4 * (size_t)state->stride * sizeof(float);
    float *factors;
    THAW_TRY(thaw_allocate(thaw_node_context(node), 4 * (size_t)state->stride, sizeof *factors, &factors));
    fill_factors(node, factors);
    thaw_buffer_destroy(&state->factors);
    thaw_status status = thaw_buffer_create(thaw_node_device(node), bytes, &state->factors);
    if (status == THAW_OK && bytes)
        status = thaw_buffer_write(state->factors, 0, factors, bytes);
    free(factors);
    return status;
}

static thaw_status prepare_blocked(thaw_node *node)
{
    thaw_batch_normalization *state = node->state;
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 16];
    const bool all = state->block == THAW_BLOCK_ALL;
    thaw_epilogue_options(node, false, epilogue);
    if (all)
        snprintf(options, sizeof options, "%s -DNHWC", epilogue);
    else
        snprintf(options, sizeof options, "%s -DBLOCK=%d", epilogue, (int)state->block);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "batch_normalization",
                             all ? "batch_normalize_nhwc" : "batch_normalize_blocked", options, &state->normalize));
    return node->packs_weights ? pack(node) : THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    thaw_batch_normalization *state = node->state;
    char options[THAW_EPILOGUE_OPTIONS];
    THAW_TRY(thaw_batch_prepare_training(node));
    if (state->block > 1)
        return prepare_blocked(node);
    if (state->width)
        return THAW_OK;
    return thaw_kernel_get(thaw_node_device(node), "batch_normalization", "batch_normalize",
                           thaw_epilogue_options(node, false, options), &state->normalize);
}

/* With the mean at the front of one buffer and the variance `variance_offset` elements into another. */
static thaw_status normalize(const thaw_node *node, const thaw_buffer *mean, const thaw_buffer *variance,
                             int64_t variance_offset)
{
    const thaw_batch_normalization *state = node->state;
    if (thaw_shape_size(&node->inputs[X]->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->normalize, THAW_RANGE_3(state->inner, state->channels, state->n),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[X]->buffer),
                              THAW_BUFFER(node->inputs[SCALE]->buffer), THAW_BUFFER(node->inputs[SHIFT]->buffer),
                              THAW_BUFFER(mean), THAW_BUFFER(variance), THAW_LONG(variance_offset),
                              THAW_FLOAT(state->epsilon), THAW_BUFFER(thaw_epilogue_residual(node)),
                              THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta));
}

static thaw_status normalize_blocked(const thaw_node *node)
{
    const thaw_batch_normalization *state = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    thaw_range range = THAW_RANGE_3((state->inner + THAW_BATCH_RUN - 1) / THAW_BATCH_RUN, stored.dims[1], state->n);
    range.local[0] = 1;
    if (thaw_shape_size(&stored) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->normalize, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(state->factors),
                              THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(node->epilogue.alpha),
                              THAW_FLOAT(node->epilogue.beta), THAW_INT(state->inner), THAW_INT(THAW_BATCH_RUN));
}

static thaw_status normalize_nhwc(const thaw_node *node)
{
    const thaw_batch_normalization *state = node->state;
    if (state->n == 0)
        return THAW_OK;
    return thaw_kernel_launch(
        state->normalize, THAW_RANGE_2(state->inner * state->channels, state->n), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(state->factors), THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_INT(state->channels));
}

static thaw_status forward(thaw_node *node)
{
    const thaw_batch_normalization *state = node->state;
    const bool own = thaw_batch_is_own(node) && thaw_shape_size(&node->inputs[X]->shape) > 0;
    if (own)
        THAW_TRY(thaw_batch_measure(node));
    if (!own || !state->width)
        THAW_TRY(thaw_batch_make_factors(node));
    if (state->block == THAW_BLOCK_ALL)
        return normalize_nhwc(node);
    if (state->block > 1)
        return normalize_blocked(node);
    if (state->width)
        return thaw_batch_group_normalize(node);
    if (own)
        return normalize(node, state->statistics, state->statistics, state->channels);
    return normalize(node, node->inputs[MEAN]->buffer, node->inputs[VARIANCE]->buffer, 0);
}

static void release(thaw_node *node)
{
    thaw_batch_normalization *state = node->state;
    thaw_buffer_destroy(&state->factors);
    thaw_buffer_destroy(&state->statistics);
}

const thaw_op thaw_op_batch_normalization = {
    .name = "batch_normalization",
    .onnx_type = "BatchNormalization",
    .flags = THAW_OP_EPILOGUE | THAW_OP_BACKWARD_READS_INPUTS | THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .backward = thaw_batch_backward,
    .release = release,
};
