/* Depthwise convolutions (each channel by itself) of activations in blocks of channels, [n, blocks, h, w, BLOCK]: a
 * tile of TILE neighbouring pixels of a row is summed up in registers. Each vector of the input that the tile sees is
 * read once for every row of the kernel, and what lies outside the image counts as 0.
 *
 * Weights (floats, or HALVES): [blocks, kernel_h, KERNEL_W, BLOCK], bias: [blocks, BLOCK], with zeros for channels that
 * don't exist. Any sizes; one channel's elements fit an int. Sizes along the width are known when this is compiled,
 * STRIDE_W with KERNEL_W; SPARSE is defined where a tile hardly reads a vector twice: dilated kernels, and very wide
 * ones.
 *
 * With SUMS, sums[n, runs of rows, blocks, BLOCK] get what the output's pixels add up to.
 *
 * Output (h, w) reads input (h * stride_h - pad_h + r * dilation_h, ...) for r < kernel_h. */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 7
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif

/* What the kernel needs to know about a row of the input. */
typedef struct line {
    global const float *x; /* column 0 */
    int start;             /* column that the tile's first pixel begins with */
    int width, dilation;
} line;

/* Column start + i; `inside`: it is known to exist. */
__attribute__((always_inline)) static inline floatb column(line in, int i, bool inside)
{
    const int at = in.start + i;
    return inside || (at >= 0 && at < in.width) ? load_block(at, in.x) : (floatb)0.0f;
}

/* Adds one row of the kernel to the sums. */
__attribute__((always_inline)) static inline void add_row(floatb sum[TILE], line in, global const weight_float *weight,
                                                          bool inside)
{
#ifdef SPARSE
    for (int k = 0; k < KERNEL_W; k++) {
        const floatb factor = load_weights(k, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++)
            sum[i] = fma(column(in, i * STRIDE_W + k * in.dilation, inside), factor, sum[i]);
    }
#else
#pragma unroll
    for (int at = 0; at < (TILE - 1) * STRIDE_W + KERNEL_W; at++) {
        const floatb value = column(in, at, inside);
#pragma unroll
        for (int k = at % STRIDE_W; k < KERNEL_W; k += STRIDE_W)
            if (k <= at && (at - k) / STRIDE_W < TILE)
                sum[(at - k) / STRIDE_W] = fma(value, load_weights(k, weight), sum[(at - k) / STRIDE_W]);
    }
#endif
}

#ifdef SUMS
#define SUMS_ARGUMENT , global float *restrict sums
#else
#define SUMS_ARGUMENT
#endif

/* Piece (run of `run` rows, block, image). */
kernel void conv_depthwise(global float *restrict y, global const float *restrict input,
                           global const weight_float *restrict weights, global const float *restrict bias,
                           global const float *residual, float alpha, float beta, int run, int in_h, int in_w,
                           int out_h, int out_w, int kernel_h, int stride_h, int dilation_h, int dilation_w, int pad_h,
                           int pad_w SUMS_ARGUMENT, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const size_t plane = (size_t)piece.z * high + piece.y;
        const int first = piece.x * run, end = min(first + run, out_h);
        const floatb start = load_block(piece.y, bias);
        global const weight_float *const weight = weights + piece.y * kernel_h * KERNEL_W * BLOCK;
        global const float *const x = input + plane * in_h * in_w * BLOCK;
#ifdef SUMS
        floatb total = 0.0f;
#endif
        for (int h = first; h < end; h++) {
#ifdef SUMS
            floatb row_total = 0.0f;
#endif
            const size_t row = (plane * out_h + h) * out_w;
            for (int w = 0; w < out_w; w += TILE) {
                line in = {x, w * STRIDE_W - pad_w, in_w, dilation_w};
                const bool inside =
                    in.start >= 0 && in.start + (TILE - 1) * STRIDE_W + (KERNEL_W - 1) * dilation_w < in_w;
                floatb sum[TILE];
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    sum[i] = start;
                for (int r = 0; r < kernel_h; r++) {
                    const int in_row = h * stride_h - pad_h + r * dilation_h;
                    if (in_row < 0 || in_row >= in_h)
                        continue;
                    in.x = x + (size_t)in_row * in_w * BLOCK;
                    if (inside)
                        add_row(sum, in, weight + r * KERNEL_W * BLOCK, true);
                    else
                        add_row(sum, in, weight + r * KERNEL_W * BLOCK, false);
                }
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    if (w + i < out_w) { /* no end of the loop: it is unrolled, and sums stay in registers */
                        if (residual)
                            sum[i] += load_block(row + w + i, residual);
                        sum[i] = activate_v(sum[i], alpha, beta);
                        store_aligned(sum[i], row + w + i, y);
#ifdef SUMS
                        row_total += sum[i];
#endif
                    }
            }
#ifdef SUMS
            total += row_total;
#endif
        }
#ifdef SUMS
        store_block(total, ((size_t)piece.z * wide + piece.x) * high + piece.y, sums);
#endif
    }
}
