/* ConvTranspose: y is what a convolution with these weights would have been made from, as its input's gradient is. */
#include "ops/shared/conv_transpose.h"

#include <limits.h>
#include <string.h>

enum { X, WEIGHTS, BIAS };

typedef struct conv_transpose_state {
    thaw_conv_transpose is;
    thaw_kernel *kernel, *data, *weights, *bias;
} conv_transpose_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(
        node, "auto_pad,dilations,group,kernel_shape,output_padding,output_shape,pads,strides"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 1));
    THAW_TRY(thaw_window_check_auto_pad(node));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(conv_transpose_state), &node->state);
}

static thaw_status read_channels(const thaw_node *node, conv_transpose_state *state)
{
    const thaw_shape *x = &node->inputs[X]->shape, *weights = &node->inputs[WEIGHTS]->shape;
    const thaw_value *bias = thaw_node_input(node, BIAS);
    char text[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
    thaw_shape_text(x, text);
    thaw_shape_text(weights, other);
    if (x->rank < 3 || x->rank > 2 + THAW_WINDOW_AXES || weights->rank != x->rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and weight %s have not 1 to 3 spatial dimensions", text,
                              other);
    for (int32_t i = 0; i < x->rank; i++)
        if (x->dims[i] < 1 || x->dims[i] > INT_MAX || weights->dims[i] < 1 || weights->dims[i] > INT_MAX)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s or weight %s is empty or too large", text, other);
    state->is.groups = thaw_node_int(node, "group", 1);
    if (state->is.groups < 1 || x->dims[1] % state->is.groups || weights->dims[0] != x->dims[1])
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and weight %s do not make %lld groups", text, other,
                              (long long)state->is.groups);
    state->is.images = x->dims[0];
    state->is.group_in = x->dims[1] / state->is.groups;
    state->is.group_out = weights->dims[1];
    if (bias && (bias->shape.rank != 1 || bias->shape.dims[0] != state->is.groups * state->is.group_out))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "bias %s is not [%lld]", thaw_shape_text(&bias->shape, text),
                              (long long)(state->is.groups * state->is.group_out));
    return THAW_OK;
}

/* The number that a list attribute has for axis `i` of those that there are. */
static thaw_status read_number(const thaw_node *node, const char *name, int32_t i, size_t wanted, int64_t otherwise,
                               int64_t *out)
{
    size_t count;
    const int64_t *list = thaw_node_ints(node, name, &count);
    if (list && count != wanted)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%s has %zu numbers, not %zu", name, count, wanted);
    *out = list ? list[i] : otherwise;
    if (*out < 0 || *out > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s of %lld is out of range", name, (long long)*out);
    return THAW_OK;
}

/* Where output_shape says how large the output is, or SAME_UPPER or SAME_LOWER do, padding takes away the rest. */
static thaw_status infer_axis(const thaw_node *node, int32_t i, thaw_window *w)
{
    const int axis = i + THAW_WINDOW_AXES - w->spatial;
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    const size_t spatial = (size_t)w->spatial;
    const bool same = strncmp(auto_pad, "SAME", 4) == 0;
    int64_t extra = 0, wanted = 0, whole;
    THAW_TRY(read_number(node, "output_padding", i, spatial, 0, &extra));
    THAW_TRY(read_number(node, "output_shape", i, spatial, same ? w->in[axis] * w->stride[axis] : 0, &wanted));
    if (strcmp(auto_pad, "NOTSET") == 0) {
        THAW_TRY(read_number(node, "pads", i, 2 * spatial, 0, &w->pad[axis]));
        THAW_TRY(read_number(node, "pads", i + w->spatial, 2 * spatial, 0, &w->pad_end[axis]));
    }
    const int64_t reach = (w->kernel[axis] - 1) * w->dilation[axis];
    if (!thaw_multiply(w->in[axis] - 1, w->stride[axis], &whole) || whole + extra + reach + 1 > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%lld elements, %lld apart, are too many", (long long)w->in[axis],
                              (long long)w->stride[axis]);
    whole += extra + reach + 1;
    if (wanted > 0) {
        const int64_t total = whole > wanted ? whole - wanted : 0;
        w->pad[axis] = strcmp(auto_pad, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        w->pad_end[axis] = total - w->pad[axis];
    }
    w->out[axis] = wanted > 0 ? wanted : whole - w->pad[axis] - w->pad_end[axis];
    if (w->out[axis] < 1 || w->out[axis] > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%lld elements less %lld and %lld of padding", (long long)whole,
                              (long long)w->pad[axis], (long long)w->pad_end[axis]);
    return THAW_OK;
}

static thaw_status infer_window(const thaw_node *node, thaw_window *w)
{
    const thaw_shape *x = &node->inputs[X]->shape, *weights = &node->inputs[WEIGHTS]->shape;
    int64_t kernel[THAW_WINDOW_AXES], places = 1, taps = 1, elements = 1;
    *w = (thaw_window){.spatial = x->rank - 2};
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++) {
        const int32_t i = axis - (THAW_WINDOW_AXES - w->spatial) + 2;
        w->in[axis] = i >= 2 ? x->dims[i] : 1;
        w->kernel[axis] = i >= 2 ? weights->dims[i] : 1;
        w->out[axis] = 1;
    }
    THAW_TRY(thaw_window_axes(node, "kernel_shape", w->spatial, 1, kernel));
    if (thaw_node_has(node, "kernel_shape") && memcmp(kernel, w->kernel, sizeof kernel) != 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "kernel_shape is not that of the weights");
    THAW_TRY(thaw_window_axes(node, "strides", w->spatial, 1, w->stride));
    THAW_TRY(thaw_window_axes(node, "dilations", w->spatial, 1, w->dilation));
    for (int32_t i = 0; i < w->spatial; i++)
        THAW_TRY(infer_axis(node, i, w));
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        if (!thaw_multiply(places, w->out[axis], &places) || !thaw_multiply(taps, w->kernel[axis], &taps) ||
            !thaw_multiply(elements, w->in[axis], &elements) || places > INT_MAX || taps > INT_MAX ||
            elements > INT_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "a channel of more than %d elements", INT_MAX);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    conv_transpose_state *state = node->state;
    const thaw_value *x = node->inputs[X];
    THAW_TRY(thaw_node_float_inputs(node));
    THAW_TRY(read_channels(node, state));
    THAW_TRY(infer_window(node, &state->is.window));
    thaw_shape y = {.rank = x->shape.rank, .dims = {state->is.images, state->is.groups * state->is.group_out}};
    for (int32_t i = 2; i < y.rank; i++)
        y.dims[i] = state->is.window.out[i - 2 + THAW_WINDOW_AXES - state->is.window.spatial];
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    const int64_t taps = thaw_shape_span(&node->inputs[WEIGHTS]->shape, 1, y.rank);
    if (!thaw_multiply(2 * thaw_shape_size(&x->shape), taps, &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "the output is too large");
    return THAW_OK;
}

static bool has_gradient(const thaw_node *node, size_t index)
{
    const thaw_value *value = thaw_node_input(node, index);
    return value && value->gradient;
}

static thaw_status prepare(thaw_node *node)
{
    conv_transpose_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    if (has_gradient(node, X))
        THAW_TRY(thaw_kernel_get(device, "conv_transpose", "conv_transpose_data", "", &state->data));
    if (has_gradient(node, WEIGHTS))
        THAW_TRY(thaw_kernel_get(device, "conv_transpose", "conv_transpose_weights", "", &state->weights));
    if (has_gradient(node, BIAS))
        THAW_TRY(thaw_kernel_get(device, "conv_transpose", "conv_transpose_bias", "", &state->bias));
    return thaw_kernel_get(device, "conv_transpose", "conv_transpose", "", &state->kernel);
}

static int64_t count_of(const int64_t sizes[THAW_WINDOW_AXES])
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* `first`, `count` of them, then the channels of a group and the geometry. */
static thaw_status run(const conv_transpose_state *state, thaw_kernel *kernel, thaw_range range,
                       const thaw_argument *first, size_t count)
{
    thaw_argument arguments[6 + THAW_WINDOW_ARGUMENTS];
    memcpy(arguments, first, count * sizeof *first);
    arguments[count++] = THAW_INT(state->is.group_in);
    arguments[count++] = THAW_INT(state->is.group_out);
    thaw_window_arguments(&state->is.window, arguments + count);
    return thaw_kernel_run(kernel, range, arguments, count + THAW_WINDOW_ARGUMENTS);
}

static thaw_status forward(thaw_node *node)
{
    const conv_transpose_state *state = node->state;
    const thaw_value *bias = thaw_node_input(node, BIAS);
    const thaw_argument first[] = {THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(node->inputs[X]->buffer),
                                   THAW_BUFFER(node->inputs[WEIGHTS]->buffer), THAW_BUFFER(bias ? bias->buffer : NULL)};
    return run(state, state->kernel,
               THAW_RANGE_3(count_of(state->is.window.out), state->is.groups * state->is.group_out, state->is.images),
               first, 4);
}

static thaw_status backward(thaw_node *node)
{
    const conv_transpose_state *state = node->state;
    const thaw_buffer *dy = node->outputs[0]->gradient;
    const thaw_value *x = node->inputs[X], *weights = node->inputs[WEIGHTS];
    const int64_t in_channels = state->is.groups * state->is.group_in,
                  out_channels = state->is.groups * state->is.group_out;
    if (has_gradient(node, X)) {
        const thaw_argument first[] = {THAW_BUFFER(x->gradient), THAW_BUFFER(dy), THAW_BUFFER(weights->buffer)};
        THAW_TRY(run(state, state->data, THAW_RANGE_3(count_of(state->is.window.in), in_channels, state->is.images),
                     first, 3));
    }
    if (has_gradient(node, WEIGHTS)) {
        const thaw_argument first[] = {THAW_BUFFER(weights->gradient), THAW_BUFFER(dy), THAW_BUFFER(x->buffer),
                                       THAW_INT(state->is.images)};
        THAW_TRY(run(state, state->weights,
                     THAW_RANGE_3(count_of(state->is.window.kernel), state->is.group_out, in_channels), first, 4));
    }
    if (!has_gradient(node, BIAS))
        return THAW_OK;
    return thaw_kernel_launch(state->bias, THAW_RANGE_1(out_channels), THAW_BUFFER(node->inputs[BIAS]->gradient),
                              THAW_BUFFER(dy), THAW_INT(state->is.images), THAW_LONG(count_of(state->is.window.out)));
}

const thaw_op thaw_op_conv_transpose = {
    .name = "conv_transpose",
    .onnx_type = "ConvTranspose",
    .flags = THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
