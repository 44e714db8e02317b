#include "ops/shared/movement.h"
#include "ops/shared/view.h"

#include <string.h>

/* The identity, except in steps of training: there each element becomes 0 with probability `ratio` and the others are
 * divided by 1 - ratio. Whether this is one the graph says, not the file's training_mode; the numbers come from the
 * graph's seed, not from the file's. Elements are numbered as they are stored. */
typedef struct dropout_state {
    double ratio; /* negative: not known, since it is not constant */
    thaw_kernel *forward, *backward;
    thaw_mover pass; /* the identity's gradient */
} dropout_state;

static thaw_status attributes(thaw_node *node)
{
    const int64_t opset = thaw_node_opset(node);
    THAW_TRY(thaw_node_known_attributes(node, opset >= 12 ? "seed" : opset >= 7 ? "ratio" : "is_test,ratio"));
    THAW_TRY(thaw_node_arity(node, 1, opset >= 12 ? 3 : 1, 2));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(dropout_state), &node->state);
}

/* The mask says that everything was kept. Known as soon as the shape is, so it is a constant. */
static thaw_status infer_mask(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    const thaw_dtype dtype = thaw_node_opset(node) >= 10 ? THAW_BOOL : x->dtype;
    thaw_tensor *mask;
    if (!thaw_node_output(node, 1))
        return THAW_OK;
    THAW_TRY(thaw_node_set_output(node, 1, dtype, &x->shape));
    THAW_TRY(thaw_node_fold_output(node, 1, &mask));
    for (int64_t i = 0; i < mask->count; i++)
        thaw_tensor_set(mask, i, 1);
    return THAW_OK;
}

/* An attribute before opset 12, input 1 since. */
static double read_ratio(const thaw_node *node)
{
    const thaw_value *ratio = thaw_node_opset(node) >= 12 ? thaw_node_input(node, 1) : NULL;
    if (!ratio)
        return (double)thaw_node_float(node, "ratio", 0.5f);
    return ratio->constant && ratio->constant->count == 1 ? thaw_tensor_get(ratio->constant, 0) : -1;
}

static thaw_status infer(thaw_node *node)
{
    dropout_state *state = node->state;
    state->ratio = read_ratio(node);
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(thaw_view_infer(node, &node->inputs[0]->shape));
    return infer_mask(node);
}

/* Elements of output 0, as they are stored. */
static int64_t count_of(const thaw_node *node)
{
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    return thaw_shape_size(&stored);
}

static thaw_status prepare(thaw_node *node)
{
    dropout_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    const thaw_move all = {.rank = 1, .extent = {count_of(node)}, .from_stride = {1}, .to_stride = {1}};
    THAW_TRY(thaw_kernel_get(device, "dropout", "dropout", "", &state->forward));
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    THAW_TRY(thaw_kernel_get(device, "dropout", "dropout", "-DACCUMULATE", &state->backward));
    return thaw_mover_prepare(device, &all, true, &state->pass);
}

static thaw_status drop(const thaw_node *node, thaw_kernel *kernel, const thaw_buffer *to, const thaw_buffer *from)
{
    const dropout_state *state = node->state;
    const thaw_graph *graph = node->graph;
    const int64_t count = count_of(node);
    if (state->ratio < 0 || state->ratio > 1)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "a ratio that is not a constant from 0 to 1");
    if (thaw_node_output(node, 1))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the mask of a step of training");
    return thaw_kernel_launch(kernel, THAW_RANGE_1((count + 31) / 32), THAW_BUFFER(to), THAW_BUFFER(from),
                              THAW_LONG(count), THAW_INT(state->ratio * (1 << 24)),
                              THAW_FLOAT(state->ratio < 1 ? 1 / (1 - state->ratio) : 0), THAW_LONG(graph->seed),
                              THAW_INT(node->outputs[0]->index), THAW_INT(graph->step));
}

static thaw_status forward(thaw_node *node)
{
    const dropout_state *state = node->state;
    thaw_buffer *from = node->inputs[0]->buffer, *to = node->outputs[0]->buffer;
    if (node->graph->training)
        return drop(node, state->forward, to, from);
    return thaw_buffer_copy(from, 0, to, 0, (size_t)count_of(node) * sizeof(float));
}

static thaw_status backward(thaw_node *node)
{
    const dropout_state *state = node->state;
    thaw_buffer *from = node->outputs[0]->gradient, *to = node->inputs[0]->gradient;
    const bool adds = !thaw_node_overwrites(node, 0);
    if (node->graph->training)
        return drop(node, adds ? state->backward : state->forward, to, from);
    return adds ? thaw_mover_run(&state->pass, from, to)
                : thaw_buffer_copy(from, 0, to, 0, (size_t)count_of(node) * sizeof(float));
}

const thaw_op thaw_op_dropout = {
    .name = "dropout",
    .onnx_type = "Dropout",
    .flags = THAW_OP_BACKWARD_OVERWRITES,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_view_layout,
    .fold = thaw_view_fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
