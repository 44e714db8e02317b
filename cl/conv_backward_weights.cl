/* The gradient of a convolution's weights, [out_channels, channels per group, kernel_h, kernel_w] row-major, from
 * activations in blocks of channels, [n, blocks, h, w, BLOCK]: for every kernel position, the sum over all outputs of
 * the output's gradient times the input that it was computed from. Sums are kept in registers and go over the outputs,
 * so that STACK vectors of dy and one number for each of a few input channels make STACK multiply-adds a channel.
 *
 * A piece of work is to add up the output rows [part * run, ...) of all images' rows and to write its share of
 * dw[part]; with one part dw is the gradient itself, and `add` of 1 adds to it. Channels that only fill up a block are
 * finite: what comes of them is not stored.
 *
 * Output (h, w) read input (h * STRIDE_H - pad_h + r * dilation_h, ...) for r < KERNEL_H. One of these is compiled:
 * blocks of channels, IMAGE (a row-major input of few channels) or DEPTHWISE (each channel by itself). */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef LANES /* input channels at a time, a divisor of BLOCK */
#define LANES 4
#endif
#ifndef SPREAD /* times so many for a work-item, one after the other */
#define SPREAD 1
#endif
#ifndef KERNEL_H
#define KERNEL_H 3
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif

#define TAPS (KERNEL_H * KERNEL_W)

#define GEOMETRY                                                                                                       \
    int in_h, int in_w, int out_h, int out_w, int stride_h, int dilation_h, int dilation_w, int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

static inline void put(global float *to, float value, int add)
{
    *to = add ? *to + value : value;
}

#if defined(IMAGE)

/* An input [n, channels, h, w] row-major, CHANNELS of them. Piece (stack, part). */
kernel void backward_weights_image(global float *restrict dw, int add, global const float *restrict dy,
                                   global const float *restrict x, int rows, int run, int out_channels, GEOMETRY,
                                   PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        floatb sums[CHANNELS * KERNEL_H][KERNEL_W][STACK];
        const int block = piece.x * STACK, blocks = (out_channels + BLOCK - 1) / BLOCK;
        const long plane = (long)out_h * out_w * BLOCK;
        const int first = piece.y * run, end = min(first + run, rows);
        for (int i = 0; i < CHANNELS * KERNEL_H; i++)
            for (int s = 0; s < KERNEL_W; s++)
                for (int k = 0; k < STACK; k++)
                    sums[i][s][k] = 0.0f;
        for (int row = first; row < end; row++) {
            const int image = row / out_h, h = row % out_h;
            global const float *const outputs = dy + ((long)image * blocks + block) * plane + h * out_w * BLOCK;
            for (int i = 0; i < CHANNELS * KERNEL_H; i++) {
                const int in_row = h * stride_h - pad_h + i % KERNEL_H * dilation_h;
                if (!INSIDE(in_row, in_h))
                    continue;
                global const float *in = x + (((long)image * CHANNELS + i / KERNEL_H) * in_h + in_row) * in_w;
                float patch[PATCH]; /* the row with its padding */
                for (int j = 0; j < PATCH; j++)
                    patch[j] = INSIDE(j - pad_w, in_w) ? in[j - pad_w] : 0.0f;
                floatb sum[KERNEL_W][STACK];
#pragma unroll
                for (int s = 0; s < KERNEL_W; s++)
#pragma unroll
                    for (int k = 0; k < STACK; k++)
                        sum[s][k] = sums[i][s][k];
                for (int w = 0; w < out_w; w++) {
                    floatb factor[STACK];
#pragma unroll
                    for (int k = 0; k < STACK; k++) /* the last stack may lack blocks: the last one stands in */
                        factor[k] = load_block(w, outputs + min(k, blocks - 1 - block) * plane);
#pragma unroll
                    for (int s = 0; s < KERNEL_W; s++)
#pragma unroll
                        for (int k = 0; k < STACK; k++)
                            sum[s][k] = fma(patch[w * STRIDE_W + s * dilation_w], factor[k], sum[s][k]);
                }
#pragma unroll
                for (int s = 0; s < KERNEL_W; s++)
#pragma unroll
                    for (int k = 0; k < STACK; k++)
                        sums[i][s][k] = sum[s][k];
            }
        }
        global float *const to = dw + (long)piece.y * out_channels * CHANNELS * TAPS;
        for (int k = 0; k < STACK; k++)
            for (int lane = 0; lane < BLOCK && (block + k) * BLOCK + lane < out_channels; lane++)
                for (int i = 0; i < CHANNELS * TAPS; i++)
                    put(to + (long)((block + k) * BLOCK + lane) * CHANNELS * TAPS + i,
                        ((const float *)&sums[i / KERNEL_W][i % KERNEL_W][k])[lane], add);
    }
}

#elif defined(DEPTHWISE)

/* Adds one row of dy times one of the input, for every column of the kernel. */
static inline void add_row(floatb sums[KERNEL_W], global const float *dy, global const float *x, int in_w, int out_w,
                           int dilation_w, int pad_w)
{
    floatb sum[2][KERNEL_W];
    const int begin = min((pad_w + STRIDE_W - 1) / STRIDE_W, out_w);
    const int last = in_w - 1 - (KERNEL_W - 1) * dilation_w + pad_w; /* of columns inside for the whole kernel */
    const int end = last < 0 ? begin : max(begin, min(last / STRIDE_W + 1, out_w));
    for (int s = 0; s < KERNEL_W; s++) {
        sum[0][s] = sums[s];
        sum[1][s] = 0.0f;
    }
    int w = begin;
    for (; w + 2 <= end; w += 2)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const floatb factor = load_block(w + i, dy);
#pragma unroll
            for (int s = 0; s < KERNEL_W; s++)
                sum[i][s] = fma(load_block((w + i) * STRIDE_W - pad_w + s * dilation_w, x), factor, sum[i][s]);
        }
    for (int i = 0; i < begin + out_w - w; i++) { /* what is left: the columns before `begin` and from w on */
        const int at = i < begin ? i : w + i - begin;
        const floatb factor = load_block(at, dy);
        for (int s = 0; s < KERNEL_W; s++) {
            const int column = at * STRIDE_W - pad_w + s * dilation_w;
            if (INSIDE(column, in_w))
                sum[0][s] = fma(load_block(column, x), factor, sum[0][s]);
        }
    }
    for (int s = 0; s < KERNEL_W; s++)
        sums[s] = sum[0][s] + sum[1][s];
}

/* dw: [parts, channels, KERNEL_H, KERNEL_W]. Piece (block, part). */
kernel void backward_weights_depthwise(global float *restrict dw, int add, global const float *restrict dy,
                                       global const float *restrict x, int rows, int run, int channels, GEOMETRY,
                                       PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        floatb sums[KERNEL_H][KERNEL_W];
        const size_t block = piece.x, blocks = wide;
        const int first = piece.y * run, end = min(first + run, rows);
        for (int i = 0; i < TAPS; i++)
            sums[i / KERNEL_W][i % KERNEL_W] = 0.0f;
        for (int row = first; row < end; row++) {
            const size_t plane = row / out_h * blocks + block;
            const int h = row % out_h;
            for (int r = 0; r < KERNEL_H; r++) {
                const int in_row = h * stride_h - pad_h + r * dilation_h;
                if (INSIDE(in_row, in_h))
                    add_row(sums[r], dy + (plane * out_h + h) * out_w * BLOCK,
                            x + (plane * in_h + in_row) * in_w * BLOCK, in_w, out_w, dilation_w, pad_w);
            }
        }
        global float *const to = dw + ((size_t)piece.y * channels + block * BLOCK) * TAPS;
        for (int lane = 0; lane < BLOCK && (int)block * BLOCK + lane < channels; lane++)
            for (int i = 0; i < TAPS; i++)
                put(to + lane * TAPS + i, ((const float *)&sums[i / KERNEL_W][i % KERNEL_W])[lane], add);
    }
}

#else

/* The output columns [begin, end) that read the input's columns from column * STRIDE_W + offset inside. */
static inline int2 columns_inside(int offset, int in_w, int out_w)
{
    const int begin = offset < 0 ? (-offset - 1) / STRIDE_W + 1 : 0;
    const int end = offset < in_w ? (in_w - offset - 1) / STRIDE_W + 1 : 0;
    return (int2)(min(begin, out_w), min(end, out_w));
}

/* Adds up `count` columns of one row. Calls would keep the sums in memory. */
__attribute__((always_inline)) static inline void add_columns(floatb sum[STACK][LANES], global const float *dy,
                                                              const long plane[STACK], global const float *x, int count)
{
    for (int w = 0; w < count; w++, dy += BLOCK, x += STRIDE_W * BLOCK) {
        floatb factor[STACK];
#pragma unroll
        for (int k = 0; k < STACK; k++)
            factor[k] = load_block(0, dy + plane[k]);
#pragma unroll
        for (int c = 0; c < LANES; c++) {
            const floatb number = x[c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][c] = fma(number, factor[k], sum[k][c]);
        }
    }
}

/* Piece (SPREAD * LANES input channels of a group; stack of output blocks, counted through the groups; part).
 * group_in and group_out are channels per group, whole blocks where there are several groups; `chunk` output rows,
 * which the first-level cache holds, are summed up for LANES channels and one kernel position before the next come. */
kernel void backward_weights_blocked(global float *restrict dw, int add, global const float *restrict dy,
                                     global const float *restrict x, int rows, int run, int chunk, int groups,
                                     int group_in, int group_out, GEOMETRY, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        floatb sums[SPREAD * TAPS][STACK][LANES];
        const int in_blocks = (group_in + BLOCK - 1) / BLOCK, out_blocks = (group_out + BLOCK - 1) / BLOCK;
        const int stacks = (out_blocks + STACK - 1) / STACK, group = piece.y / stacks;
        const int block = piece.y % stacks * STACK, channel = piece.x * SPREAD * LANES;
        const long in_plane = (long)in_h * in_w * BLOCK, out_plane = (long)out_h * out_w * BLOCK;
        const int first = piece.z * run, end = min(first + run, rows);
        const int spread = min(SPREAD, (group_in - channel + LANES - 1) / LANES);
        long plane[STACK]; /* the last stack may lack blocks: the last one stands in */
        for (int k = 0; k < STACK; k++)
            plane[k] = min(k, out_blocks - 1 - block) * out_plane;
        global const float *const outputs = dy + (group * out_blocks + block) * out_plane;
        for (int i = 0; i < SPREAD * TAPS; i++)
            for (int k = 0; k < STACK; k++)
                for (int c = 0; c < LANES; c++)
                    sums[i][k][c] = 0.0f;
        for (int from = first; from < end; from += chunk)
            for (int i = 0; i < spread * TAPS; i++) {
                const int tap = i % TAPS, from_channel = channel + i / TAPS * LANES;
                const int h = tap / KERNEL_W * dilation_h - pad_h, w = tap % KERNEL_W * dilation_w - pad_w;
                const int2 inside = columns_inside(w, in_w, out_w);
                global const float *const in =
                    x + (group * in_blocks + from_channel / BLOCK) * in_plane + from_channel % BLOCK;
                floatb sum[STACK][LANES];
#pragma unroll
                for (int k = 0; k < STACK; k++)
#pragma unroll
                    for (int c = 0; c < LANES; c++)
                        sum[k][c] = sums[i][k][c];
                for (int row = from; row < min(from + chunk, end); row++) {
                    const int image = row / out_h, in_row = row % out_h * stride_h + h;
                    if (!INSIDE(in_row, in_h))
                        continue;
                    add_columns(sum,
                                outputs + image * (groups * out_blocks * out_plane) +
                                    (row % out_h * out_w + inside.x) * BLOCK,
                                plane,
                                in + image * (groups * in_blocks * in_plane) +
                                    ((long)in_row * in_w + inside.x * STRIDE_W + w) * BLOCK,
                                inside.y - inside.x);
                }
#pragma unroll
                for (int k = 0; k < STACK; k++)
#pragma unroll
                    for (int c = 0; c < LANES; c++)
                        sums[i][k][c] = sum[k][c];
            }
        global float *const to = dw + (((long)piece.z * groups + group) * group_out + block * BLOCK) * group_in * TAPS;
        for (int k = 0; k < STACK * BLOCK && block * BLOCK + k < group_out; k++)
            for (int c = 0; c < spread * LANES && channel + c < group_in; c++)
                for (int i = 0; i < TAPS; i++)
                    put(to + ((long)k * group_in + channel + c) * TAPS + i,
                        ((const float *)&sums[c / LANES * TAPS + i][k / BLOCK][c % LANES])[k % BLOCK], add);
    }
}

#endif
