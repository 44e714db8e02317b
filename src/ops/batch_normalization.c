#include "ops/shared/epilogue.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* In training, moments are added up in this many pieces per channel: the same on every device. */
#define PIECES 64

enum { X, SCALE, SHIFT, MEAN, VARIANCE, INPUTS };

typedef struct batch_normalization_state {
    float epsilon, momentum;
    bool training;
    int64_t n, channels, inner; /* x as [n, channels, inner] */
    int32_t block;              /* storage of input and output: see thaw_value */
    thaw_buffer *factors;       /* in blocks, or NHWC: [2][channels to whole blocks], y = x * [0] + [1] */
    thaw_kernel *normalize;
    thaw_kernel *pieces, *moment, *running; /* in training */
} batch_normalization_state;

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
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(batch_normalization_state), &node->state));
    batch_normalization_state *state = node->state;
    state->epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    state->momentum = thaw_node_float(node, "momentum", 0.9f);
    return read_training(node, &state->training);
}

/* Scratch in training: mean[channels], variance[channels], pieces[channels][PIECES]. */
static thaw_status infer_scratch(thaw_node *node, int64_t channels)
{
    int64_t bytes;
    if (!thaw_multiply(channels, (PIECES + 2) * (int64_t)sizeof(float), &bytes))
        return thaw_node_fail(node, THAW_ERR_SIZE, "%lld channels", (long long)channels);
    node->scratch_bytes = (size_t)bytes;
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    batch_normalization_state *state = node->state;
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
    THAW_TRY(thaw_node_set_output(node, 2, node->inputs[VARIANCE]->dtype, &node->inputs[VARIANCE]->shape));
    return infer_scratch(node, state->channels);
}

static bool has_constant_parameters(const thaw_node *node)
{
    for (size_t i = SCALE; i < INPUTS; i++)
        if (!node->inputs[i]->constant || node->inputs[i]->trainable)
            return false;
    return true;
}

/* In blocks where the input is, if all that is done to a channel is known. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    batch_normalization_state *state = node->state;
    const int32_t stored = node->inputs[X]->block;
    (void)block;
    if (stored <= 1 || state->training || !has_constant_parameters(node) || state->inner > INT_MAX)
        return 1;
    node->packs_weights = true;
    if (node->epilogue.residual)
        wanted[INPUTS] = stored;
    return wanted[X] = state->block = stored;
}

static thaw_status pack(thaw_node *node)
{
    batch_normalization_state *state = node->state;
    const int64_t lanes = thaw_block_lanes(state->block, state->channels);
    const int64_t padded = (state->channels + lanes - 1) / lanes * lanes;
    const size_t bytes = 2 * (size_t)padded * sizeof(float);
    float *factors;
    THAW_TRY(thaw_allocate(thaw_node_context(node), 2 * (size_t)padded, sizeof *factors, &factors));
    for (int64_t c = 0; c < state->channels; c++) {
        double parameter[INPUTS];
        for (size_t i = SCALE; i < INPUTS; i++)
            parameter[i] = thaw_tensor_get(node->inputs[i]->constant, c);
        const double factor = parameter[SCALE] / sqrt(parameter[VARIANCE] + (double)state->epsilon);
        factors[c] = (float)factor;
        factors[padded + c] = (float)(parameter[SHIFT] - parameter[MEAN] * factor);
    }
    thaw_status status = thaw_buffer_create(thaw_node_device(node), bytes, &state->factors);
    if (status == THAW_OK && bytes)
        status = thaw_buffer_write(state->factors, 0, factors, bytes);
    free(factors);
    return status;
}

static thaw_status prepare_blocked(thaw_node *node)
{
    batch_normalization_state *state = node->state;
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 16];
    const bool all = state->block == THAW_BLOCK_ALL;
    thaw_epilogue_options(node, false, epilogue);
    if (all)
        snprintf(options, sizeof options, "%s -DNHWC", epilogue);
    else
        snprintf(options, sizeof options, "%s -DBLOCK=%d", epilogue, (int)state->block);
    THAW_TRY(thaw_kernel_get(thaw_node_device(node), "batch_normalization",
                             all ? "batch_normalize_nhwc" : "batch_normalize_blocked", options, &state->normalize));
    return pack(node);
}

static thaw_status prepare(thaw_node *node)
{
    batch_normalization_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    char options[THAW_EPILOGUE_OPTIONS];
    if (state->block > 1)
        return prepare_blocked(node);
    THAW_TRY(thaw_kernel_get(device, "batch_normalization", "batch_normalize",
                             thaw_epilogue_options(node, false, options), &state->normalize));
    if (!state->training)
        return THAW_OK;
    THAW_TRY(thaw_kernel_get(device, "batch_normalization", "add_pieces", "", &state->pieces));
    THAW_TRY(thaw_kernel_get(device, "batch_normalization", "finish_moment", "", &state->moment));
    return thaw_kernel_get(device, "batch_normalization", "move_average", "", &state->running);
}

/* With the mean at the front of one buffer and the variance `variance_offset` elements into another. */
static thaw_status normalize(const thaw_node *node, const thaw_buffer *mean, const thaw_buffer *variance,
                             int64_t variance_offset)
{
    const batch_normalization_state *state = node->state;
    if (thaw_shape_size(&node->inputs[X]->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->normalize, THAW_RANGE_3(state->inner, state->channels, state->n),
                              THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[X]->buffer),
                              THAW_BUFFER(node->inputs[SCALE]->buffer), THAW_BUFFER(node->inputs[SHIFT]->buffer),
                              THAW_BUFFER(mean), THAW_BUFFER(variance), THAW_LONG(variance_offset),
                              THAW_FLOAT(state->epsilon), THAW_BUFFER(thaw_epilogue_residual(node)),
                              THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta));
}

/* The batch's mean (power 1) or variance (power 2) per channel, into its place in scratch. */
static thaw_status compute_moment(const thaw_node *node, int power)
{
    const batch_normalization_state *state = node->state;
    const thaw_buffer *scratch = thaw_node_scratch(node);
    THAW_TRY(thaw_kernel_launch(state->pieces, THAW_RANGE_2(PIECES, state->channels), THAW_BUFFER(scratch),
                                THAW_BUFFER(node->inputs[X]->buffer), THAW_LONG(state->n), THAW_LONG(state->inner),
                                THAW_INT(power)));
    return thaw_kernel_launch(state->moment, THAW_RANGE_1(state->channels), THAW_BUFFER(scratch), THAW_INT(PIECES),
                              THAW_LONG(state->n * state->inner), THAW_INT(power));
}

/* Output 1 + which = input * momentum + batch's * (1 - momentum): which is 0 for the mean, 1 for the variance. */
static thaw_status update_running(const thaw_node *node, size_t which)
{
    const batch_normalization_state *state = node->state;
    const thaw_value *running = thaw_node_output(node, 1 + which);
    if (!running)
        return THAW_OK;
    return thaw_kernel_launch(state->running, THAW_RANGE_1(state->channels), THAW_BUFFER(running->buffer),
                              THAW_BUFFER(node->inputs[MEAN + which]->buffer), THAW_BUFFER(thaw_node_scratch(node)),
                              THAW_LONG(which * (size_t)state->channels), THAW_FLOAT(state->momentum));
}

static thaw_status normalize_blocked(const thaw_node *node)
{
    enum { PIXELS_AT_ONCE = 512 };
    const batch_normalization_state *state = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    thaw_range range = THAW_RANGE_3((state->inner + PIXELS_AT_ONCE - 1) / PIXELS_AT_ONCE, stored.dims[1], state->n);
    range.local[0] = 1;
    if (thaw_shape_size(&stored) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->normalize, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(state->factors),
                              THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(node->epilogue.alpha),
                              THAW_FLOAT(node->epilogue.beta), THAW_INT(state->inner), THAW_INT(PIXELS_AT_ONCE));
}

static thaw_status normalize_nhwc(const thaw_node *node)
{
    const batch_normalization_state *state = node->state;
    if (state->n == 0)
        return THAW_OK;
    return thaw_kernel_launch(
        state->normalize, THAW_RANGE_2(state->inner * state->channels, state->n), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[X]->buffer), THAW_BUFFER(state->factors), THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_INT(state->channels));
}

static thaw_status forward(thaw_node *node)
{
    const batch_normalization_state *state = node->state;
    if (state->block == THAW_BLOCK_ALL)
        return normalize_nhwc(node);
    if (state->block > 1)
        return normalize_blocked(node);
    if (!state->training)
        return normalize(node, node->inputs[MEAN]->buffer, node->inputs[VARIANCE]->buffer, 0);
    for (int power = 1; power <= 2; power++)
        THAW_TRY(compute_moment(node, power));
    for (size_t which = 0; which < 2; which++)
        THAW_TRY(update_running(node, which));
    return normalize(node, thaw_node_scratch(node), thaw_node_scratch(node), state->channels);
}

static void release(thaw_node *node)
{
    thaw_buffer_destroy(&((batch_normalization_state *)node->state)->factors);
}

const thaw_op thaw_op_batch_normalization = {
    .name = "batch_normalization",
    .onnx_type = "BatchNormalization",
    .flags = THAW_OP_EPILOGUE,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
