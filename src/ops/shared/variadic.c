#include "ops/shared/variadic.h"

#include <stdint.h>
#include <stdlib.h>

thaw_status thaw_variadic_attributes(thaw_node *node, thaw_arithmetic arithmetic, bool mean)
{
    thaw_context *context = thaw_node_context(node);
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 1, SIZE_MAX, 1));
    for (size_t i = 0; i < node->input_count; i++)
        if (!node->inputs[i])
            return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu is missing", i);
    THAW_TRY(thaw_allocate(context, 1, sizeof(thaw_variadic), &node->state));
    thaw_variadic *state = node->state;
    state->mean = mean;
    state->first.arithmetic = mean ? THAW_SCALED : arithmetic;
    THAW_TRY(thaw_allocate(context, node->input_count, sizeof *state->rest, &state->rest));
    return thaw_allocate(context, node->input_count, sizeof *state->gradients, &state->gradients);
}

static bool is_binary(const thaw_node *node)
{
    return node->input_count == 2 && !((const thaw_variadic *)node->state)->mean;
}

/* All constant and of one type, or all floating. */
static thaw_status check_types(const thaw_node *node)
{
    bool constant = true, alike = node->inputs[0]->dtype != THAW_BOOL;
    for (size_t i = 0; i < node->input_count; i++) {
        constant = constant && node->inputs[i]->constant;
        alike = alike && node->inputs[i]->dtype == node->inputs[0]->dtype;
    }
    return constant && alike ? THAW_OK : thaw_node_float_inputs(node);
}

thaw_status thaw_variadic_infer(thaw_node *node)
{
    thaw_variadic *state = node->state;
    if (is_binary(node))
        return thaw_binary_infer(node);
    thaw_shape y = node->inputs[0]->shape;
    THAW_TRY(check_types(node));
    for (size_t i = 1; i < node->input_count; i++) {
        const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &y, &node->inputs[i]->shape, &y);
        if (status != THAW_OK)
            return thaw_fail_within(thaw_node_context(node), status, "%s '%s'", node->op->onnx_type, node->name);
    }
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    node->flops = thaw_shape_size(&y) * (int64_t)node->input_count;
    for (size_t i = 0; i < node->input_count; i++) {
        thaw_binary *binary = i < 2 ? &state->first : &state->rest[i];
        binary->arithmetic = state->first.arithmetic;
        thaw_binary_set_shapes(binary, i < 2 ? &node->inputs[0]->shape : &y, &node->inputs[i]->shape, &y);
    }
    return THAW_OK;
}

int32_t thaw_variadic_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    return is_binary(node) ? thaw_binary_layout(node, block, wanted) : 1;
}

static void divide_by_count(const thaw_node *node, thaw_tensor *y)
{
    const double count = (double)node->input_count;
    for (int64_t i = 0; i < y->count && thaw_dtype_is_float(y->dtype); i++)
        thaw_tensor_set(y, i, thaw_tensor_get(y, i) / count);
}

/* One input is the output. */
thaw_status thaw_variadic_fold(thaw_node *node)
{
    const thaw_variadic *state = node->state;
    const thaw_tensor *x = node->inputs[0]->constant;
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    for (int64_t i = 0; i < y->count && node->input_count == 1; i++)
        thaw_dtype_is_float(y->dtype) ? thaw_tensor_set(y, i, thaw_tensor_get(x, i))
                                      : thaw_tensor_set_int(y, i, thaw_tensor_get_int(x, i));
    for (size_t i = 1; i < node->input_count; i++)
        THAW_TRY(thaw_binary_compute(node, i == 1 ? &state->first : &state->rest[i], i == 1 ? x : y,
                                     node->inputs[i]->constant, y));
    if (state->mean)
        divide_by_count(node, y);
    return THAW_OK;
}

static float scale_of(const thaw_node *node)
{
    return ((const thaw_variadic *)node->state)->mean ? 1.0f / (float)node->input_count : 1.0f;
}

/* The gradient of each input is the output's, summed where the input was repeated. */
static thaw_status prepare_backward(thaw_node *node)
{
    thaw_variadic *state = node->state;
    for (size_t i = 0; i < node->input_count; i++) {
        if (!node->inputs[i]->gradient)
            continue;
        if (node->input_count > 1 && state->first.arithmetic != THAW_ADD && !state->mean)
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %zu inputs can't be trained through",
                                  node->input_count);
        thaw_binary plain = {.arithmetic = THAW_ADD};
        const thaw_shape *x = &node->inputs[i]->shape;
        thaw_binary_set_shapes(&plain, x, x, &node->outputs[0]->shape);
        state->gradients[i] = thaw_binary_terms(&plain, 0);
        state->gradients[i].scale = scale_of(node);
        THAW_TRY(thaw_terms_prepare(thaw_node_device(node), &state->gradients[i]));
    }
    return THAW_OK;
}

thaw_status thaw_variadic_prepare(thaw_node *node)
{
    thaw_variadic *state = node->state;
    if (is_binary(node))
        return thaw_binary_prepare(node);
    THAW_TRY(prepare_backward(node));
    if (node->input_count > 1)
        THAW_TRY(thaw_binary_get(node, &state->first));
    for (size_t i = 2; i < node->input_count; i++)
        THAW_TRY(thaw_binary_get(node, &state->rest[i]));
    return THAW_OK;
}

thaw_status thaw_variadic_forward(thaw_node *node)
{
    const thaw_variadic *state = node->state;
    thaw_buffer *x = node->inputs[0]->buffer, *y = node->outputs[0]->buffer;
    const size_t bytes = (size_t)thaw_shape_size(&node->outputs[0]->shape) * sizeof(float);
    if (is_binary(node))
        return thaw_binary_forward(node);
    if (bytes == 0)
        return THAW_OK;
    if (node->input_count == 1)
        return thaw_buffer_copy(x, 0, y, 0, bytes);
    for (size_t i = 1; i < node->input_count; i++) {
        const bool last = i + 1 == node->input_count;
        const thaw_epilogue epilogue = {.alpha = last ? scale_of(node) : 1.0f};
        THAW_TRY(thaw_binary_run(i == 1 ? &state->first : &state->rest[i], &epilogue, y, i == 1 ? x : y,
                                 node->inputs[i]->buffer));
    }
    return THAW_OK;
}

thaw_status thaw_variadic_backward(thaw_node *node)
{
    const thaw_variadic *state = node->state;
    if (is_binary(node))
        return thaw_binary_backward(node);
    for (size_t i = 0; i < node->input_count; i++) {
        bool add;
        if (!node->inputs[i]->gradient)
            continue;
        THAW_TRY(thaw_terms_begin(node, i, &state->gradients[i], &add));
        THAW_TRY(thaw_terms_run(thaw_node_device(node), &state->gradients[i], node->inputs[i]->gradient,
                                node->outputs[0]->gradient, NULL, NULL, add));
    }
    return THAW_OK;
}

void thaw_variadic_release(thaw_node *node)
{
    thaw_variadic *state = node->state;
    thaw_binary_release(node);
    for (size_t i = 0; i < node->input_count && state->gradients; i++)
        thaw_terms_release(&state->gradients[i]);
    free(state->gradients);
    free(state->rest);
}
