/* The gradient of the weights of a 3x3 convolution with stride 1, as the adjoint of F(4x4, 3x3) in conv_winograd.cl,
 * whose points these are: dw = G' (sum over tiles of (A dy A') * (B' x B)) G, with * by elements. A tile of 4x4 outputs
 * costs 36 multiplications per pair of channels instead of 144.
 *
 * Activations are blocked, [n][blocks][h][w][BLOCK]. Spare channels hold finite values, and what comes of them is not
 * stored. Tiles are counted as there; the last group may have fewer than TILES.
 *   v  [groups][input blocks][36][TILES][BLOCK]                 transformed input of some groups, by winograd_input
 *   z  [36]: [groups][output blocks][TILES][BLOCK] and a gap    their transformed gradients of the output
 *   m  [36]: [stacks][input channels, whole blocks][STACK][BLOCK] and a gap     sums of products; where the last stack
 *                                                                              lacks a block, the last one stands in
 * All three lie in one buffer: v at its front, z and m at z_at and m_at, counted in vectors. */
#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILES
#define TILES 64
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef LANES /* input channels at a time, a divisor of BLOCK */
#define LANES 4
#endif

#define PRODUCTS 36

/* As in conv_winograd.cl. */
#define GAP  16
#define NEAR 0.625f
#define FAR  1.5f

/* A of four rows. */
static inline void transform_outputs(const floatb y[4], floatb out[6])
{
    const floatb near_even = fma(y[2], NEAR * NEAR, y[0]), near_odd = fma(y[3], NEAR * NEAR, y[1]);
    const floatb far_even = fma(y[2], FAR * FAR, y[0]), far_odd = fma(y[3], FAR * FAR, y[1]);
    out[0] = y[0];
    out[1] = fma(near_odd, NEAR, near_even);
    out[2] = fma(near_odd, -NEAR, near_even);
    out[3] = fma(far_odd, FAR, far_even);
    out[4] = fma(far_odd, -FAR, far_even);
    out[5] = y[3];
}

/* z of the groups from first_group on. Piece (output block, group). */
kernel void winograd_gradient(global floatb *restrict z, long z_at, global const float *restrict dy, int first_group,
                              int tiles, int tile_rows, int tile_columns, int out_h, int out_w, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const size_t block = piece.x, blocks = wide;
        const size_t pitch = high * blocks * TILES + GAP / BLOCK;
        const int first = (first_group + piece.y) * TILES;
        global floatb *to = z + z_at + (piece.y * blocks + block) * TILES;
        for (int t = 0; t < min(TILES, tiles - first); t++, to++) {
            const int row = (first + t) / tile_columns, w = (first + t) % tile_columns * 4, h = row % tile_rows * 4;
            global const float *const plane = dy + (row / tile_rows * blocks + block) * out_h * out_w * BLOCK;
            floatb half_done[4][6], out[6];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                floatb column[4];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    column[i] =
                        h + i < out_h && w + j < out_w ? load_block((h + i) * out_w + w + j, plane) : (floatb)0.0f;
                transform_outputs(column, half_done[j]);
            }
#pragma unroll
            for (int i = 0; i < 6; i++) {
                const floatb line[4] = {half_done[0][i], half_done[1][i], half_done[2][i], half_done[3][i]};
                transform_outputs(line, out);
#pragma unroll
                for (int j = 0; j < 6; j++)
                    to[(i * 6 + j) * pitch] = out[j];
            }
        }
    }
}

/* Adds up `count` tiles for LANES channels. Calls would keep the sums in memory. */
__attribute__((always_inline)) static inline void add_tiles(floatb sum[STACK][LANES], global const floatb *z,
                                                            size_t other, global const float *v, int count)
{
    for (int t = 0; t < count; t++, z++, v += BLOCK) {
        floatb factor[STACK];
#pragma unroll
        for (int k = 0; k < STACK; k++)
            factor[k] = z[k * other];
#pragma unroll
        for (int c = 0; c < LANES; c++) {
            const floatb number = v[c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][c] = fma(number, factor[k], sum[k][c]);
        }
    }
}

/* m (+)= the products of `groups` groups, which hold `tiles` tiles; `add` of 0 replaces what is there. Piece
 * (stack, product). */
kernel void winograd_products(global floatb *scratch, long z_at, long m_at, int add, int groups, int tiles,
                              int in_blocks, int out_blocks, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const size_t stack = piece.x, product = piece.y;
        const int block = piece.x * STACK, channels = in_blocks * BLOCK;
        const size_t other = block + 1 < out_blocks ? TILES : 0;
        global floatb *const m =
            scratch + m_at + product * (wide * channels * STACK + GAP / BLOCK) + stack * channels * STACK;
        global const floatb *z =
            scratch + z_at + product * ((size_t)groups * out_blocks * TILES + GAP / BLOCK) + block * TILES;
        global const float *const v = (global const float *)(scratch + product * TILES);
        for (int group = 0; group < groups; group++, z += out_blocks * TILES)
            for (int channel = 0; channel < channels; channel += LANES) {
                global floatb *const to = m + channel * STACK;
                floatb sum[STACK][LANES];
#pragma unroll
                for (int c = 0; c < LANES; c++)
#pragma unroll
                    for (int k = 0; k < STACK; k++)
                        sum[k][c] = add || group ? to[c * STACK + k] : (floatb)0.0f;
                add_tiles(
                    sum, z, other,
                    v + ((size_t)(group * in_blocks + channel / BLOCK) * PRODUCTS * TILES * BLOCK + channel % BLOCK),
                    min(TILES, tiles - group * TILES));
#pragma unroll
                for (int c = 0; c < LANES; c++)
#pragma unroll
                    for (int k = 0; k < STACK; k++)
                        to[c * STACK + k] = sum[k][c];
            }
    }
}

/* G' of six rows. */
static inline void transform_sums(const floatb x[6], floatb out[3])
{
    const float near = 0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR));
    const float far = 0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR));
    const floatb near_sum = (x[1] + x[2]) * near, far_sum = (x[3] + x[4]) * far;
    out[0] = fma(x[0], 1.0f / (NEAR * NEAR * FAR * FAR), near_sum + far_sum);
    out[1] = fma(x[1] - x[2], near * NEAR, (x[3] - x[4]) * (far * FAR));
    out[2] = fma(near_sum, NEAR * NEAR, fma(far_sum, FAR * FAR, x[5]));
}

/* dw [out_channels, in_channels, 3, 3] row-major, from m; `add` of 0 replaces what is there. Work-item (input channel,
 * output block), whole stacks of the latter. */
kernel void winograd_weights_gradient(global float *restrict dw, int add, global const floatb *restrict m, long m_at,
                                      int in_channels, int out_channels, int padded_channels)
{
    const int channel = (int)get_global_id(0), block = (int)get_global_id(1);
    const size_t pitch = get_global_size(1) * padded_channels + GAP / BLOCK;
    floatb half_done[6][3], out[9];
    m += m_at + ((size_t)(block / STACK) * padded_channels + channel) * STACK + block % STACK;
#pragma unroll
    for (int j = 0; j < 6; j++) {
        floatb column[6];
#pragma unroll
        for (int i = 0; i < 6; i++)
            column[i] = m[(i * 6 + j) * pitch];
        transform_sums(column, half_done[j]);
    }
#pragma unroll
    for (int i = 0; i < 3; i++) {
        const floatb row[6] = {half_done[0][i], half_done[1][i], half_done[2][i],
                               half_done[3][i], half_done[4][i], half_done[5][i]};
        transform_sums(row, out + i * 3);
    }
    for (int lane = 0; lane < BLOCK && block * BLOCK + lane < out_channels; lane++) {
        global float *const to = dw + ((size_t)(block * BLOCK + lane) * in_channels + channel) * 9;
        for (int i = 0; i < 9; i++) {
            const float value = ((const float *)&out[i])[lane];
            to[i] = add ? to[i] + value : value;
        }
    }
}
