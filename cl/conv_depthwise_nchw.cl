/* Depthwise convolutions, one output channel for each input channel, of row-major tensors on GPUs, and their gradients:
 * neighbours read neighbours. KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W: constants, so that loops unroll and divisions are
 * cheap. A channel of an image has fewer than 2^31 elements. */
#ifndef KERNEL_H
#define KERNEL_H 3
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_H
#define STRIDE_H 1
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif

#define ITEMS 128 /* as in conv_depthwise_nchw.c */
#define TAPS  (KERNEL_H * KERNEL_W)

static inline bool inside(int at, int size)
{
    return (uint)at < (uint)size;
}

/* Work-item (pixel, channel, image). BIAS, RESIDUAL: defined where there is one. */
kernel void depthwise_forward(global float *restrict y, global const float *restrict x,
                              global const float *restrict weight, global const float *bias,
                              global const float *residual, float alpha, float beta, int in_h, int in_w, int out_w,
                              int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    const int pixel = (int)get_global_id(0), h = pixel / out_w * STRIDE_H - pad_h, w = pixel % out_w * STRIDE_W - pad_w;
    const size_t channel = get_global_id(1), plane = get_global_id(2) * get_global_size(1) + channel;
    const size_t at = plane * get_global_size(0) + pixel;
    x += plane * (size_t)(in_h * in_w);
    weight += channel * TAPS;
    float sum = 0.0f;
    for (int i = 0; i < KERNEL_H; i++) {
        const int at_h = h + i * dilation_h;
        for (int j = 0; j < KERNEL_W; j++) {
            const int at_w = w + j * dilation_w;
            if (inside(at_h, in_h) && inside(at_w, in_w))
                sum += x[at_h * in_w + at_w] * weight[i * KERNEL_W + j];
        }
    }
#ifdef BIAS
    sum += bias[channel];
#endif
#ifdef RESIDUAL
    sum += residual[at];
#endif
    y[at] = activate(sum, alpha, beta);
}

/* dx (+)= what the windows that meet an element make of it. Work-item (element of a channel, channel, image). */
kernel void depthwise_data(global float *restrict dx, int add, global const float *restrict dy,
                           global const float *restrict weight, int in_h, int in_w, int out_h, int out_w,
                           int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    const int element = (int)get_global_id(0), h = element / in_w + pad_h, w = element % in_w + pad_w;
    const size_t channel = get_global_id(1), plane = get_global_id(2) * get_global_size(1) + channel;
    dy += plane * (size_t)(out_h * out_w);
    weight += channel * TAPS;
    float sum = 0.0f;
    for (int i = 0; i < KERNEL_H; i++) {
        const int up_h = h - i * dilation_h, at_h = up_h % STRIDE_H == 0 ? up_h / STRIDE_H : -1;
        for (int j = 0; j < KERNEL_W; j++) {
            const int up_w = w - j * dilation_w, at_w = up_w % STRIDE_W == 0 ? up_w / STRIDE_W : -1;
            if (inside(at_h, out_h) && inside(at_w, out_w))
                sum += dy[at_h * out_w + at_w] * weight[i * KERNEL_W + j];
        }
    }
    dx += plane * (size_t)(in_h * in_w) + element;
    *dx = add ? *dx + sum : sum;
}

/* parts[part, channel, tap]: the sums over the pixels of images [part * run, ...). Each work-item adds up every
 * ITEMS-th pixel; the work-group then adds these up pair by pair. Work-items (ITEMS, channel, part). */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void depthwise_weights(
    global float *restrict parts, global const float *restrict dy, global const float *restrict x, int images, int run,
    int in_h, int in_w, int out_h, int out_w, int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    local float sums[TAPS * ITEMS];
    const int item = (int)get_local_id(0), pixels = out_h * out_w;
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const int first = (int)get_global_id(2) * run, end = min(first + run, images);
    float sum[TAPS];
    for (int tap = 0; tap < TAPS; tap++)
        sum[tap] = 0.0f;
    for (int image = first; image < end; image++) {
        const size_t plane = image * channels + channel;
        global const float *const slope = dy + plane * (size_t)pixels;
        global const float *const from = x + plane * (size_t)(in_h * in_w);
        for (int pixel = item; pixel < pixels; pixel += ITEMS) {
            const int h = pixel / out_w * STRIDE_H - pad_h, w = pixel % out_w * STRIDE_W - pad_w;
            const float given = slope[pixel];
            for (int i = 0; i < KERNEL_H; i++)
                for (int j = 0; j < KERNEL_W; j++) {
                    const int at_h = h + i * dilation_h, at_w = w + j * dilation_w;
                    const float met = inside(at_h, in_h) && inside(at_w, in_w) ? from[at_h * in_w + at_w] : 0.0f;
                    sum[i * KERNEL_W + j] += given * met;
                }
        }
    }
    for (int tap = 0; tap < TAPS; tap++)
        sums[tap * ITEMS + item] = sum[tap];
    for (int half_way = ITEMS / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_way)
            for (int tap = 0; tap < TAPS; tap++)
                sums[tap * ITEMS + item] += sums[tap * ITEMS + item + half_way];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int tap = item; tap < TAPS; tap += ITEMS)
        parts[(get_global_id(2) * channels + channel) * TAPS + tap] = sums[tap * ITEMS];
}
