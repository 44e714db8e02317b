/* A pointwise convolution with an activation and the depthwise one behind it, in blocks of channels, [n, blocks, h, w,
 * BLOCK]: what lies between them is never in memory as a whole. A work-item keeps as many of its rows as the depthwise
 * kernel sees, of a stack of STACK blocks, in a ring.
 *
 * Weights (floats, or HALVES) of the pointwise one: [stacks, input blocks, BLOCK (in), STACK * BLOCK (out)], bias
 * [stacks, STACK, BLOCK]; of the depthwise one: [stacks, STACK, kernel_h, KERNEL_W, BLOCK], bias [stacks, STACK,
 * BLOCK]; all with zeros for channels that don't exist. in_w is at least TILE. kernel_h * pitch * STACK is at most
 * RING, where a row of the ring has `pitch` columns: pad_w of zeros, in_w, and zeros up to what the last tile of
 * OUT_TILE pixels reads. One image's elements fit an int. ACTIVATION is the depthwise one's, INNER the pointwise one's:
 * 3, 6 or 7. With SUMS, sums[n, runs, blocks, BLOCK] get what the pixels add up to. */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif
#ifndef INNER
#define INNER 3
#endif
#define RING     1024 /* as in src/ops/shared/conv_pair.c */
#define OUT_TILE 7

#ifdef SUMS
#define SUMS_ARGUMENT , global float *restrict sums
#else
#define SUMS_ARGUMENT
#endif

static inline floatb inner(floatb x, float alpha, float beta)
{
#if INNER == 7
    return x / (1.0f + exp_v(-x));
#elif INNER == 6
    return x < -3.0f ? 0.0f : x > 3.0f ? x : x * (x * (1.0f / 6.0f) + 0.5f);
#else
    x = x < alpha ? alpha : x;
    return x > beta ? beta : x;
#endif
}

/* One row of what lies between, [in_w, STACK] from `to` on; x points to its first pixel. The last tile moves back to
 * end with the row. */
__attribute__((always_inline)) static inline void expand_row(floatb *to, global const float *x,
                                                             global const weight_float *weight,
                                                             global const float *bias, int in_w, int in_blocks,
                                                             int in_plane, float alpha, float beta)
{
    for (int w = 0; w < in_w; w += TILE) {
        const int column = min(w, in_w - TILE);
        floatb sum[STACK][TILE];
#pragma unroll
        for (int k = 0; k < STACK; k++)
#pragma unroll
            for (int i = 0; i < TILE; i++)
                sum[k][i] = load_block(k, bias);
        for (int block = 0; block < in_blocks; block++) {
            global const float *const pixels = x + block * in_plane + column * BLOCK;
            global const weight_float *const factors = weight + block * (STACK * BLOCK * BLOCK);
#pragma unroll 4 /* see conv_tiled.cl */
            for (int c = 0; c < BLOCK; c++) {
                floatb factor[STACK];
#pragma unroll
                for (int k = 0; k < STACK; k++)
                    factor[k] = load_weights(c * STACK + k, factors);
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    const floatb number = pixels[i * BLOCK + c];
#pragma unroll
                    for (int k = 0; k < STACK; k++)
                        sum[k][i] = fma(number, factor[k], sum[k][i]);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int k = 0; k < STACK; k++)
                to[(column + i) * STACK + k] = inner(sum[k][i], alpha, beta);
    }
}

/* Adds one row of the kernel to OUT_TILE sums; `row` is column 0 of what the first one sees. */
__attribute__((always_inline)) static inline void add_row(floatb sum[OUT_TILE], const floatb *row,
                                                          global const weight_float *weight)
{
#pragma unroll
    for (int at = 0; at < (OUT_TILE - 1) * STRIDE_W + KERNEL_W; at++) {
        const floatb value = row[at * STACK];
#pragma unroll
        for (int k = at % STRIDE_W; k < KERNEL_W; k += STRIDE_W)
            if (k <= at && (at - k) / STRIDE_W < OUT_TILE)
                sum[(at - k) / STRIDE_W] = fma(value, load_weights(k, weight), sum[(at - k) / STRIDE_W]);
    }
}

/* Piece (run of `run` rows of the output, stack, image). */
kernel void conv_expand(global float *restrict y, global const float *restrict x,
                        global const weight_float *restrict w1, global const float *restrict b1,
                        global const weight_float *restrict w2, global const float *restrict b2, float inner_alpha,
                        float inner_beta, float alpha, float beta, int run, int pitch, int in_blocks, int blocks,
                        int in_h, int in_w, int out_h, int out_w, int kernel_h, int stride_h, int pad_h,
                        int pad_w SUMS_ARGUMENT, PIECES)
{
    floatb ring[RING];
    const int in_plane = in_h * in_w * BLOCK, out_plane = out_h * out_w * BLOCK;
    for (int i = 0; i < kernel_h * pitch * STACK; i++)
        ring[i] = 0.0f; /* only columns inside the image are ever written */
    FOR_EACH_PIECE(piece)
    {
        const int first_block = piece.y * STACK, mine = min(STACK, blocks - first_block);
        const int first = piece.x * run, end = min(first + run, out_h);
        global const float *const image = x + (long)piece.z * in_blocks * in_plane;
        global float *const to = y + ((long)piece.z * blocks + first_block) * out_plane;
        global const weight_float *const pointwise = w1 + piece.y * in_blocks * (STACK * BLOCK * BLOCK);
        global const weight_float *const depthwise = w2 + piece.y * STACK * kernel_h * KERNEL_W * BLOCK;
        global const float *const pointwise_bias = b1 + piece.y * (STACK * BLOCK);
        global const float *const depthwise_bias = b2 + piece.y * (STACK * BLOCK);
#ifdef SUMS
        floatb total[STACK];
        for (int k = 0; k < STACK; k++)
            total[k] = 0.0f;
#endif
        int next = max(first * stride_h - pad_h, 0);
        for (int h = first; h < end; h++) {
            const int top = h * stride_h - pad_h;
            for (next = max(next, top); next < min(top + kernel_h, in_h); next++)
                expand_row(ring + (next % kernel_h * pitch + pad_w) * STACK, image + next * in_w * BLOCK, pointwise,
                           pointwise_bias, in_w, in_blocks, in_plane, inner_alpha, inner_beta);
            for (int k = 0; k < mine; k++) {
                global const weight_float *const weight = depthwise + k * kernel_h * KERNEL_W * BLOCK;
                floatb row_total = 0.0f;
                for (int w = 0; w < out_w; w += OUT_TILE) {
                    floatb sum[OUT_TILE];
#pragma unroll
                    for (int i = 0; i < OUT_TILE; i++)
                        sum[i] = load_block(k, depthwise_bias);
                    for (int r = max(0, -top); r < min(kernel_h, in_h - top); r++)
                        add_row(sum, ring + ((top + r) % kernel_h * pitch + w * STRIDE_W) * STACK + k,
                                weight + r * KERNEL_W * BLOCK);
#pragma unroll
                    for (int i = 0; i < OUT_TILE; i++)
                        if (w + i < out_w) { /* no end of the loop: it is unrolled, and sums stay in registers */
                            sum[i] = activate_v(sum[i], alpha, beta);
                            store_aligned(sum[i], h * out_w + w + i, to + k * out_plane);
                            row_total += sum[i];
                        }
                }
#ifdef SUMS
                total[k] += row_total;
#endif
            }
        }
#ifdef SUMS
        for (int k = 0; k < mine; k++)
            store_block(total[k], ((long)piece.z * wide + piece.x) * blocks + first_block + k, sums);
#endif
    }
}
