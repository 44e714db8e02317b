/* Transposed convolutions: x [images, in_channels, in_d, in_h, in_w] to y [images, out_channels, out_d, out_h, out_w],
 * weights [in_channels, group_out, kernel_d, kernel_h, kernel_w], out_channels being groups * group_out, all row-major.
 * Any sizes; what one channel holds and every coordinate (padding included) fits an int.
 *
 * Element i of x goes into element i * stride - pad + k * dilation of y, along each axis, times weight k. */
#define GEOMETRY                                                                                                       \
    int in_d, int in_h, int in_w, int out_d, int out_h, int out_w, int kernel_d, int kernel_h, int kernel_w,           \
        int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,           \
        int pad_h, int pad_w

#define FOR_KERNEL                                                                                                     \
    for (int kd = 0; kd < kernel_d; kd++)                                                                              \
        for (int kh = 0; kh < kernel_h; kh++)                                                                          \
            for (int kw = 0; kw < kernel_w; kw++)

#define TAP    ((kd * kernel_h + kh) * kernel_w + kw)
#define IN     ((long)in_d * in_h * in_w)
#define OUT    ((long)out_d * out_h * out_w)
#define KERNEL ((long)kernel_d * kernel_h * kernel_w)

/* The element that goes into `at` by tap k; -1: none does. */
inline int source(int at, int k, int stride, int dilation, int pad, int in)
{
    const int scaled = at + pad - k * dilation;
    return scaled < 0 || scaled % stride != 0 || scaled / stride >= in ? -1 : scaled / stride;
}

/* Where element i goes by tap k; -1: nowhere. */
inline int target(int i, int k, int stride, int dilation, int pad, int out)
{
    const int at = i * stride - pad + k * dilation;
    return at < 0 || at >= out ? -1 : at;
}

/* bias may be NULL. Work-item (place in y's channel, channel of y, image). */
kernel void conv_transpose(global float *y, global const float *x, global const float *weights,
                           global const float *bias, int group_in, int group_out, GEOMETRY)
{
    const int place = (int)get_global_id(0), channel = (int)get_global_id(1), group = channel / group_out;
    const long image = get_global_id(2), channels = get_global_size(1);
    const int d = place / (out_h * out_w), h = place / out_w % out_h, w = place % out_w;
    float sum = bias ? bias[channel] : 0.0f;
    x += (image * (channels / group_out) + group) * group_in * IN;
    weights += ((long)group * group_in * group_out + channel % group_out) * KERNEL;
    FOR_KERNEL
    {
        const int id = source(d, kd, stride_d, dilation_d, pad_d, in_d);
        const int ih = source(h, kh, stride_h, dilation_h, pad_h, in_h);
        const int iw = source(w, kw, stride_w, dilation_w, pad_w, in_w);
        if (id < 0 || ih < 0 || iw < 0)
            continue;
        const long at = ((long)id * in_h + ih) * in_w + iw;
        float part = 0.0f;
        for (int c = 0; c < group_in; c++)
            part += x[c * IN + at] * weights[c * group_out * KERNEL + TAP];
        sum += part;
    }
    y[(image * channels + channel) * OUT + place] = sum;
}

/* dx += the sum of dy * weights. Work-item (place in x's channel, channel of x, image). */
kernel void conv_transpose_data(global float *dx, global const float *dy, global const float *weights, int group_in,
                                int group_out, GEOMETRY)
{
    const int place = (int)get_global_id(0), channel = (int)get_global_id(1), group = channel / group_in;
    const long image = get_global_id(2), channels = get_global_size(1);
    const int d = place / (in_h * in_w), h = place / in_w % in_h, w = place % in_w;
    float sum = 0.0f;
    dy += (image * (channels / group_in) + group) * group_out * OUT;
    weights += (long)channel * group_out * KERNEL;
    FOR_KERNEL
    {
        const int od = target(d, kd, stride_d, dilation_d, pad_d, out_d);
        const int oh = target(h, kh, stride_h, dilation_h, pad_h, out_h);
        const int ow = target(w, kw, stride_w, dilation_w, pad_w, out_w);
        if (od < 0 || oh < 0 || ow < 0)
            continue;
        const long at = ((long)od * out_h + oh) * out_w + ow;
        float part = 0.0f;
        for (int c = 0; c < group_out; c++)
            part += dy[c * OUT + at] * weights[c * KERNEL + TAP];
        sum += part;
    }
    dx[(image * channels + channel) * IN + place] += sum;
}

/* dweights += the sum of dy * x. Work-item (tap, channel of y in its group, channel of x). */
kernel void conv_transpose_weights(global float *dweights, global const float *dy, global const float *x, int images,
                                   int group_in, int group_out, GEOMETRY)
{
    const int tap = (int)get_global_id(0), out = (int)get_global_id(1), channel = (int)get_global_id(2);
    const int kd = tap / (kernel_h * kernel_w), kh = tap / kernel_w % kernel_h, kw = tap % kernel_w;
    const long channels = get_global_size(2), out_channels = channels / group_in * group_out;
    const long out_channel = (long)(channel / group_in) * group_out + out;
    float sum = 0.0f;
    for (long image = 0; image < images; image++)
        for (int d = 0; d < in_d; d++)
            for (int h = 0; h < in_h; h++) {
                const int od = target(d, kd, stride_d, dilation_d, pad_d, out_d);
                const int oh = target(h, kh, stride_h, dilation_h, pad_h, out_h);
                if (od < 0 || oh < 0)
                    continue;
                global const float *from = x + ((image * channels + channel) * in_d + d) * (long)in_h * in_w + h * in_w;
                global const float *to =
                    dy + (((image * out_channels + out_channel) * out_d + od) * out_h + oh) * out_w;
                float row = 0.0f; /* by parts: less rounding */
                for (int w = 0; w < in_w; w++) {
                    const int ow = target(w, kw, stride_w, dilation_w, pad_w, out_w);
                    row += ow < 0 ? 0.0f : from[w] * to[ow];
                }
                sum += row;
            }
    dweights[((long)channel * group_out + out) * KERNEL + tap] += sum;
}

/* dbias += the sum of dy over images and places. Work-item: channel of y. */
kernel void conv_transpose_bias(global float *dbias, global const float *dy, int images, long places)
{
    const long channel = get_global_id(0), channels = get_global_size(0);
    float sum = 0.0f;
    for (long image = 0; image < images; image++) {
        global const float *from = dy + (image * channels + channel) * places;
        for (long first = 0; first < places; first += 32) {
            float run = 0.0f; /* by parts: less rounding */
            for (long i = first; i < min(first + 32, places); i++)
                run += from[i];
            sum += run;
        }
    }
    dbias[channel] += sum;
}
