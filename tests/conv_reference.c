#include "conv_reference.h"

#include <string.h>

#define AXES 3

/* A list attribute into the last axes, `otherwise` in the others. */
static void read_list(const thaw_node *node, const char *name, int spatial, int64_t otherwise, int64_t out[AXES])
{
    size_t count;
    const int64_t *values = thaw_node_ints(node, name, &count);
    for (int i = 0; i < AXES; i++)
        out[i] = values && i >= AXES - spatial ? values[i - (AXES - spatial)] : otherwise;
}

struct window {
    int64_t in[AXES], kernel[AXES], out[AXES], stride[AXES], dilation[AXES], pad[AXES];
};

static void read_window(const thaw_node *node, struct window *window)
{
    const char *auto_pad = thaw_node_string(node, "auto_pad", "NOTSET");
    const int spatial = node->inputs[0]->shape.rank - 2;
    read_list(node, "strides", spatial, 1, window->stride);
    read_list(node, "dilations", spatial, 1, window->dilation);
    read_list(node, "pads", spatial, 0, window->pad);
    for (int i = 0; i < AXES; i++) {
        const int axis = i - (AXES - spatial) + 2;
        window->in[i] = axis < 2 ? 1 : node->inputs[0]->shape.dims[axis];
        window->kernel[i] = axis < 2 ? 1 : node->inputs[1]->shape.dims[axis];
        window->out[i] = axis < 2 ? 1 : node->outputs[0]->shape.dims[axis];
        int64_t missing = (window->out[i] - 1) * window->stride[i] + (window->kernel[i] - 1) * window->dilation[i] + 1 -
                          window->in[i];
        missing = missing < 0 ? 0 : missing;
        if (strcmp(auto_pad, "SAME_UPPER") == 0)
            window->pad[i] = missing / 2;
        else if (strcmp(auto_pad, "SAME_LOWER") == 0)
            window->pad[i] = (missing + 1) / 2;
        else if (strcmp(auto_pad, "VALID") == 0)
            window->pad[i] = 0;
    }
}

/* The element of an image's channel that kernel position k meets at output position o; -1 in the padding. */
static int64_t element(const struct window *window, const int64_t o[AXES], const int64_t k[AXES])
{
    int64_t at = 0;
    for (int i = 0; i < AXES; i++) {
        const int64_t x = o[i] * window->stride[i] - window->pad[i] + k[i] * window->dilation[i];
        if (x < 0 || x >= window->in[i])
            return -1;
        at = at * window->in[i] + x;
    }
    return at;
}

static double window_sum(const struct window *window, const double *x, const double *weight, const int64_t o[AXES])
{
    double sum = 0;
    int64_t k[AXES];
    for (k[0] = 0; k[0] < window->kernel[0]; k[0]++)
        for (k[1] = 0; k[1] < window->kernel[1]; k[1]++)
            for (k[2] = 0; k[2] < window->kernel[2]; k[2]++, weight++) {
                const int64_t at = element(window, o, k);
                sum += at < 0 ? 0 : x[at] * *weight;
            }
    return sum;
}

static int64_t size_of(const int64_t sizes[AXES])
{
    return sizes[0] * sizes[1] * sizes[2];
}

void conv_reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    struct window window;
    read_window(node, &window);
    const int64_t channels = node->inputs[0]->shape.dims[1], out_channels = node->inputs[1]->shape.dims[0];
    const int64_t group_in = node->inputs[1]->shape.dims[1];
    const int64_t group_out = out_channels / (channels / group_in);
    double *y = outputs[0];
    int64_t o[AXES];
    for (int64_t n = 0; n < node->inputs[0]->shape.dims[0]; n++)
        for (int64_t m = 0; m < out_channels; m++)
            for (o[0] = 0; o[0] < window.out[0]; o[0]++)
                for (o[1] = 0; o[1] < window.out[1]; o[1]++)
                    for (o[2] = 0; o[2] < window.out[2]; o[2]++) {
                        double sum = node->input_count > 2 && inputs[2] ? inputs[2][m] : 0;
                        for (int64_t c = 0; c < group_in; c++)
                            sum += window_sum(
                                &window, inputs[0] + (n * channels + m / group_out * group_in + c) * size_of(window.in),
                                inputs[1] + (m * group_in + c) * size_of(window.kernel), o);
                        *y++ = sum;
                    }
}
