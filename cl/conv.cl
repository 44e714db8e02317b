/* Convolutions of [n, channels, depth, height, width] with weights [out_channels, in_channels / groups, kernel_d,
 * kernel_h, kernel_w], all row-major; axes that the tensors lack have size 1. Any sizes; what one channel holds and
 * every coordinate (padding included) fits an int.
 *
 * Output (d, h, w) reads input (d * stride_d - pad_d + i * dilation_d, ...) for i < kernel_d; zeros lie outside. */

#define GEOMETRY                                                                                                       \
    int in_d, int in_h, int in_w, int out_d, int out_h, int out_w, int kernel_d, int kernel_h, int kernel_w,           \
        int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,           \
        int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

/* Work-items that share a row of the output, a power of two. 1 leaves whole rows to the compiler's vectoriser: what
 * CPUs want. GPUs want neighbours to read neighbours. */
#ifndef LANES
#define LANES 1
#endif

/* This lane's first place of a row at `from` or behind. */
#define FIRST(from) ((from) + (((int)get_global_id(0) - (from)) & (LANES - 1)))

/* The output positions [begin, end) of a row of `count` whose element at position * stride + offset is inside. */
static inline int2 inside_range(int offset, int stride, int size, int count)
{
    const int begin = offset < 0 ? (-offset - 1) / stride + 1 : 0;
    const int end = offset < size ? (size - offset - 1) / stride + 1 : 0;
    return (int2)(min(begin, count), min(end, count));
}

/* The product's operand: columns[channel, kernel position, pixel] of the output rows from `first` on, for one image and
 * group whose first channel is x[offset]. Work-item (lane, row, channel and kernel position). */
kernel void im2col(global float *restrict columns, global const float *restrict x, long offset, int first, GEOMETRY)
{
    const int row = first + (int)get_global_id(1);
    const int position = (int)(get_global_id(2) % (kernel_d * kernel_h * kernel_w));
    const size_t channel = get_global_id(2) / (kernel_d * kernel_h * kernel_w);
    const int d = row / out_h * stride_d - pad_d + position / (kernel_w * kernel_h) * dilation_d;
    const int h = row % out_h * stride_h - pad_h + position / kernel_w % kernel_h * dilation_h;
    const int from = position % kernel_w * dilation_w - pad_w;
    int2 inside = inside_range(from, stride_w, in_w, out_w);
    if (!INSIDE(d, in_d) || !INSIDE(h, in_h) || inside.x >= inside.y)
        inside = (int2)(out_w, out_w);
    x += offset + channel * ((size_t)in_d * in_h * in_w) + (d * in_h + h) * in_w + from;
    columns += (get_global_id(2) * get_global_size(1) + get_global_id(1)) * out_w;
    for (int w = FIRST(0); w < inside.x; w += LANES)
        columns[w] = 0.0f;
    for (int w = FIRST(inside.x); w < inside.y; w += LANES)
        columns[w] = x[w * stride_w];
    for (int w = FIRST(inside.y); w < out_w; w += LANES)
        columns[w] = 0.0f;
}

/* The sum over one input channel, for the output pixel whose window begins at (d, h, w). */
static inline float window(global const float *x, global const float *weight, int d, int h, int w, int in_d, int in_h,
                           int in_w, int kernel_d, int kernel_h, int kernel_w, int dilation_d, int dilation_h,
                           int dilation_w)
{
    float sum = 0.0f;
    for (int i = 0; i < kernel_d; i++, d += dilation_d) {
        if (!INSIDE(d, in_d))
            continue;
        for (int j = 0, at_h = h; j < kernel_h; j++, at_h += dilation_h) {
            if (!INSIDE(at_h, in_h))
                continue;
            for (int k = 0, at_w = w; k < kernel_w; k++, at_w += dilation_w)
                if (INSIDE(at_w, in_w))
                    sum += x[(d * in_h + at_h) * in_w + at_w] * weight[(i * kernel_h + j) * kernel_w + k];
        }
    }
    return sum;
}

/* y = activation(value + bias + residual) at element i. BIAS, RESIDUAL: defined where there is one. */
static inline void finish(global float *y, size_t i, float value, global const float *bias, size_t channel,
                          global const float *residual, float alpha, float beta)
{
#ifdef BIAS
    value += bias[channel];
#endif
#ifdef RESIDUAL
    value += residual[i];
#endif
    y[i] = activate(value, alpha, beta);
}

/* The plain reference. Work-item (pixel, output channel, image); group_in and group_out are channels per group. */
kernel void conv_direct(global float *y, global const float *x, global const float *weight, global const float *bias,
                        global const float *residual, float alpha, float beta, int group_in, int group_out, GEOMETRY)
{
    const int pixel = (int)get_global_id(0);
    const int d = pixel / (out_w * out_h) * stride_d - pad_d;
    const int h = pixel / out_w % out_h * stride_h - pad_h;
    const int w = pixel % out_w * stride_w - pad_w;
    const size_t channel = get_global_id(1);
    const size_t in_size = (size_t)in_d * in_h * in_w;
    const size_t kernel_size = (size_t)kernel_d * kernel_h * kernel_w;
    const size_t in_channels = get_global_size(1) / group_out * group_in;
    x += (get_global_id(2) * in_channels + channel / group_out * group_in) * in_size;
    weight += channel * group_in * kernel_size;
    float sum = 0.0f;
    for (int i = 0; i < group_in; i++)
        sum += window(x + i * in_size, weight + i * kernel_size, d, h, w, in_d, in_h, in_w, kernel_d, kernel_h,
                      kernel_w, dilation_d, dilation_h, dilation_w);
    const size_t at = (get_global_id(2) * get_global_size(1) + channel) * get_global_size(0) + pixel;
    finish(y, at, sum, bias, channel, residual, alpha, beta);
}

/* One input channel per group, group_out outputs for each. Work-item (lane, row, image and output channel): adds up one
 * weight after the other over its part of the row, so that the inner loop has no test for the border. */
kernel void conv_depthwise(global float *restrict y, global const float *restrict x,
                           global const float *restrict weight, global const float *bias, global const float *residual,
                           float alpha, float beta, int out_channels, int group_out, GEOMETRY)
{
    const int d = (int)get_global_id(1) / out_h * stride_d - pad_d;
    const int h = (int)get_global_id(1) % out_h * stride_h - pad_h;
    const int channel = (int)(get_global_id(2) % out_channels);
    const size_t at = (get_global_id(2) * get_global_size(1) + get_global_id(1)) * out_w;
    x += get_global_id(2) / group_out * ((size_t)in_d * in_h * in_w);
    weight += channel * ((size_t)kernel_d * kernel_h * kernel_w);
    global float *restrict row = y + at;
    for (int w = FIRST(0); w < out_w; w += LANES)
        row[w] = 0.0f;
    for (int i = 0; i < kernel_d * kernel_h; i++, weight += kernel_w) {
        const int in_row = d + i / kernel_h * dilation_d, in_column = h + i % kernel_h * dilation_h;
        if (!INSIDE(in_row, in_d) || !INSIDE(in_column, in_h))
            continue;
        for (int k = 0; k < kernel_w; k++) {
            const int from = k * dilation_w - pad_w;
            const int2 inside = inside_range(from, stride_w, in_w, out_w);
            global const float *restrict in = x + (in_row * in_h + in_column) * in_w + from;
            for (int w = FIRST(inside.x); w < inside.y; w += LANES)
                row[w] += in[w * stride_w] * weight[k];
        }
    }
    for (int w = FIRST(0); w < out_w; w += LANES)
        finish(y, at + w, row[w], bias, channel, residual, alpha, beta);
}
