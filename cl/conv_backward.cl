/* Gradients of convolutions, all tensors row-major: see cl/conv.cl for the shapes and what GEOMETRY means. `add` of 1
 * adds to the gradient, 0 replaces it. Every sum has an order of its own that does not change from run to run. */

#define GEOMETRY                                                                                                       \
    int in_d, int in_h, int in_w, int out_d, int out_h, int out_w, int kernel_d, int kernel_h, int kernel_w,           \
        int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,           \
        int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

/* Of the input's element `at` (padding counted), the output whose window meets it with its first row; -1: none does. */
static inline int output_of(int at, int stride, int size)
{
    return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
}

/* For every window position (i, j, k) that meets the input's element (d, h, w): runs BODY with `tap`, the position's
 * number, and `pixel`, that of the output. */
#define FOR_EACH_WINDOW(d, h, w, BODY)                                                                                 \
    for (int i = 0; i < kernel_d; i++) {                                                                               \
        const int at_d = output_of((d) + pad_d - i * dilation_d, stride_d, out_d);                                     \
        for (int j = 0; j < kernel_h && at_d >= 0; j++) {                                                              \
            const int at_h = output_of((h) + pad_h - j * dilation_h, stride_h, out_h);                                 \
            for (int k = 0; k < kernel_w && at_h >= 0; k++) {                                                          \
                const int at_w = output_of((w) + pad_w - k * dilation_w, stride_w, out_w);                             \
                const int tap = (i * kernel_h + j) * kernel_w + k, pixel = (at_d * out_h + at_h) * out_w + at_w;       \
                if (at_w >= 0)                                                                                         \
                    BODY;                                                                                              \
            }                                                                                                          \
        }                                                                                                              \
    }

/* dx of some input channels of one image, the first at dx[offset], from columns[channel, kernel position, output pixel].
 * Work-item (column, row, channel). */
kernel void col2im(global float *restrict dx, long offset, int add, global const float *restrict columns, GEOMETRY)
{
    const int w = (int)get_global_id(0), h = (int)get_global_id(1) % in_h, d = (int)get_global_id(1) / in_h;
    const size_t pixels = (size_t)out_d * out_h * out_w;
    float sum = 0.0f;
    columns += get_global_id(2) * kernel_d * kernel_h * kernel_w * pixels;
    FOR_EACH_WINDOW(d, h, w, sum += columns[tap * pixels + pixel])
    dx += offset + ((get_global_id(2) * in_d + d) * in_h + h) * in_w + w;
    *dx = add ? *dx + sum : sum;
}

/* dx without any columns: the reference, and what depthwise convolutions need. Work-item (element of a channel, input
 * channel, image); group_in and group_out are channels per group. */
kernel void backward_data(global float *restrict dx, int add, global const float *restrict dy,
                          global const float *restrict weight, int group_in, int group_out, GEOMETRY)
{
    const int element = (int)get_global_id(0), channel = (int)get_global_id(1);
    const int w = element % in_w, h = element / in_w % in_h, d = element / in_w / in_h;
    const size_t pixels = (size_t)out_d * out_h * out_w, taps = (size_t)kernel_d * kernel_h * kernel_w;
    const int group = channel / group_in;
    const size_t groups = get_global_size(1) / group_in;
    float sum = 0.0f;
    dy += (get_global_id(2) * groups + group) * group_out * pixels;
    weight += ((size_t)group * group_out * group_in + channel % group_in) * taps;
    for (int o = 0; o < group_out; o++, dy += pixels, weight += group_in * taps)
        FOR_EACH_WINDOW(d, h, w, sum += dy[pixel] * weight[tap])
    dx += (get_global_id(2) * get_global_size(1) + channel) * get_global_size(0) + element;
    *dx = add ? *dx + sum : sum;
}

/* The sum over one image's channel of dy * x, for one kernel position that begins at (d, h, w): row by row. */
static inline float correlate(global const float *dy, global const float *x, int d, int h, int w, int in_d, int in_h,
                              int in_w, int out_d, int out_h, int out_w, int stride_d, int stride_h, int stride_w)
{
    float sum = 0.0f;
    for (int i = 0; i < out_d; i++) {
        const int at_d = d + i * stride_d;
        for (int j = 0; j < out_h && INSIDE(at_d, in_d); j++) {
            const int at_h = h + j * stride_h;
            float row = 0.0f;
            for (int k = 0, at_w = w; k < out_w && INSIDE(at_h, in_h); k++, at_w += stride_w)
                if (INSIDE(at_w, in_w))
                    row += dy[(i * out_h + j) * out_w + k] * x[(at_d * in_h + at_h) * in_w + at_w];
            sum += row;
        }
    }
    return sum;
}

/* dw of the images [part * run, ...) to dw[part]. Work-item (input channel of the group and kernel position, output
 * channel, part). */
kernel void backward_weights(global float *restrict dw, int add, global const float *restrict dy,
                             global const float *restrict x, int images, int run, int in_channels, int group_in,
                             int group_out, GEOMETRY)
{
    const int taps = kernel_d * kernel_h * kernel_w, tap = (int)get_global_id(0) % taps;
    const int channel = (int)get_global_id(1), out_channels = (int)get_global_size(1);
    const int in_channel = channel / group_out * group_in + (int)get_global_id(0) / taps;
    const int d = tap / (kernel_w * kernel_h) * dilation_d - pad_d;
    const int h = tap / kernel_w % kernel_h * dilation_h - pad_h;
    const int w = tap % kernel_w * dilation_w - pad_w;
    const size_t pixels = (size_t)out_d * out_h * out_w, elements = (size_t)in_d * in_h * in_w;
    const int first = (int)get_global_id(2) * run, end = min(first + run, images);
    float sum = 0.0f;
    for (int image = first; image < end; image++)
        sum += correlate(dy + ((size_t)image * out_channels + channel) * pixels,
                         x + ((size_t)image * in_channels + in_channel) * elements, d, h, w, in_d, in_h, in_w, out_d,
                         out_h, out_w, stride_d, stride_h, stride_w);
    dw += (get_global_id(2) * out_channels + channel) * get_global_size(0) + get_global_id(0);
    *dw = add ? *dw + sum : sum;
}

/* gradient[i] = (add: gradient[i] +) the sum of `parts` numbers from parts[i] on, `stride` apart, in order. */
kernel void add_parts(global float *restrict gradient, int add, global const float *restrict parts, int count,
                      long stride)
{
    const size_t i = get_global_id(0);
    float sum = add ? gradient[i] : 0.0f;
    for (int part = 0; part < count; part++)
        sum += parts[part * stride + i];
    gradient[i] = sum;
}

/* parts[image, channel]: the sums of dy [images, channels, pixels] over the pixels, `width` of which make a row of the
 * sum. With BLOCK, dy is [images, blocks, pixels, BLOCK] and parts [images, blocks, BLOCK]. Work-item (channel or
 * block, image). */
kernel void sum_pixels(global float *restrict parts, global const float *restrict dy, int pixels, int width)
{
    const size_t plane = get_global_id(1) * get_global_size(0) + get_global_id(0);
#ifdef BLOCK
    floatb sum = 0.0f;
    dy += plane * pixels * BLOCK;
    for (int row = 0; row < pixels; row += width) {
        floatb part = 0.0f;
        for (int i = row; i < min(row + width, pixels); i++)
            part += load_block(i, dy);
        sum += part;
    }
    store_block(sum, plane, parts);
#else
    float sum = 0.0f;
    dy += plane * pixels;
    for (int row = 0; row < pixels; row += width) {
        float part = 0.0f;
        for (int i = row; i < min(row + width, pixels); i++)
            part += dy[i];
        sum += part;
    }
    parts[plane] = sum;
#endif
}

/* parts[piece, channel]: the sums over the pixels of `run` images of dy [images, channels, pixels], for devices whose
 * work-items should read neighbours; a channel below 2^31 elements. Work-group of at most LANES work-items, a power of
 * two: piece * channels + channel. */
#define LANES 256
kernel void sum_pixels_by_groups(global float *restrict parts, global const float *restrict dy, uint images,
                                 uint channels, uint pixels, uint run)
{
    local float shared[LANES];
    const uint lane = (uint)get_local_id(0), lanes = (uint)get_local_size(0), group = (uint)get_group_id(0);
    const uint first = group / channels * run, end = min(first + run, images);
    const uint more_images = lanes / pixels, more_pixels = lanes % pixels;
    uint image = first + lane / pixels, pixel = lane % pixels;
    float sum = 0.0f;
    while (image < end) {
        sum += dy[((size_t)image * channels + group % channels) * pixels + pixel];
        image += more_images;
        pixel += more_pixels;
        if (pixel >= pixels) {
            pixel -= pixels;
            image++;
        }
    }
    shared[lane] = sum;
    for (uint n = lanes / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < n)
            shared[lane] += shared[lane + n];
    }
    if (lane == 0)
        parts[group] = shared[0];
}
