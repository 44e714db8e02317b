#include "ops/shared/window.h"

#include <limits.h>
#include <string.h>

thaw_status thaw_window_check_auto_pad(const thaw_node *node)
{
    static const char *const known[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(auto_pad, known[i]) == 0)
            return THAW_OK;
    return thaw_node_fail(node, THAW_ERR_MODEL, "auto_pad '%s' is not known", auto_pad);
}

/* Fails unless `value` is an int of at least `least`. */
static thaw_status check_range(const thaw_node *node, const char *what, int64_t value, int64_t least)
{
    if (value < least || value > INT_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s of %lld is out of range", what, (long long)value);
    return THAW_OK;
}

thaw_status thaw_window_axes(const thaw_node *node, const char *name, int32_t spatial, int64_t otherwise,
                             int64_t out[THAW_WINDOW_AXES])
{
    size_t count;
    const int64_t *values = thaw_node_ints(node, name, &count);
    if (values && count != (size_t)spatial)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%s has %zu numbers for %d spatial dimensions", name, count,
                              spatial);
    for (int32_t axis = 0; axis < THAW_WINDOW_AXES; axis++) {
        const int32_t i = axis - (THAW_WINDOW_AXES - spatial);
        out[axis] = values && i >= 0 ? values[i] : otherwise;
        THAW_TRY(check_range(node, name, out[axis], 1));
    }
    return THAW_OK;
}

static thaw_status read_pads(const thaw_node *node, thaw_window *w)
{
    size_t count;
    const int64_t *pads = thaw_node_ints(node, "pads", &count);
    if (!pads || strcmp(thaw_node_string(node, "auto_pad", "NOTSET"), "NOTSET") != 0)
        return THAW_OK;
    if (count != 2 * (size_t)w->spatial)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "pads has %zu numbers for %d spatial dimensions", count,
                              w->spatial);
    for (int32_t i = 0; i < w->spatial; i++) {
        const int32_t axis = i + THAW_WINDOW_AXES - w->spatial;
        w->pad[axis] = pads[i];
        w->pad_end[axis] = pads[i + w->spatial];
        THAW_TRY(check_range(node, "padding", pads[i], 0));
        THAW_TRY(check_range(node, "padding", pads[i + w->spatial], 0));
    }
    return THAW_OK;
}

/* Padding so that out = ceil(in / stride); an odd element goes behind (SAME_UPPER) or before (SAME_LOWER). */
static void pad_same(thaw_window *w, int axis, int64_t reach, bool upper)
{
    const int64_t out = (w->in[axis] + w->stride[axis] - 1) / w->stride[axis];
    const int64_t total = (out - 1) * w->stride[axis] + reach - w->in[axis];
    const int64_t half = total <= 0 ? 0 : total / 2;
    const int64_t other = total <= 0 ? 0 : total - half;
    w->pad[axis] = upper ? half : other;
    w->pad_end[axis] = upper ? other : half;
}

/* Output size along one axis. With ceil_mode the last window may hang over the end, but must not begin behind the input
 * and its padding before (as ONNX Runtime and PyTorch have it). */
static thaw_status infer_axis(const thaw_node *node, int axis, bool ceil_mode, thaw_window *w)
{
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    const int64_t reach = (w->kernel[axis] - 1) * w->dilation[axis] + 1;
    if (strncmp(auto_pad, "SAME", 4) == 0)
        pad_same(w, axis, reach, strcmp(auto_pad, "SAME_UPPER") == 0);
    const int64_t padded = w->in[axis] + w->pad[axis] + w->pad_end[axis], stride = w->stride[axis];
    THAW_TRY(check_range(node, "a padded dimension", padded, 1));
    if (reach > padded)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "a kernel that reaches over %lld does not fit %lld + %lld + %lld",
                              (long long)reach, (long long)w->pad[axis], (long long)w->in[axis],
                              (long long)w->pad_end[axis]);
    w->out[axis] = (padded - reach + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (w->out[axis] - 1) * stride >= w->in[axis] + w->pad[axis])
        w->out[axis]--;
    return check_range(node, "the end of the last window", (w->out[axis] - 1) * stride + reach, 1);
}

/* Fails unless the product is an int: kernels index a channel with it. */
static thaw_status check_product(const thaw_node *node, const char *what, const int64_t sizes[THAW_WINDOW_AXES])
{
    int64_t product = 1;
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        if (!thaw_multiply(product, sizes[axis], &product) || product > INT_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "%s of more than %d elements", what, INT_MAX);
    return THAW_OK;
}

thaw_status thaw_window_infer(const thaw_node *node, const int64_t kernel[THAW_WINDOW_AXES], thaw_window *w)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    char text[THAW_SHAPE_TEXT];
    *w = (thaw_window){.spatial = x->rank - 2};
    if (w->spatial < 1 || w->spatial > THAW_WINDOW_AXES)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s has not 1 to 3 spatial dimensions",
                              thaw_shape_text(x, text));
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++) {
        const int32_t i = axis - (THAW_WINDOW_AXES - w->spatial) + 2;
        w->in[axis] = i >= 2 ? x->dims[i] : 1;
        w->kernel[axis] = kernel[axis];
        if (w->in[axis] < 1)
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s is empty", thaw_shape_text(x, text));
    }
    THAW_TRY(thaw_window_axes(node, "strides", w->spatial, 1, w->stride));
    THAW_TRY(thaw_window_axes(node, "dilations", w->spatial, 1, w->dilation));
    THAW_TRY(read_pads(node, w));
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        if (w->kernel[axis] == 1)
            w->dilation[axis] = 1; /* means nothing then, and may be huge */
    THAW_TRY(check_product(node, "a channel", w->in));
    THAW_TRY(check_product(node, "a window", w->kernel));
    for (int axis = 0; axis < THAW_WINDOW_AXES; axis++)
        THAW_TRY(infer_axis(node, axis, thaw_node_int(node, "ceil_mode", 0) != 0, w));
    return check_product(node, "a channel", w->out);
}

void thaw_window_arguments(const thaw_window *window, thaw_argument arguments[THAW_WINDOW_ARGUMENTS])
{
    const int64_t *const lists[] = {window->in,     window->out,      window->kernel,
                                    window->stride, window->dilation, window->pad};
    for (int i = 0; i < THAW_WINDOW_ARGUMENTS; i++)
        arguments[i] = THAW_INT(lists[i / THAW_WINDOW_AXES][i % THAW_WINDOW_AXES]);
}
