/* Convolutions of a row-major image of few channels, [n, channels, h, w], into blocks of channels, [n, channels /
 * BLOCK, h, w, BLOCK]: a tile of TILE neighbouring pixels of one row by a stack of STACK blocks is summed up in
 * registers, as in conv_tiled.cl. It reads PATCH columns of the input; stride_w is STRIDE. out_w is at least TILE.
 *
 * Weights: [stacks, kernel_h, channels, kernel_w, STACK * BLOCK], zeros for output channels that don't exist. The bias,
 * [output channels], is read for whole stacks. Image i of the output begins at y_offset + i * y_image.
 *
 * Output (h, w) reads input (h * stride_h - pad_h + r * dilation_h, w * STRIDE - pad_w + s * dilation_w) for
 * r < kernel_h, s < kernel_w. */

#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef STRIDE
#define STRIDE 1
#endif
#ifndef PATCH
#define PATCH 8
#endif

#define GEOMETRY                                                                                                       \
    int in_h, int in_w, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int dilation_h,                \
        int dilation_w, int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

/* Adds up a tile: `numbers` are what it reads of row `in_row` of channel c, made by `load`. A macro, because they may
 * be global or private; one for all rows and channels, because sums that two ways through an inner loop share would go
 * through memory there. */
#define ADD_KERNEL(sum, numbers, load)                                                                                 \
    for (int r = 0; r < kernel_h; r++) {                                                                               \
        const int in_row = h + r * dilation_h;                                                                         \
        if (!INSIDE(in_row, in_h))                                                                                     \
            continue;                                                                                                  \
        for (int c = 0; c < channels; c++) {                                                                           \
            load;                                                                                                      \
            global const weight_float *factors = weight + (r * channels + c) * kernel_w * (STACK * BLOCK);             \
            for (int s = 0; s < kernel_w; s++) {                                                                       \
                floatb factor[STACK];                                                                                  \
                _Pragma("unroll") for (int k = 0; k < STACK; k++) factor[k] = load_weights(s * STACK + k, factors);    \
                _Pragma("unroll") for (int i = 0; i < TILE; i++)                                                       \
                {                                                                                                      \
                    const floatb number = (numbers)[s * dilation_w + i * STRIDE];                                      \
                    _Pragma("unroll") for (int k = 0; k < STACK; k++) sum[k][i] = fma(number, factor[k], sum[k][i]);   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* PATCH numbers of a row, zeros where it is not there. */
static inline void load_patch(float patch[PATCH], global const float *row, int first, int columns)
{
    for (int i = 0; i < PATCH; i++)
        patch[i] = INSIDE(first + i, columns) ? row[first + i] : 0.0f;
}

/* The tile whose windows begin in row h and, the first of them, in column w of the image at `pixels`. */
__attribute__((always_inline)) static inline void add_tile(floatb sum[STACK][TILE], global const float *pixels,
                                                           global const weight_float *weight, global const float *bias,
                                                           int h, int w, int channels, int in_h, int in_w, int kernel_h,
                                                           int kernel_w, int dilation_h, int dilation_w)
{
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < STACK; k++)
            sum[k][i] = load_block(k, bias);
    if (w >= 0 && w + PATCH <= in_w) {
        ADD_KERNEL(sum, numbers, global const float *numbers = pixels + (c * (long)in_h + in_row) * in_w + w)
    } else {
        float patch[PATCH];
        ADD_KERNEL(sum, patch, load_patch(patch, pixels + (c * (long)in_h + in_row) * in_w, w, in_w))
    }
}

#ifndef POOL_W /* one kernel in a program: compiling takes long */

/* Stores `blocks` blocks of the sums at most, the first at y. A loop with an end of its own would not be unrolled, and
 * its sums would have to lie in memory. */
__attribute__((always_inline)) static inline void finish(floatb sum[STACK][TILE], global float *y,
                                                         global const float *residual, int blocks, long plane,
                                                         float alpha, float beta)
{
#pragma unroll
    for (int k = 0; k < STACK; k++)
        if (k < blocks)
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                if (residual)
                    sum[k][i] += load_block(i, residual + k * plane);
                store_aligned(activate_v(sum[k][i], alpha, beta), i, y + k * plane);
            }
}

/* The last tile of a row moves back to end with it. Piece (stack, `run` rows out of `row_count` in all images). */
kernel void conv_image(global float *restrict output, global const float *restrict x,
                       global const weight_float *restrict weights, global const float *restrict biases,
                       global const float *residuals, float alpha, float beta, long y_offset, long y_image,
                       int row_count, int run, int channels, int out_blocks, GEOMETRY, PIECES)
{
    const long out_plane = (long)out_h * out_w * BLOCK;
    FOR_EACH_PIECE(piece)
    {
        const int block = piece.x * STACK, begin = piece.y * run, end = min(begin + run, row_count);
        global const weight_float *const weight =
            weights + piece.x * (kernel_h * channels * kernel_w * (STACK * BLOCK));
        for (int row = begin; row < end; row++) {
            const int image = row / out_h, h = row % out_h;
            for (int tile = 0; tile < out_w; tile += TILE) {
                const int column = min(tile, out_w - TILE);
                const long place = block * out_plane + (h * out_w + column) * BLOCK;
                floatb sum[STACK][TILE];
                add_tile(sum, x + (long)image * channels * in_h * in_w, weight, biases + block * BLOCK,
                         h * stride_h - pad_h, column * STRIDE - pad_w, channels, in_h, in_w, kernel_h, kernel_w,
                         dilation_h, dilation_w);
                finish(sum, output + y_offset + image * y_image + place,
                       residuals ? residuals + image * (out_blocks * out_plane) + place : residuals, out_blocks - block,
                       out_plane, alpha, beta);
            }
        }
    }
}

#else /* the same with the max pool behind it, whose windows are POOL_W wide */

#define RING 1024 /* as in src/ops/shared/conv_pool.c */

static inline floatb larger(floatb a, floatb b, bool no_nan)
{
    if (no_nan)
        return a > b ? a : b;
    return (a > b) | isnan(a) ? a : b; /* NaN beats every number, as in pool.cl */
}

/* One row of the pool's output, its first window at `window` in the ring. */
__attribute__((always_inline)) static inline void pool_row(global float *y, const floatb *window, int count, int stride,
                                                           int pool_h, int pitch, bool no_nan)
{
    for (int w = 0; w < count; w++, window += stride * STACK) {
        floatb best = -INFINITY;
        for (int row = 0; row < pool_h; row++)
#pragma unroll
            for (int s = 0; s < POOL_W; s++)
                best = larger(window[(row * pitch + s) * STACK], best, no_nan);
        store_aligned(best, w, y);
    }
}

/* y[n, blocks, pooled_h, pooled_w, BLOCK]. A work-item keeps pool_h rows of the convolution's output, of one stack, in
 * a ring of `pitch` columns: pool_pad_w of -infinity, out_w, and -infinity up to what the last window reads. Rows
 * outside the output are -infinity too. Every window has a pixel. pool_h * pitch * STACK is at most RING. Piece (run of
 * `run` rows of y, stack, image). */
kernel void conv_image_pooled(global float *restrict output, global const float *restrict x,
                              global const weight_float *restrict weights, global const float *restrict biases,
                              float alpha, float beta, long y_offset, long y_image, int run, int pitch, int channels,
                              int out_blocks, GEOMETRY, int pooled_h, int pooled_w, int pool_h, int pool_stride_h,
                              int pool_stride_w, int pool_pad_h, int pool_pad_w, PIECES)
{
    floatb ring[RING];
    for (int i = 0; i < pool_h * pitch * STACK; i++)
        ring[i] = -INFINITY;
    FOR_EACH_PIECE(piece)
    {
        const int block = piece.y * STACK, first = piece.x * run, end = min(first + run, pooled_h);
        const long plane = (long)pooled_h * pooled_w * BLOCK;
        global const float *const image = x + (long)piece.z * channels * in_h * in_w;
        global const weight_float *const weight =
            weights + piece.y * (kernel_h * channels * kernel_w * (STACK * BLOCK));
        global float *const y = output + y_offset + piece.z * y_image + block * plane;
        floatb check[STACK]; /* sums of all that went into the ring: NaN if any of it is, or may be */
        for (int k = 0; k < STACK; k++)
            check[k] = 0.0f;
        int next = first * pool_stride_h - pool_pad_h;
        for (int row = first; row < end; row++) {
            const int top = row * pool_stride_h - pool_pad_h;
            for (next = max(next, top); next < top + pool_h; next++) {
                floatb *const to = ring + ((next + pool_h) % pool_h * pitch + pool_pad_w) * STACK;
                if (!INSIDE(next, out_h)) {
                    for (int i = 0; i < out_w * STACK; i++)
                        to[i] = -INFINITY;
                    continue;
                }
                for (int tile = 0; tile < out_w; tile += TILE) {
                    const int column = min(tile, out_w - TILE);
                    floatb sum[STACK][TILE];
                    add_tile(sum, image, weight, biases + block * BLOCK, next * stride_h - pad_h,
                             column * STRIDE - pad_w, channels, in_h, in_w, kernel_h, kernel_w, dilation_h, dilation_w);
#pragma unroll
                    for (int i = 0; i < TILE; i++)
#pragma unroll
                        for (int k = 0; k < STACK; k++) {
                            sum[k][i] = activate_v(sum[k][i], alpha, beta);
                            check[k] += sum[k][i];
                            to[(column + i) * STACK + k] = sum[k][i];
                        }
                }
            }
            for (int k = 0; k < min(STACK, out_blocks - block); k++) {
                global float *const to = y + k * plane + row * pooled_w * BLOCK;
                if (any(isnan(check[k])))
                    pool_row(to, ring + k, pooled_w, pool_stride_w, pool_h, pitch, false);
                else
                    pool_row(to, ring + k, pooled_w, pool_stride_w, pool_h, pitch, true);
            }
        }
    }
}

#endif
