/* SoftmaxCrossEntropyLoss: of scores [n, classes, ...] and constant labels [n, ...]; output 1 has the logarithms of the
 * probabilities. In frozen parts: training has a loss of its own. */
#include "ops/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct cross_entropy_state {
    bool mean, each; /* the reduction: neither is the sum */
    int64_t outer, classes, inner;
    thaw_kernel *softmax, *losses, *total;
    thaw_buffer *labels;
} cross_entropy_state;

enum { SCORES, LABELS, WEIGHTS };

static thaw_status attributes(thaw_node *node)
{
    const char *reduction = thaw_node_string(node, "reduction", "mean");
    THAW_TRY(thaw_node_known_attributes(node, "ignore_index,reduction"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 2));
    if (strcmp(reduction, "mean") != 0 && strcmp(reduction, "none") != 0 && strcmp(reduction, "sum") != 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "reduction '%s' is not known", reduction);
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(cross_entropy_state), &node->state));
    cross_entropy_state *state = node->state;
    state->mean = *reduction == 'm';
    state->each = *reduction == 'n';
    return THAW_OK;
}

static thaw_status check_labels(const thaw_node *node, const thaw_shape *places)
{
    const cross_entropy_state *state = node->state;
    const thaw_value *labels = node->inputs[LABELS];
    char text[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
    if (!labels->constant)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input 1 ('%s') is not constant", labels->name);
    if (!thaw_dtype_is_integer(labels->dtype) || !thaw_shape_equal(&labels->shape, places))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "labels %s for places %s", thaw_shape_text(&labels->shape, text),
                              thaw_shape_text(places, other));
    for (int64_t i = 0; i < labels->constant->count; i++) {
        const int64_t label = thaw_tensor_get_int(labels->constant, i);
        const bool ignored = thaw_node_has(node, "ignore_index") && label == thaw_node_int(node, "ignore_index", 0);
        if (!ignored && (label < 0 || label >= state->classes))
            return thaw_node_fail(node, THAW_ERR_MODEL, "label %lld of %lld classes", (long long)label,
                                  (long long)state->classes);
    }
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    cross_entropy_state *state = node->state;
    const thaw_value *x = node->inputs[SCORES], *weights = thaw_node_input(node, WEIGHTS);
    char text[THAW_SHAPE_TEXT];
    if (!thaw_dtype_is_float(x->dtype) || (weights && !thaw_dtype_is_float(weights->dtype)))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %s", thaw_dtype_text(x->dtype));
    if (x->shape.rank < 2)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "scores %s have no classes", thaw_shape_text(&x->shape, text));
    state->outer = x->shape.dims[0];
    state->classes = x->shape.dims[1];
    state->inner = thaw_shape_span(&x->shape, 2, x->shape.rank);
    thaw_shape places = {.rank = x->shape.rank - 1, .dims = {state->outer}};
    memcpy(places.dims + 1, x->shape.dims + 2, (size_t)(places.rank - 1) * sizeof *places.dims);
    if (state->classes > INT32_MAX ||
        (weights && (weights->shape.rank != 1 || weights->shape.dims[0] != state->classes)))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "weights for %lld classes", (long long)state->classes);
    THAW_TRY(check_labels(node, &places));
    const thaw_shape scalar = {0};
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, state->each ? &places : &scalar));
    THAW_TRY(thaw_node_set_output(node, 1, x->dtype, &x->shape));
    node->flops = 4 * thaw_shape_size(&x->shape);
    return THAW_OK;
}

static int64_t count_of(const cross_entropy_state *state)
{
    return state->outer * state->inner;
}

static thaw_status upload_labels(const thaw_node *node, int32_t *list)
{
    cross_entropy_state *state = node->state;
    const thaw_tensor *labels = node->inputs[LABELS]->constant;
    const bool ignores = thaw_node_has(node, "ignore_index");
    for (int64_t i = 0; i < labels->count; i++) {
        const int64_t label = thaw_tensor_get_int(labels, i);
        list[i] = ignores && label == thaw_node_int(node, "ignore_index", 0) ? -1 : (int32_t)label;
    }
    thaw_buffer_destroy(&state->labels);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), (size_t)labels->count * sizeof *list, &state->labels));
    return thaw_buffer_write(state->labels, 0, list, (size_t)labels->count * sizeof *list);
}

static thaw_status prepare(thaw_node *node)
{
    cross_entropy_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    int32_t *list;
    if (thaw_shape_size(&node->inputs[SCORES]->shape) == 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "of no scores");
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count_of(state), sizeof *list, &list));
    const thaw_status status = upload_labels(node, list);
    free(list);
    THAW_TRY(status);
    THAW_TRY(thaw_kernel_get(device, "softmax", "softmax", "-DLOG", &state->softmax));
    THAW_TRY(thaw_kernel_get(device, "cross_entropy", "cross_entropy", "", &state->losses));
    return thaw_kernel_get(device, "cross_entropy", "cross_entropy_total", "", &state->total);
}

/* The logarithms, then each place's loss and share, where they are not outputs. */
static thaw_status run(const thaw_node *node, thaw_buffer *logarithms, thaw_buffer *losses, thaw_buffer *shares)
{
    const cross_entropy_state *state = node->state;
    const thaw_value *weights = thaw_node_input(node, WEIGHTS);
    const int64_t count = count_of(state);
    THAW_TRY(thaw_kernel_launch(state->softmax, THAW_RANGE_2(state->inner, state->outer), THAW_BUFFER(logarithms),
                                THAW_BUFFER(node->inputs[SCORES]->buffer), THAW_LONG(state->classes)));
    THAW_TRY(thaw_kernel_launch(state->losses, THAW_RANGE_1(count), THAW_BUFFER(losses), THAW_BUFFER(shares),
                                THAW_BUFFER(logarithms), THAW_BUFFER(state->labels),
                                THAW_BUFFER(weights ? weights->buffer : NULL), THAW_LONG(state->classes),
                                THAW_LONG(state->inner)));
    if (state->each)
        return THAW_OK;
    return thaw_kernel_launch(state->total, THAW_RANGE_1(1), THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(losses),
                              THAW_BUFFER(shares), THAW_LONG(count), THAW_INT(state->mean));
}

static thaw_status forward(thaw_node *node)
{
    const cross_entropy_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    const thaw_value *asked = thaw_node_output(node, 1);
    const size_t bytes = (size_t)count_of(state) * sizeof(float);
    thaw_buffer *logarithms = NULL, *losses = NULL, *shares = NULL;
    thaw_status status = thaw_buffer_create(device, bytes, &shares);
    if (status == THAW_OK && !state->each)
        status = thaw_buffer_create(device, bytes, &losses);
    if (status == THAW_OK && !asked)
        status = thaw_buffer_create(device, bytes * (size_t)state->classes, &logarithms);
    if (status == THAW_OK)
        status = run(node, asked ? asked->buffer : logarithms, state->each ? node->outputs[0]->buffer : losses, shares);
    thaw_buffer_destroy(&logarithms);
    thaw_buffer_destroy(&losses);
    thaw_buffer_destroy(&shares);
    return status;
}

static void release(thaw_node *node)
{
    cross_entropy_state *state = node->state;
    if (state)
        thaw_buffer_destroy(&state->labels);
}

const thaw_op thaw_op_cross_entropy = {
    .name = "cross_entropy",
    .onnx_type = "SoftmaxCrossEntropyLoss",
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .release = release,
};
