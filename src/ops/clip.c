#include "ops/shared/activation.h"

#include <float.h>

/* y = min(max(x, lower), upper). The bounds are attributes before opset 11, inputs 1 and 2 since. */
static thaw_status attributes(thaw_node *node)
{
    const bool in_attributes = thaw_node_opset(node) < 11;
    THAW_TRY(thaw_node_known_attributes(node, in_attributes ? "min,max" : ""));
    THAW_TRY(thaw_node_arity(node, 1, in_attributes ? 1 : 3, 1));
    return thaw_activation_create(node, THAW_CLAMP, thaw_node_float(node, "min", -FLT_MAX),
                                  thaw_node_float(node, "max", FLT_MAX));
}

static bool is_fixed(const thaw_value *value)
{
    return !value || (value->constant && !value->trainable);
}

/* A bound must be one number of x's type; where it is fixed, it goes into *number. */
static thaw_status infer_bound(const thaw_node *node, size_t index, float *number)
{
    const thaw_value *x = node->inputs[0], *bound = thaw_node_input(node, index);
    char text[THAW_SHAPE_TEXT];
    if (!bound)
        return THAW_OK;
    if (thaw_shape_size(&bound->shape) != 1)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "bound '%s' is %s, not a scalar", bound->name,
                              thaw_shape_text(&bound->shape, text));
    if (bound->dtype != x->dtype && !(thaw_dtype_is_float(bound->dtype) && thaw_dtype_is_float(x->dtype)))
        return thaw_node_fail(node, THAW_ERR_MODEL, "bound '%s' is %s but the input is %s", bound->name,
                              thaw_dtype_text(bound->dtype), thaw_dtype_text(x->dtype));
    if (is_fixed(bound))
        *number = (float)thaw_tensor_get(bound->constant, 0);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_activation_state *state = node->state;
    const thaw_value *x = node->inputs[0];
    const bool fixed_bounds = is_fixed(thaw_node_input(node, 1)) && is_fixed(thaw_node_input(node, 2));
    state->bounds_at_run_time = !fixed_bounds;
    THAW_TRY(infer_bound(node, 1, &state->epilogue.alpha));
    THAW_TRY(infer_bound(node, 2, &state->epilogue.beta));
    if (!is_fixed(x) || !fixed_bounds)
        return thaw_activation_infer(node);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape); /* to be folded, whatever its type */
}

static void fold_floats(const thaw_node *node, thaw_tensor *y)
{
    const thaw_activation_state *state = node->state;
    const thaw_tensor *x = node->inputs[0]->constant;
    for (int64_t i = 0; i < y->count; i++) {
        double value = thaw_tensor_get(x, i);
        value = value < state->epilogue.alpha ? state->epilogue.alpha : value;
        thaw_tensor_set(y, i, value > state->epilogue.beta ? state->epilogue.beta : value);
    }
}

static bool is_less(thaw_dtype dtype, int64_t a, int64_t b)
{
    return dtype == THAW_UINT64 ? (uint64_t)a < (uint64_t)b : a < b;
}

static void fold_integers(const thaw_node *node, thaw_tensor *y)
{
    const thaw_value *lower = thaw_node_input(node, 1), *upper = thaw_node_input(node, 2);
    const thaw_tensor *x = node->inputs[0]->constant;
    for (int64_t i = 0; i < y->count; i++) {
        int64_t value = thaw_tensor_get_int(x, i);
        if (lower && is_less(y->dtype, value, thaw_tensor_get_int(lower->constant, 0)))
            value = thaw_tensor_get_int(lower->constant, 0);
        if (upper && is_less(y->dtype, thaw_tensor_get_int(upper->constant, 0), value))
            value = thaw_tensor_get_int(upper->constant, 0);
        thaw_tensor_set_int(y, i, value);
    }
}

static thaw_status fold(thaw_node *node)
{
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    if (thaw_dtype_is_float(y->dtype))
        fold_floats(node, y);
    else
        fold_integers(node, y);
    return THAW_OK;
}

const thaw_op thaw_op_clip = {
    .name = "clip",
    .onnx_type = "Clip",
    .flags = THAW_OP_ACTIVATION | THAW_OP_BACKWARD_OVERWRITES | THAW_OP_BACKWARD_READS_OUTPUT,
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_activation_layout,
    .fold = fold,
    .prepare = thaw_activation_prepare,
    .forward = thaw_activation_forward,
    .backward = thaw_activation_backward,
};
