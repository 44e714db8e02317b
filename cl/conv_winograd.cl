/* Convolutions with 3x3 kernels, stride 1, by minimal filtering F(4x4, 3x3): a tile of 4x4 outputs costs 36
 * multiplications per pair of channels instead of 144. Transforms as in A. Lavin and S. Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2016: y = A' [(G g G') * (B' x B)] A, with * by elements.
 *
 * Activations are blocked, [n][blocks][h][w][BLOCK], the last block's spare channels holding any finite values.
 * Tiles are counted row by row, image by image, and worked on in groups of TILES; the last group repeats the last tile.
 *   u  [pairs of output blocks][36][input channels][2 * BLOCK]      transformed weights, 0 for spare channels
 *   v  [36]: [groups][input blocks][TILES][BLOCK] and a gap         transformed input of some groups
 * Any sizes; the number of tiles fits an int. */

/* TILES x 2 accumulators of BLOCK floats, two weights and a broadcast fill the registers. */
#ifndef TILES
#define TILES 6
#endif

#define PRODUCTS 36

/* Floats behind each of the 36 rows of v, and of a work-item's products: without the gap, all that a tile has there
 * may fall on the same few lines of the cache. */
#define GAP 16

/* Asks for `count` blocks of what the tile after next needs. OpenCL's prefetch() does nothing in PoCL, and elsewhere a
 * place outside the buffer may be an error. */
#ifdef POCL_DEVICE_ADDRESS_BITS
#define fetch_ahead(from, count)                                                                                       \
    for (int block_ = 0; block_ < (count); block_ += 16 / BLOCK)                                                       \
    __builtin_prefetch((from) + block_ * BLOCK)
#else
#define fetch_ahead(from, count)
#endif

/* The polynomials are evaluated at 0, +-NEAR, +-FAR and infinity: with these, whose powers are exact in float, the
 * largest rounding error is a quarter of that with the usual 1 and 2. */
#define NEAR 0.625f
#define FAR  1.5f

/* Of one group in v. */
#define GROUP_FLOATS(in_blocks) ((size_t)(in_blocks)*TILES * BLOCK)

/* Where a tile of outputs lies. */
typedef struct place {
    int image, h, w;
} place;

static inline place find_tile(int tile, int tile_rows, int tile_columns)
{
    const int row = tile / tile_columns;
    return (place){row / tile_rows, row % tile_rows * 4, tile % tile_columns * 4};
}

#ifndef GROUPS /* --- transformations of weights and input --- */

/* G of three rows. */
static inline void transform_weights(const floatb g[3], floatb *out)
{
    const floatb near = fma(g[2], NEAR * NEAR, g[0]), far = fma(g[2], FAR * FAR, g[0]);
    out[0] = g[0] * (1.0f / (NEAR * NEAR * FAR * FAR));
    out[1] = fma(g[1], NEAR, near) * (0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR)));
    out[2] = fma(g[1], -NEAR, near) * (0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR)));
    out[3] = fma(g[1], FAR, far) * (0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR)));
    out[4] = fma(g[1], -FAR, far) * (0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR)));
    out[5] = g[2];
}

/* u from weights that lie as cl/conv_pack.cl says. Work-item (input channel, output block): both counted with the spare
 * ones. */
kernel void winograd_weights(global float *restrict u, global const float *restrict weight, int in_channels,
                             int out_channels, long offset, long out_stride, long in_stride, long tap_stride)
{
    const int channel = (int)get_global_id(0);
    const int first = (int)get_global_id(1) * BLOCK;
    float lanes[3][3][BLOCK];
    weight += offset + first * out_stride + channel * in_stride;
    for (int i = 0; i < 9; i++)
        for (int lane = 0; lane < BLOCK; lane++)
            lanes[i / 3][i % 3][lane] = channel < in_channels && first + lane < out_channels
                                            ? weight[lane * out_stride + i * tap_stride]
                                            : 0.0f;
    floatb half_done[3][6], out[6];
    for (int j = 0; j < 3; j++) {
        const floatb column[3] = {load_block(0, lanes[0][j]), load_block(0, lanes[1][j]), load_block(0, lanes[2][j])};
        transform_weights(column, half_done[j]);
    }
    u += ((get_global_id(1) / 2 * PRODUCTS * get_global_size(0) + channel) * 2 + get_global_id(1) % 2) * BLOCK;
    for (int i = 0; i < 6; i++) {
        const floatb row[3] = {half_done[0][i], half_done[1][i], half_done[2][i]};
        transform_weights(row, out);
        for (int j = 0; j < 6; j++)
            store_block(out[j], (i * 6 + j) * get_global_size(0) * 2, u);
    }
}

/* B' of six rows. */
static inline void transform_input(const floatb x[6], floatb *out)
{
    const floatb near_even = fma(x[2], -FAR * FAR, x[4]), near_odd = fma(x[1], -FAR * FAR, x[3]);
    const floatb far_even = fma(x[2], -NEAR * NEAR, x[4]), far_odd = fma(x[1], -NEAR * NEAR, x[3]);
    out[0] = fma(x[0], NEAR * NEAR * FAR * FAR, fma(x[2], -NEAR * NEAR - FAR * FAR, x[4]));
    out[1] = fma(near_odd, NEAR, near_even);
    out[2] = fma(near_odd, -NEAR, near_even);
    out[3] = fma(far_odd, FAR, far_even);
    out[4] = fma(far_odd, -FAR, far_even);
    out[5] = fma(x[1], NEAR * NEAR * FAR * FAR, fma(x[3], -NEAR * NEAR - FAR * FAR, x[5]));
}

/* Pixel (h, w) of a block of an image; 0 outside. */
static inline floatb load_pixel(global const float *x, int h, int w, int in_h, int in_w)
{
    return h >= 0 && h < in_h && w >= 0 && w < in_w ? load_block(h * in_w + w, x) : (floatb)0.0f;
}

/* The 6x6 pixels of a tile's window, whose first is (h, w), to v: one to each of 36 rows, `pitch` floats apart. x: a
 * block of an image. */
static inline void transform_window(global float *v, size_t pitch, global const float *x, int h, int w, int in_h,
                                    int in_w)
{
    floatb half_done[6][6], out[6], column[6];
    if (h >= 0 && w >= 0 && h + 6 <= in_h && w + 6 <= in_w) {
        global const float *first = x + (h * in_w + w) * BLOCK;
        for (int i = 2; i < 6; i++)
            fetch_ahead(first + (i * in_w + 10) * BLOCK, 4);
#pragma unroll
        for (int j = 0; j < 6; j++) {
#pragma unroll
            for (int i = 0; i < 6; i++)
                column[i] = load_block(j, first + i * in_w * BLOCK);
            transform_input(column, half_done[j]);
        }
    } else {
        for (int j = 0; j < 6; j++) {
#pragma unroll
            for (int i = 0; i < 6; i++)
                column[i] = load_pixel(x, h + i, w + j, in_h, in_w);
            transform_input(column, half_done[j]);
        }
    }
#pragma unroll
    for (int i = 0; i < 6; i++) {
        const floatb row[6] = {half_done[0][i], half_done[1][i], half_done[2][i],
                               half_done[3][i], half_done[4][i], half_done[5][i]};
        transform_input(row, out);
#pragma unroll
        for (int j = 0; j < 6; j++)
            store_block(out[j], 0, v + (i * 6 + j) * pitch);
    }
}

/* v of the groups from first_group on. Work-item (input block, group). */
kernel void winograd_input(global float *restrict v, global const float *restrict x, int first_group, int tiles,
                           int tile_rows, int tile_columns, int in_h, int in_w, int pad_h, int pad_w)
{
    const size_t block = get_global_id(0), blocks = get_global_size(0);
    const size_t group_floats = GROUP_FLOATS(blocks), pitch = get_global_size(1) * group_floats + GAP;
    const int first = (first_group + (int)get_global_id(1)) * TILES;
    v += get_global_id(1) * group_floats + block * TILES * BLOCK;
    for (int t = 0; t < TILES; t++) {
        const place at = find_tile(min(first + t, tiles - 1), tile_rows, tile_columns);
        transform_window(v + t * BLOCK, pitch, x + (at.image * blocks + block) * in_h * in_w * BLOCK, at.h - pad_h,
                         at.w - pad_w, in_h, in_w);
    }
}

#else /* --- products and output; GROUPS: how many groups a work-item takes at most --- */

/* Vectors from one product of a tile to the next. */
#define PITCH (GROUPS * 2 * TILES + GAP / BLOCK)

/* out[2][TILES] = the sums over all input channels of one of the 36 products, for two output blocks. */
static inline void multiply(floatb *out, global const float *v, global const float *u, int in_blocks)
{
    floatb low[TILES], high[TILES];
#pragma unroll
    for (int t = 0; t < TILES; t++)
        low[t] = high[t] = 0.0f;
    for (int block = 0; block < in_blocks; block++) {
#pragma unroll
        for (int lane = 0; lane < BLOCK; lane++) {
            const floatb low_weight = load_block(0, u), high_weight = load_block(1, u);
            u += 2 * BLOCK;
#pragma unroll
            for (int t = 0; t < TILES; t++) {
                const floatb x = v[t * BLOCK + lane];
                low[t] = fma(x, low_weight, low[t]);
                high[t] = fma(x, high_weight, high[t]);
            }
        }
        v += TILES * BLOCK;
    }
#pragma unroll
    for (int t = 0; t < TILES; t++) {
        out[t] = low[t];
        out[TILES + t] = high[t];
    }
}

/* A' of six rows. */
static inline void transform_output(const floatb m[6], floatb *out)
{
    const floatb near_sum = m[1] + m[2], near = m[1] - m[2], far_sum = m[3] + m[4], far = m[3] - m[4];
    out[0] = m[0] + near_sum + far_sum;
    out[1] = fma(far, FAR, near * NEAR);
    out[2] = fma(far_sum, FAR * FAR, near_sum * (NEAR * NEAR));
    out[3] = fma(far, FAR * FAR * FAR, fma(near, NEAR * NEAR * NEAR, m[5]));
}

/* A tile's pixel of one output block, finished. */
static inline void store_pixel(global float *y, size_t at, floatb value, global const float *residual, float alpha,
                               float beta)
{
#ifdef RESIDUAL
    value += load_block(at, residual);
#endif
    store_block(activate_v(value, alpha, beta), at, y);
}

/* One output block's 4x4 pixels, or as many as there are, from y on. m: its 36 products, PITCH vectors apart. */
static inline void finish_tile(global float *y, const floatb *m, int rows, int columns, int out_w, floatb bias,
                               global const float *residual, float alpha, float beta)
{
    floatb half_done[6][4], out[4];
    for (int i = 0; i < 4; i++) {
        fetch_ahead(y + (i * out_w + 8) * BLOCK, 4);
#ifdef RESIDUAL
        fetch_ahead(residual + (i * out_w + 8) * BLOCK, 4);
#endif
    }
#pragma unroll
    for (int j = 0; j < 6; j++) {
        const floatb column[6] = {m[j * PITCH],        m[(6 + j) * PITCH],  m[(12 + j) * PITCH],
                                  m[(18 + j) * PITCH], m[(24 + j) * PITCH], m[(30 + j) * PITCH]};
        transform_output(column, half_done[j]);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const floatb row[6] = {half_done[0][i], half_done[1][i], half_done[2][i],
                               half_done[3][i], half_done[4][i], half_done[5][i]};
        if (i >= rows)
            break;
        transform_output(row, out);
        if (columns >= 4) {
#pragma unroll
            for (int j = 0; j < 4; j++)
                store_pixel(y, i * out_w + j, out[j] + bias, residual, alpha, beta);
        } else {
            for (int j = 0; j < columns; j++)
                store_pixel(y, i * out_w + j, out[j] + bias, residual, alpha, beta);
        }
    }
}

/* y from v of the groups [first_group, first_group + groups). Image i begins at y[y_offset + i * y_image]. Work-item
 * (pair of output blocks, `step` groups). */
kernel void winograd_output(global float *restrict y, global const float *restrict v, global const float *restrict u,
                            global const float *restrict bias, global const float *residual, float alpha, float beta,
                            long y_offset, long y_image, int first_group, int groups, int step, int tiles,
                            int tile_rows, int tile_columns, int in_blocks, int out_blocks, int out_h, int out_w)
{
    floatb products[PRODUCTS][PITCH];
    const size_t group_floats = GROUP_FLOATS(in_blocks), pitch = groups * group_floats + GAP;
    const size_t weights = (size_t)in_blocks * BLOCK * 2 * BLOCK;
    const int first = (int)get_global_id(1) * step, count = min(step, groups - first);
    v += first * group_floats;
    u += get_global_id(0) * PRODUCTS * weights;
    for (int p = 0; p < PRODUCTS; p++)
        for (int g = 0; g < count; g++)
            multiply(products[p] + g * 2 * TILES, v + p * pitch + g * group_floats, u + p * weights, in_blocks);
    for (int side = 0; side < 2; side++) {
        const int block = (int)get_global_id(0) * 2 + side;
        if (block >= out_blocks)
            break;
        for (int i = 0; i < count * TILES; i++) {
            const int tile = (first_group + first) * TILES + i;
            if (tile >= tiles)
                break;
            const place at = find_tile(tile, tile_rows, tile_columns);
            const size_t pixel = (((size_t)block * out_h + at.h) * out_w + at.w) * BLOCK;
            const size_t image = (size_t)out_blocks * out_h * out_w * BLOCK;
            finish_tile(y + y_offset + at.image * y_image + pixel,
                        products[0] + (i / TILES * 2 + side) * TILES + i % TILES, out_h - at.h, out_w - at.w, out_w,
                        load_block(block, bias), residual + at.image * image + pixel, alpha, beta);
        }
    }
}

#endif
