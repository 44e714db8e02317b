/* Convolutions into activations with all channels side by side, [n, h, w, channels], without local memory. Work-groups
 * of any size. An image's elements are fewer than 2^31.
 *
 * Output (h, w) reads input (h * stride_h - pad_h + r * dilation_h, ...) for r < kernel_h; zeros lie outside. The
 * output's pixel i, of all images one behind the other, lies at y_offset + i * y_pixel; the residual's are out_channels
 * apart. */
#ifndef BLOCK
#define BLOCK 4
#endif

/* Up to four neighbours; ALIGNED: always four, and aligned. */
static inline float4 load_quad(global const float *x, int count)
{
#ifdef ALIGNED
    return *(global const float4 *)x;
#else
    if (count >= 4)
        return vload4(0, x);
    return (float4)(x[0], count > 1 ? x[1] : 0.0f, count > 2 ? x[2] : 0.0f, 0.0f);
#endif
}

static inline void store_quad(float4 value, global float *y, int count)
{
#ifdef ALIGNED
    *(global float4 *)y = value;
#else
    if (count >= 4) {
        vstore4(value, 0, y);
        return;
    }
    y[0] = value.x;
    if (count > 1)
        y[1] = value.y;
    if (count > 2)
        y[2] = value.z;
#endif
}

/* y = activation(value + residual) for `count` channels. */
static inline void finish(global float *y, global const float *residual, float4 value, int count, float alpha,
                          float beta)
{
#ifdef RESIDUAL
    value += load_quad(residual, count);
#endif
    store_quad(activate_v(value, alpha, beta), y, count);
}

#ifdef DIRECT
/* The plain reference: any groups, any storage of the input. Element (image, h, w) of channel c lies at
 * image * x_image + (h * in_w + w) * x_column + c * x_channel.
 *
 * weight: [groups, kernel_h, kernel_w, group_in, columns], bias: [groups, columns]; columns are group_out filled up to
 * quads. Work-item (quad of one group's outputs innermost, group, pixel; image). */
kernel void conv_direct(global float *restrict y, global const float *restrict x, global const float *restrict weight,
                        global const float *restrict bias, global const float *residual, float alpha, float beta,
                        long y_offset, int y_pixel, int groups, int group_in, int group_out, long x_image, int x_column,
                        int x_channel, int in_h, int in_w, int out_h, int out_w, int kernel_h, int kernel_w,
                        int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    const int quads = (group_out + 3) / 4, at = (int)get_global_id(0);
    const int quad = at % quads, group = at / quads % groups, place = at / quads / groups;
    const int from_h = place / out_w * stride_h - pad_h, from_w = place % out_w * stride_w - pad_w;
    global const float4 *weights =
        (global const float4 *)weight + (size_t)group * kernel_h * kernel_w * group_in * quads;
    float4 sum = *((global const float4 *)bias + group * quads + quad);
    x += get_global_id(1) * x_image + (size_t)group * group_in * x_channel;
    weights += quad;
    for (int r = 0; r < kernel_h; r++)
        for (int s = 0; s < kernel_w; s++, weights += (size_t)group_in * quads) {
            const int h = from_h + r * dilation_h, w = from_w + s * dilation_w;
            if (h < 0 || h >= in_h || w < 0 || w >= in_w)
                continue;
            global const float *pixel = x + (h * in_w + w) * x_column;
            for (int c = 0; c < group_in; c++)
                sum = mad((float4)pixel[c * x_channel], weights[(size_t)c * quads], sum);
        }
    const size_t pixel = get_global_id(1) * out_h * out_w + place;
    const size_t channel = (size_t)group * group_out + quad * 4;
    finish(y + y_offset + pixel * y_pixel + channel, residual + pixel * groups * group_out + channel, sum,
           group_out - quad * 4, alpha, beta);
}
#endif

#ifdef DEPTHWISE
/* Each channel by itself. A work-item does a quad of channels of TILE neighbouring pixels of a row: what the input has
 * for them is read once for every row of the kernel, side by side with the neighbours' channels. KERNEL_W and STRIDE_W
 * are known when this is compiled. SPARSE: a tile hardly reads a place twice (dilation, or strides beyond the kernel).
 *
 * weight: [kernel_h, KERNEL_W, channels], bias: [channels], channels filled up to quads.
 * Work-item (quad innermost, tile, row; image). */
#ifndef TILE
#define TILE 4
#endif

typedef struct line {
    global const float *x; /* column 0 of this quad */
    int start;             /* column that the tile's first pixel begins with */
    int width, channels, count;
} line;

static inline float4 column(line in, int i)
{
    const int at = in.start + i;
    return at >= 0 && at < in.width ? load_quad(in.x + at * in.channels, in.count) : (float4)0.0f;
}

/* Adds one row of the kernel to the sums. */
static inline void add_row(float4 sum[TILE], line in, global const float4 *weight, int quads, int dilation)
{
#ifdef SPARSE
    for (int k = 0; k < KERNEL_W; k++) {
        const float4 factor = weight[k * quads];
#pragma unroll
        for (int i = 0; i < TILE; i++)
            sum[i] = mad(column(in, i * STRIDE_W + k * dilation), factor, sum[i]);
    }
#else
    float4 factor[KERNEL_W];
#pragma unroll
    for (int k = 0; k < KERNEL_W; k++)
        factor[k] = weight[k * quads];
#pragma unroll
    for (int at = 0; at < (TILE - 1) * STRIDE_W + KERNEL_W; at++) {
        const float4 value = column(in, at);
#pragma unroll
        for (int k = at % STRIDE_W; k < KERNEL_W; k += STRIDE_W)
            if (k <= at && (at - k) / STRIDE_W < TILE)
                sum[(at - k) / STRIDE_W] = mad(value, factor[k], sum[(at - k) / STRIDE_W]);
    }
#endif
}

kernel void conv_depthwise(global float *restrict y, global const float *restrict x,
                           global const float *restrict weight, global const float *restrict bias,
                           global const float *residual, float alpha, float beta, long y_offset, int y_pixel,
                           int channels, int in_h, int in_w, int out_h, int out_w, int kernel_h, int stride_h,
                           int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    const int quads = (channels + 3) / 4, tiles = (out_w + TILE - 1) / TILE, at = (int)get_global_id(0);
    const int quad = at % quads, first = at / quads % tiles * TILE, h = at / quads / tiles;
    const float4 start = *((global const float4 *)bias + quad);
    line in = {x, first * STRIDE_W - pad_w, in_w, channels, channels - quad * 4};
    float4 sum[TILE];
#pragma unroll
    for (int i = 0; i < TILE; i++)
        sum[i] = start;
    x += get_global_id(1) * ((size_t)in_h * in_w * channels) + quad * 4;
    for (int r = 0; r < kernel_h; r++) {
        const int in_row = h * stride_h - pad_h + r * dilation_h;
        if (in_row < 0 || in_row >= in_h)
            continue;
        in.x = x + (size_t)in_row * in_w * channels;
        add_row(sum, in, (global const float4 *)weight + (size_t)r * KERNEL_W * quads + quad, quads, dilation_w);
    }
    const size_t pixel = (get_global_id(1) * out_h + h) * out_w + first;
#pragma unroll
    for (int i = 0; i < TILE; i++)
        if (first + i < out_w)
            finish(y + y_offset + (pixel + i) * y_pixel + quad * 4, residual + (pixel + i) * channels + quad * 4,
                   sum[i], in.count, alpha, beta);
}
#endif

#ifdef FINISH
/* What is left to do after a matrix product: y = activation(y + bias + residual), in place.
 * Work-item (quad of channels innermost, pixel; image). */
kernel void conv_finish(global float *y, global const float *bias, global const float *residual, float alpha,
                        float beta, long y_offset, int y_pixel, int channels, int pixels)
{
    const int quads = (channels + 3) / 4, quad = (int)get_global_id(0) % quads, count = channels - quad * 4;
    const size_t pixel = get_global_id(1) * pixels + get_global_id(0) / quads;
    y += y_offset + pixel * y_pixel + quad * 4;
    finish(y, residual + pixel * channels + quad * 4, load_quad(y, count) + *((global const float4 *)bias + quad),
           count, alpha, beta);
}
#endif
