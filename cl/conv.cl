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

/* The product's operand: columns[channel, kernel position, pixel] of `count` output pixels from `first` on, for one
 * image and group whose first channel is x[offset]. Work-item (pixel, kernel position, channel). */
kernel void im2col(global float *columns, global const float *x, long offset, int first, GEOMETRY)
{
    const int pixel = first + (int)get_global_id(0);
    const int position = (int)get_global_id(1);
    const int d = pixel / (out_w * out_h) * stride_d - pad_d + position / (kernel_w * kernel_h) * dilation_d;
    const int h = pixel / out_w % out_h * stride_h - pad_h + position / kernel_w % kernel_h * dilation_h;
    const int w = pixel % out_w * stride_w - pad_w + position % kernel_w * dilation_w;
    const size_t row = get_global_id(2) * get_global_size(1) + get_global_id(1);
    float value = 0.0f;
    if (INSIDE(d, in_d) && INSIDE(h, in_h) && INSIDE(w, in_w))
        value = x[offset + (long)get_global_id(2) * (in_d * in_h * in_w) + (d * in_h + h) * in_w + w];
    columns[row * get_global_size(0) + get_global_id(0)] = value;
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

/* One input channel per group (group_in is 1), any number of outputs for each. Work-items as above. Windows that lie
 * inside the image, most of them, take a loop without a test. */
kernel void conv_depthwise(global float *y, global const float *x, global const float *weight, global const float *bias,
                           global const float *residual, float alpha, float beta, int group_in, int group_out, GEOMETRY)
{
    const int pixel = (int)get_global_id(0);
    const int d = pixel / (out_w * out_h) * stride_d - pad_d;
    const int h = pixel / out_w % out_h * stride_h - pad_h;
    const int w = pixel % out_w * stride_w - pad_w;
    const size_t channel = get_global_id(1);
    const size_t in_channels = get_global_size(1) / group_out;
    x += (get_global_id(2) * in_channels + channel / group_out) * ((size_t)in_d * in_h * in_w);
    weight += channel * ((size_t)kernel_d * kernel_h * kernel_w);
    const bool inside = d >= 0 && h >= 0 && w >= 0 && d + (kernel_d - 1) * dilation_d < in_d &&
                        h + (kernel_h - 1) * dilation_h < in_h && w + (kernel_w - 1) * dilation_w < in_w;
    float sum = 0.0f;
    if (inside) {
        for (int i = 0; i < kernel_d; i++)
            for (int j = 0; j < kernel_h; j++) {
                global const float *row = x + ((d + i * dilation_d) * in_h + h + j * dilation_h) * in_w + w;
                for (int k = 0; k < kernel_w; k++)
                    sum += row[k * dilation_w] * *weight++;
            }
    } else {
        sum = window(x, weight, d, h, w, in_d, in_h, in_w, kernel_d, kernel_h, kernel_w, dilation_d, dilation_h,
                     dilation_w);
    }
    const size_t at = (get_global_id(2) * get_global_size(1) + channel) * get_global_size(0) + pixel;
    finish(y, at, sum, bias, channel, residual, alpha, beta);
}
