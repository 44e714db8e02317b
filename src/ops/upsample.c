/* Upsample: what Resize was before opset 10. `scales` is an attribute before opset 9, constant input 1 since. */
#include "ops/shared/resize_passes.h"

#include <math.h>
#include <string.h>

enum { SCALES_ARE_INPUT_SINCE = 9, ENDS_AT = 10 };

static thaw_status attributes(thaw_node *node)
{
    const char *mode = thaw_node_string(node, "mode", "nearest");
    const bool old = thaw_node_opset(node) < SCALES_ARE_INPUT_SINCE;
    if (thaw_node_opset(node) >= ENDS_AT)
        return thaw_node_fail(node, THAW_ERR_MODEL, "is no operator of opset %lld", (long long)thaw_node_opset(node));
    THAW_TRY(thaw_node_known_attributes(node, old ? "mode,scales" : "mode"));
    THAW_TRY(thaw_node_arity(node, old ? 1 : 2, old ? 1 : 2, 1));
    if (strcmp(mode, "nearest") != 0 && strcmp(mode, "linear") != 0)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "mode '%s' is not known", mode);
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_resize_state), &node->state));
    ((thaw_resize_state *)node->state)->resizing =
        (thaw_resizing){.coordinates = THAW_ASYMMETRIC,
                        .interpolation = *mode == 'n' ? THAW_RESIZE_NEAREST : THAW_RESIZE_LINEAR,
                        .rounding = THAW_FLOOR};
    return THAW_OK;
}

static thaw_status read_scales(const thaw_node *node, double scales[THAW_MAX_RANK])
{
    const thaw_value *value = thaw_node_input(node, 1);
    size_t count;
    const float *list = thaw_node_floats(node, "scales", &count);
    if (value && !value->constant)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input 1 ('%s') is not constant", value->name);
    count = value ? (size_t)value->constant->count : count;
    if (count != (size_t)node->inputs[0]->shape.rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%zu scales for a tensor of rank %d", count,
                              node->inputs[0]->shape.rank);
    for (size_t i = 0; i < count; i++)
        scales[i] = value ? thaw_tensor_get(value->constant, (int64_t)i) : (double)list[i];
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_resize_state *resize = node->state;
    const thaw_value *x = node->inputs[0];
    double scales[THAW_MAX_RANK];
    if (!thaw_dtype_is_float(x->dtype))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %s", thaw_dtype_text(x->dtype));
    if (x->shape.rank == 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "of a scalar");
    THAW_TRY(read_scales(node, scales));
    resize->count = 0;
    for (int32_t i = 0; i < x->shape.rank; i++) {
        const double in = (double)x->shape.dims[i], out = floor(scales[i] * in);
        if (!(scales[i] > 0) || !(out >= 0 && out <= INT32_MAX) || in > INT32_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "axis %d of %.0f elements, scaled by %g", i, in, scales[i]);
        const thaw_resized_axis axis = {
            .axis = i, .in = x->shape.dims[i], .out = (int64_t)out, .scale = scales[i], .region = {0, 1}};
        thaw_resize_add_axis(resize, &axis);
    }
    return thaw_resize_infer_output(node);
}

const thaw_op thaw_op_upsample = {
    .name = "upsample",
    .onnx_type = "Upsample",
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_resize_layout,
    .prepare = thaw_resize_prepare,
    .forward = thaw_resize_forward,
    .backward = thaw_resize_backward,
    .release = thaw_resize_release,
};
