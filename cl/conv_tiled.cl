/* Convolutions of activations in blocks of channels, [n, channels / BLOCK, h, w, BLOCK], in registers: a tile of TILE
 * neighbouring pixels of the output, in whatever rows and images they lie, by two blocks of its channels is summed up
 * in 2 * TILE vectors, so that two vectors of weights and a number of each pixel make 2 * TILE multiply-adds.
 *
 * Weights: [groups, pairs of output blocks, input blocks, kernel_h, kernel_w, BLOCK (in), 2 * BLOCK (out)], with zeros for
 * channels that don't exist, and BLOCK zeros behind the end: what pixels outside the image are read from. The bias has
 * zeros up to a whole block. Input channels up to a whole block are finite. Tensors of fewer than 2^31 elements per image.
 *
 * Output (h, w) reads input (h * stride_h - pad_h + r * dilation_h, ...) for r < kernel_h. */

#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 6
#endif

#define GEOMETRY                                                                                                       \
    int in_h, int in_w, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w, int dilation_h,  \
        int dilation_w, int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

/* One kernel position: BLOCK channels of each pixel. */
__attribute__((always_inline)) static inline void add_products(floatb sum[2][TILE], global const float *const from[TILE], global const float *weight)
{
#pragma unroll
    for (int c = 0; c < BLOCK; c++) {
        const floatb first = load_block(2 * c, weight), second = load_block(2 * c + 1, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const floatb number = from[i][c];
            sum[0][i] = fma(number, first, sum[0][i]);
            sum[1][i] = fma(number, second, sum[1][i]);
        }
    }
}

/* Work-item (pair of output blocks, run of `run` pixels out of `pixels` in all images). Blocks and pairs are counted
 * per group. */
kernel void conv_tiled(global float *restrict y, global const float *restrict x, global const float *restrict weight,
                       global const float *restrict bias, global const float *residual, float alpha, float beta,
                       long y_offset,
                       long y_image, int pixels, int run, int in_blocks, int out_blocks, int pairs, GEOMETRY)
{
    const int group = (int)get_global_id(0) / pairs, groups = (int)get_global_size(0) / pairs;
    const int block = (int)get_global_id(0) % pairs * 2;
    const size_t in_plane = (size_t)in_h * in_w * BLOCK, out_plane = (size_t)out_h * out_w * BLOCK;
    const size_t weight_count = (size_t)in_blocks * kernel_h * kernel_w * (2 * BLOCK * BLOCK);
    global const float *const zeros = weight + get_global_size(0) * weight_count;
    weight += get_global_id(0) * weight_count;
    x += group * in_blocks * in_plane;
    bias += (group * out_blocks + block) * BLOCK;
    y += y_offset + (group * out_blocks + block) * out_plane;
#ifdef RESIDUAL
    residual += (group * out_blocks + block) * out_plane;
#endif
    const int begin = (int)get_global_id(1) * run, end = min(begin + run, pixels);
    for (int tile = begin; tile < end; tile += TILE) {
        int h[TILE], w[TILE];
        size_t in_image[TILE], to[TILE];
#ifdef RESIDUAL
        size_t added[TILE];
#endif
        int image = tile / (out_h * out_w), row = tile / out_w % out_h, column = tile % out_w;
        bool inside = true;
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            h[i] = row * stride_h - pad_h;
            w[i] = column * stride_w - pad_w;
            inside = inside && h[i] >= 0 && w[i] >= 0 && h[i] + (kernel_h - 1) * dilation_h < in_h &&
                     w[i] + (kernel_w - 1) * dilation_w < in_w;
            in_image[i] = (size_t)image * groups * in_blocks * in_plane;
            to[i] = image * y_image + (row * out_w + column) * BLOCK;
#ifdef RESIDUAL
            added[i] = (size_t)image * groups * out_blocks * out_plane + (row * out_w + column) * BLOCK;
#endif
            if (tile + i + 1 < pixels && ++column == out_w) {
                column = 0;
                if (++row == out_h) {
                    row = 0;
                    image++;
                }
            }
        }
        floatb sum[2][TILE];
        const floatb bias0 = load_block(0, bias), bias1 = block + 1 < out_blocks ? load_block(1, bias) : bias0;
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            sum[0][i] = bias0;
            sum[1][i] = bias1;
        }
        global const float *taps = weight;
        if (inside) {
            size_t at[TILE];
#pragma unroll
            for (int i = 0; i < TILE; i++)
                at[i] = in_image[i] + (h[i] * in_w + w[i]) * BLOCK;
            for (int c = 0; c < in_blocks; c++)
                for (int r = 0; r < kernel_h; r++)
                    for (int s = 0; s < kernel_w; s++, taps += 2 * BLOCK * BLOCK) {
                        global const float *base = x + c * in_plane + (r * dilation_h * in_w + s * dilation_w) * BLOCK;
                        global const float *from[TILE];
#pragma unroll
                        for (int i = 0; i < TILE; i++)
                            from[i] = base + at[i];
                        add_products(sum, from, taps);
                    }
        } else {
            for (int c = 0; c < in_blocks; c++)
                for (int r = 0; r < kernel_h; r++)
                    for (int s = 0; s < kernel_w; s++, taps += 2 * BLOCK * BLOCK) {
                        global const float *from[TILE];
#pragma unroll
                        for (int i = 0; i < TILE; i++) {
                            const int in_row = h[i] + r * dilation_h, in_column = w[i] + s * dilation_w;
                            from[i] = INSIDE(in_row, in_h) && INSIDE(in_column, in_w)
                                          ? x + in_image[i] + c * in_plane + (in_row * in_w + in_column) * BLOCK
                                          : zeros;
                        }
                        add_products(sum, from, taps);
                    }
        }
#pragma unroll
        for (int k = 0; k < 2; k++) {
            if (block + k == out_blocks)
                break;
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                floatb value = sum[k][i];
#ifdef RESIDUAL
                value += load_block(0, residual + added[i] + k * out_plane);
#endif
                store_block(activate_v(value, alpha, beta), 0, y + to[i] + k * out_plane);
            }
        }
    }
}
