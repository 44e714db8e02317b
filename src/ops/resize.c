/* Resize: images made larger or smaller, axis by axis; all constant but the input. */
#include "ops/shared/resize_passes.h"

#include <math.h>
#include <string.h>

#define KNOWN_10 "mode"
#define KNOWN_11                                                                                                       \
    KNOWN_10 ",coordinate_transformation_mode,cubic_coeff_a,exclude_outside,extrapolation_value,nearest_mode"
#define KNOWN_18 KNOWN_11 ",antialias,axes,keep_aspect_ratio_policy"

/* `choice` is the place of the attribute's text, or of `otherwise`, in that NULL-terminated list. */
static thaw_status choose(const thaw_node *node, const char *attribute, const char *otherwise, const char *const *list,
                          int *choice)
{
    const char *text = thaw_node_string(node, attribute, otherwise);
    for (*choice = 0; list[*choice]; (*choice)++)
        if (strcmp(list[*choice], text) == 0)
            return THAW_OK;
    return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "%s '%s' is not known", attribute, text);
}

static thaw_status attributes(thaw_node *node)
{
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn", NULL}; /* as in thaw_coordinates */
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    const int64_t opset = thaw_node_opset(node);
    int coordinate, mode, rounding;
    if (opset < 10)
        return thaw_node_fail(node, THAW_ERR_MODEL, "there is no Resize in opset %lld", (long long)opset);
    THAW_TRY(thaw_node_known_attributes(node, opset < 11 ? KNOWN_10 : opset < 18 ? KNOWN_11 : KNOWN_18));
    THAW_TRY(thaw_node_arity(node, 1, opset < 11 ? 2 : 4, 1));
    THAW_TRY(choose(node, "coordinate_transformation_mode", opset < 11 ? "asymmetric" : "half_pixel", coordinates,
                    &coordinate));
    THAW_TRY(choose(node, "mode", "nearest", modes, &mode));
    THAW_TRY(choose(node, "nearest_mode", opset < 11 ? "floor" : "round_prefer_floor", roundings, &rounding));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_resize_state), &node->state));
    ((thaw_resize_state *)node->state)->resizing =
        (thaw_resizing){.coordinates = (thaw_coordinates)coordinate,
                        .interpolation = (thaw_resize_mode)mode,
                        .rounding = (thaw_rounding)rounding,
                        .antialias = thaw_node_int(node, "antialias", 0) != 0 && mode != THAW_RESIZE_NEAREST,
                        .exclude_outside = thaw_node_int(node, "exclude_outside", 0) != 0,
                        .cubic = thaw_node_float(node, "cubic_coeff_a", -0.75f),
                        .outside = thaw_node_float(node, "extrapolation_value", 0)};
    return THAW_OK;
}

/* Input `index`, constant and of `count` elements; NULL where it is absent or empty. */
static thaw_status read_list(const thaw_node *node, size_t index, int64_t count, const thaw_tensor **list)
{
    const thaw_value *value = thaw_node_input(node, index);
    *list = NULL;
    if (!value)
        return THAW_OK;
    if (!value->constant)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input %zu ('%s') is not constant", index, value->name);
    if (value->constant->count && value->constant->count != count)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %zu has %lld elements where %lld are wanted", index,
                              (long long)value->constant->count, (long long)count);
    *list = value->constant->count ? value->constant : NULL;
    return THAW_OK;
}

/* What the inputs say about the axes that are listed. */
typedef struct request {
    int32_t axes[THAW_MAX_RANK], count;
    const thaw_tensor *region, *scales, *sizes;
} request;

static thaw_status read_axes(const thaw_node *node, int32_t rank, request *wanted)
{
    size_t count;
    const int64_t *axes = thaw_node_ints(node, "axes", &count);
    if (count > (size_t)rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%zu axes for a tensor of rank %d", count, rank);
    wanted->count = axes ? (int32_t)count : rank;
    for (int32_t i = 0; i < wanted->count; i++) {
        THAW_TRY(thaw_node_axis(node, axes ? axes[i] : i, rank, &wanted->axes[i]));
        for (int32_t j = 0; j < i; j++)
            if (wanted->axes[j] == wanted->axes[i])
                return thaw_node_fail(node, THAW_ERR_SHAPE, "axis %d is listed twice", wanted->axes[i]);
    }
    return THAW_OK;
}

static thaw_status read_request(const thaw_node *node, request *wanted)
{
    const bool old = thaw_node_opset(node) < 11;
    THAW_TRY(read_axes(node, node->inputs[0]->shape.rank, wanted));
    if (!old)
        THAW_TRY(read_list(node, 1, 2 * (int64_t)wanted->count, &wanted->region));
    THAW_TRY(read_list(node, old ? 1 : 2, wanted->count, &wanted->scales));
    THAW_TRY(read_list(node, 3, wanted->count, &wanted->sizes));
    if (!wanted->scales == !wanted->sizes)
        return thaw_node_fail(node, THAW_ERR_MODEL, "takes either scales or sizes");
    if (((const thaw_resize_state *)node->state)->resizing.coordinates == THAW_CROP_AND_RESIZE && !wanted->region)
        return thaw_node_fail(node, THAW_ERR_MODEL, "has no region of interest");
    return THAW_OK;
}

/* One scale for all axes where their proportions are to stay: the smallest, or the largest; 0 where they may change. */
static thaw_status common_scale(const thaw_node *node, const request *wanted, double *scale)
{
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    int policy;
    THAW_TRY(choose(node, "keep_aspect_ratio_policy", "stretch", policies, &policy));
    *scale = 0;
    for (int32_t i = 0; i < wanted->count && policy && wanted->sizes; i++) {
        const double own = thaw_tensor_get(wanted->sizes, i) / (double)node->inputs[0]->shape.dims[wanted->axes[i]];
        *scale = i == 0 || (policy == 1 ? own < *scale : own > *scale) ? own : *scale;
    }
    return THAW_OK;
}

/* Axis `i` of those listed. */
static thaw_status read_axis(const thaw_node *node, const request *wanted, int32_t i, double common,
                             thaw_resized_axis *axis)
{
    const double in = (double)node->inputs[0]->shape.dims[wanted->axes[i]];
    *axis = (thaw_resized_axis){.axis = wanted->axes[i], .in = (int64_t)in, .region = {0, 1}};
    const double size = wanted->sizes ? thaw_tensor_get(wanted->sizes, i) : 0;
    axis->scale = wanted->scales ? thaw_tensor_get(wanted->scales, i) : common > 0 ? common : in > 0 ? size / in : 1;
    const double out = wanted->scales ? floor(axis->scale * in) : common > 0 ? floor(common * in + 0.5) : size;
    if (!(axis->scale > 0) || !(out >= 0 && out <= INT32_MAX) || in > INT32_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "axis %d of %.0f elements, scaled by %g", axis->axis, in,
                              axis->scale);
    axis->out = (int64_t)out;
    for (int32_t end = 0; end < 2 && wanted->region; end++)
        axis->region[end] = thaw_tensor_get(wanted->region, end * wanted->count + i);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    thaw_resize_state *resize = node->state;
    const thaw_value *x = node->inputs[0];
    request wanted = {0};
    double common;
    if (!thaw_dtype_is_float(x->dtype))
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "of %s", thaw_dtype_text(x->dtype));
    if (x->shape.rank == 0)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "of a scalar");
    THAW_TRY(read_request(node, &wanted));
    THAW_TRY(common_scale(node, &wanted, &common));
    resize->count = 0;
    for (int32_t i = 0; i < wanted.count; i++) {
        thaw_resized_axis axis;
        THAW_TRY(read_axis(node, &wanted, i, common, &axis));
        thaw_resize_add_axis(resize, &axis);
    }
    return thaw_resize_infer_output(node);
}

const thaw_op thaw_op_resize = {
    .name = "resize",
    .onnx_type = "Resize",
    .attributes = attributes,
    .infer = infer,
    .layout = thaw_resize_layout,
    .prepare = thaw_resize_prepare,
    .forward = thaw_resize_forward,
    .backward = thaw_resize_backward,
    .release = thaw_resize_release,
};
