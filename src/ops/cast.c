/* Cast: any type to any other on the host; between floating types and bool on the device, which computes in float32:
 * there a cast rounds to the type that the file names, and gradients pass as they are, but not out of a mask. */
#include "ops/shared/movement.h"

#include <string.h>

typedef struct cast_state {
    thaw_dtype to;
    thaw_kernel *kernel; /* NULL: nothing is to be rounded */
    thaw_mover backward;
} cast_state;

/* ONNX names for TensorProto.DataType, those that Thaw has no element type for. */
static const char *foreign_type(int64_t code)
{
    static const char *const names[] = {[8] = "string",
                                        [14] = "complex64",
                                        [15] = "complex128",
                                        [17] = "float8e4m3fn",
                                        [18] = "float8e4m3fnuz",
                                        [19] = "float8e5m2",
                                        [20] = "float8e5m2fnuz",
                                        [21] = "uint4",
                                        [22] = "int4",
                                        [23] = "float4e2m1",
                                        [24] = "float8e8m0",
                                        [25] = "uint2",
                                        [26] = "int2"};
    const bool known = code >= 0 && code < (int64_t)(sizeof names / sizeof *names) && names[code];
    return known ? names[code] : "unknown";
}

/* `saturate` and `round_mode` speak of float8 types only. */
static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_node_known_attributes(node, "to,saturate,round_mode"));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(cast_state), &node->state));
    const int64_t code = thaw_node_int(node, "to", -1);
    if (code < 1 || code > INT32_MAX || !thaw_dtype_from_onnx((int32_t)code, &((cast_state *)node->state)->to))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "to data type %lld (%s)", (long long)code,
                              foreign_type(code));
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    const cast_state *state = node->state;
    const thaw_value *input = node->inputs[0];
    THAW_TRY(thaw_move_check_input(node, 0));
    if (!input->constant && !thaw_dtype_is_float(state->to) && state->to != THAW_BOOL)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "to %s, of a value that is not constant",
                              thaw_dtype_text(state->to));
    return thaw_node_set_output(node, 0, state->to, &input->shape);
}

/* Everything but 0 is true, also what truncates to 0. Integers go through int64, so that none loses digits. */
static thaw_status fold(thaw_node *node)
{
    const thaw_tensor *input = node->inputs[0]->constant;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    const bool as_float =
        thaw_dtype_is_float(output->dtype) || (output->dtype == THAW_BOOL && thaw_dtype_is_float(input->dtype));
    if (input->dtype == output->dtype)
        memcpy(output->data, input->data, output->bytes);
    else
        for (int64_t i = 0; i < output->count; i++)
            if (as_float)
                thaw_tensor_set(output, i, thaw_tensor_get(input, i));
            else
                thaw_tensor_set_int(output, i, thaw_tensor_get_int(input, i));
    return THAW_OK;
}

static thaw_status prepare(thaw_node *node)
{
    cast_state *state = node->state;
    thaw_move move = thaw_move_into(&node->outputs[0]->shape);
    memcpy(move.from_stride, move.to_stride, sizeof move.from_stride);
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &move, true, &state->backward));
    if (state->to == THAW_BOOL)
        return thaw_kernel_get(thaw_node_device(node), "mask", "mask_of", "", &state->kernel);
    const char *name = state->to == THAW_FLOAT16    ? "round_to_float16"
                       : state->to == THAW_BFLOAT16 ? "round_to_bfloat16"
                                                    : NULL;
    return name ? thaw_kernel_get(thaw_node_device(node), "cast", name, "", &state->kernel) : THAW_OK;
}

static thaw_status forward(thaw_node *node)
{
    const cast_state *state = node->state;
    thaw_buffer *from = node->inputs[0]->buffer, *to = node->outputs[0]->buffer;
    const int64_t count = thaw_shape_size(&node->outputs[0]->shape);
    if (count == 0)
        return THAW_OK;
    if (!state->kernel)
        return thaw_buffer_copy(from, 0, to, 0, (size_t)count * sizeof(float));
    return thaw_kernel_launch(state->kernel, THAW_RANGE_1(count), THAW_BUFFER(from), THAW_BUFFER(to));
}

static thaw_status backward(thaw_node *node)
{
    const cast_state *state = node->state;
    if (state->to == THAW_BOOL || node->inputs[0]->dtype == THAW_BOOL)
        return THAW_OK;
    return thaw_mover_run(&state->backward, node->outputs[0]->gradient, node->inputs[0]->gradient);
}

const thaw_op thaw_op_cast = {
    .name = "cast",
    .onnx_type = "Cast",
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
