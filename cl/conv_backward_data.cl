/* The gradient of a convolution's input for any stride, on activations in blocks of channels, [n, blocks, h, w, BLOCK]:
 * gathered from the outputs whose windows an element of the input is in.
 *
 * Output (h, w) read input (h * stride_h - pad_h + r * dilation_h, ...): element h of the input gets from row r of the
 * kernel what the output (h + pad_h - r * dilation_h) / stride_h holds, if that is a whole number. Elements with the
 * same remainders of h and w by the strides, a phase, have the same rows and columns of the kernel.
 *
 * Channels that only fill up the last block of dy are finite; `add` of 1 adds to dx, 0 replaces it. */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef STACK
#define STACK 2
#endif

#define GEOMETRY                                                                                                       \
    int in_h, int in_w, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w, int dilation_h,  \
        int dilation_w, int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

#ifndef DEPTHWISE

/* Widest kernel, as in the host's code. */
#define MOST_COLUMNS 16

/* Stands for a place outside the output, also where a place inside is added to it. */
#define OUTSIDE (-(1 << 30))

/* One kernel position: BLOCK channels of each pixel of dy. Calls would keep the sums in memory. */
__attribute__((always_inline)) static inline void add_products(floatb sum[STACK][TILE],
                                                               global const float *const pixel[TILE],
                                                               global const float *weight)
{
#pragma unroll 4 /* with more, LLVM loads so far ahead that the sums leave the registers */
    for (int c = 0; c < BLOCK; c++) {
        floatb factor[STACK];
#pragma unroll
        for (int k = 0; k < STACK; k++)
            factor[k] = load_block(c * STACK + k, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const floatb number = pixel[i][c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][i] = fma(number, factor[k], sum[k][i]);
        }
    }
}

/* Weights: [groups, stacks, kernel_h, blocks of dy, kernel_w, BLOCK (of dy), STACK * BLOCK (of dx)] and BLOCK zeros
 * behind the end. Blocks are counted per group. Work-item (stack, run of `run` of a phase's elements in all images, a
 * multiple of TILE; phase). */
kernel void conv_backward_data(global float *dx, int add, global const float *restrict dy,
                               global const float *restrict weight, int images, int run, int in_blocks, int out_blocks,
                               GEOMETRY)
{
    const int stacks = (in_blocks + STACK - 1) / STACK;
    const int group = (int)get_global_id(0) / stacks, groups = (int)get_global_size(0) / stacks;
    const int block = (int)get_global_id(0) % stacks * STACK;
    const int phase_h = (int)get_global_id(2) / stride_w, phase_w = (int)get_global_id(2) % stride_w;
    const int rows = (in_h - phase_h + stride_h - 1) / stride_h, columns = (in_w - phase_w + stride_w - 1) / stride_w;
    const int begin = (int)get_global_id(1) * run, end = min(begin + run, images * rows * columns);
    const long in_plane = (long)in_h * in_w * BLOCK, out_plane = (long)out_h * out_w * BLOCK;
    const long weight_count = (long)kernel_h * out_blocks * kernel_w * (STACK * BLOCK * BLOCK);
    global const float *const zeros = weight + get_global_size(0) * weight_count;
    weight += get_global_id(0) * weight_count;
    dy += group * out_blocks * out_plane;
    dx += (group * in_blocks + block) * in_plane;
    for (int tile = begin; tile < end; tile += TILE) {
        floatb sum[STACK][TILE];
        long to[TILE];
        int h[TILE], w[TILE], image[TILE], out_column[MOST_COLUMNS][TILE];
        /* In the last tile, the last element stands in for those that are missing. */
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const int at = min(tile + i, end - 1);
            image[i] = at / (rows * columns);
            h[i] = phase_h + at / columns % rows * stride_h;
            w[i] = phase_w + at % columns * stride_w;
            to[i] = image[i] * (groups * in_blocks * in_plane) + ((long)h[i] * in_w + w[i]) * BLOCK;
            for (int s = 0; s < kernel_w; s++) {
                const int column = (w[i] + pad_w - s * dilation_w) / stride_w;
                out_column[s][i] = w[i] + pad_w - s * dilation_w >= 0 && column < out_w
                                       ? image[i] * (int)(groups * out_blocks * out_plane) + column * BLOCK
                                       : OUTSIDE;
            }
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][i] = 0.0f;
        }
        global const float *row_weight = weight;
        for (int r = 0; r < kernel_h; r++, row_weight += out_blocks * kernel_w * (STACK * BLOCK * BLOCK)) {
            int out_row[TILE];
            bool any = false;
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                const int place = h[i] + pad_h - r * dilation_h;
                const bool inside = place >= 0 && place % stride_h == 0 && place / stride_h < out_h;
                any = any || inside;
                out_row[i] = inside ? place / stride_h * out_w * BLOCK : OUTSIDE;
            }
            if (!any)
                continue;
            global const float *plane = dy, *factors = row_weight;
            for (int c = 0; c < out_blocks; c++, plane += out_plane)
                for (int s = 0; s < kernel_w; s++, factors += STACK * BLOCK * BLOCK) {
                    global const float *pixel[TILE];
                    if ((phase_w + pad_w - s * dilation_w) % stride_w != 0)
                        continue;
#pragma unroll
                    for (int i = 0; i < TILE; i++) {
                        const int at = out_row[i] + out_column[s][i];
                        pixel[i] = at < 0 ? zeros : plane + (uint)at;
                    }
                    add_products(sum, pixel, factors);
                }
        }
#pragma unroll
        for (int k = 0; k < STACK; k++) /* no ends of loops: they are unrolled, and sums stay in registers */
#pragma unroll
            for (int i = 0; i < TILE; i++)
                if (block + k < in_blocks && tile + i < end) {
                    global float *pixel = dx + k * in_plane + to[i];
                    if (add)
                        sum[k][i] += load_block(0, pixel);
                    store_aligned(sum[k][i], 0, pixel);
                }
    }
}

#else

/* Each channel by itself. Weights: [blocks, kernel_h, kernel_w, BLOCK]. Work-item (run of `run` rows, block, image). */
kernel void conv_backward_depthwise(global float *dx, int add, global const float *restrict dy,
                                    global const float *restrict weight, int run, GEOMETRY)
{
    const size_t plane = get_global_id(2) * get_global_size(1) + get_global_id(1);
    const int first = (int)get_global_id(0) * run, end = min(first + run, in_h);
    weight += get_global_id(1) * kernel_h * kernel_w * BLOCK;
    dx += plane * in_h * in_w * BLOCK;
    dy += plane * out_h * out_w * BLOCK;
    for (int h = first; h < end; h++)
        for (int w = 0; w < in_w; w++) {
            floatb sum = add ? load_block(h * in_w + w, dx) : (floatb)0.0f;
            for (int r = 0; r < kernel_h; r++) {
                const int row = h + pad_h - r * dilation_h;
                if (row < 0 || row % stride_h != 0 || row / stride_h >= out_h)
                    continue;
                for (int s = 0; s < kernel_w; s++) {
                    const int column = w + pad_w - s * dilation_w;
                    if (column >= 0 && column % stride_w == 0 && column / stride_w < out_w)
                        sum = fma(load_block(row / stride_h * out_w + column / stride_w, dy),
                                  load_block(r * kernel_w + s, weight), sum);
                }
            }
            store_block(sum, h * in_w + w, dx);
        }
}

#endif
