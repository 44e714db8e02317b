/* Convolutions with 3x3 kernels, stride 1, by minimal filtering F(4x4, 3x3): a tile of 4x4 outputs costs 36
 * multiplications per pair of channels instead of 144. Transforms as in A. Lavin and S. Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2016: y = A' [(G g G') * (B' x B)] A, with * by elements.
 *
 * Activations are blocked, [n][blocks][h][w][BLOCK], the last block's spare channels holding any finite values.
 * Tiles are counted row by row, image by image, and worked on in groups of TILES; the last group repeats the last tile.
 *   w  [pairs of output blocks][input channels][9][2 * BLOCK]   weights, 0 for spare channels
 *   u  [pairs of output blocks][36][input channels][2 * BLOCK]  transformed weights
 *   v  [groups][input blocks][36][TILES][BLOCK]                 transformed input of some groups
 * Any sizes; the number of tiles fits an int. With HALVES, w is of 16-bit floats.
 *
 * Two kernels with v between them transform weights where they are used, two rows at a time: four times as many numbers
 * take longer to read than to make. FUSED: one kernel does it all for a group of tiles, whose transformed input, of
 * MOST_BLOCKS input blocks at most, never leaves a core's own cache; it reads u. */

#ifdef FUSED
#define GROUPS            1
#define TRANSFORMED_INPUT private
#else
#define GROUPS            8 /* that a work-item takes at most */
#define TRANSFORMED_INPUT global
#endif

/* Accumulators for two output blocks fill the registers: 16 in AVX2, 32 in AVX-512 and NEON. They are for TILES tiles,
 * or in two kernels for TILES tiles of AT_ONCE groups, or of one group and AT_ONCE products. With TILES given there is
 * only winograd_input. */
#ifdef TILES
#define INPUT_ONLY
#elif BLOCK == 8
#define TILES   6
#define AT_ONCE 1
#elif defined(FUSED)
#define TILES (BLOCK == 16 ? 14 : 8)
#else
#define TILES   4
#define AT_ONCE 3
#endif

#define PRODUCTS 36

/* Floats behind each of a work-item's 36 rows of products: without the gap, all that a tile has there may fall on the
 * same few lines of the cache. With less between rows of many groups, what is loaded for one row lies 4 KB behind what
 * was just stored for another, which CPUs take for the same place until they know better. */
#ifdef FUSED
#define GAP 16
#else
#define GAP 128
#endif

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
#define GROUP_FLOATS(in_blocks) ((size_t)(in_blocks)*PRODUCTS * TILES * BLOCK)

/* Where a tile of outputs lies. */
typedef struct place {
    int image, h, w;
} place;

static inline place find_tile(int tile, int tile_rows, int tile_columns)
{
    const int row = tile / tile_columns;
    return (place){row / tile_rows, row % tile_rows * 4, tile % tile_columns * 4};
}

/* --- weights --- */

/* G of three rows. */
static inline void transform_column(floatb g0, floatb g1, floatb g2, floatb out[6])
{
    const floatb near = fma(g2, NEAR * NEAR, g0), far = fma(g2, FAR * FAR, g0);
    out[0] = g0 * (1.0f / (NEAR * NEAR * FAR * FAR));
    out[1] = fma(g1, NEAR, near) * (0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR)));
    out[2] = fma(g1, -NEAR, near) * (0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR)));
    out[3] = fma(g1, FAR, far) * (0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR)));
    out[4] = fma(g1, -FAR, far) * (0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR)));
    out[5] = g2;
}

#ifdef FUSED
/* u from weights that lie as cl/conv_pack.cl says. Work-item (input channel, output block): both counted with the spare
 * ones. */
kernel void winograd_weights(global floatb *restrict u, global const float *restrict weight, int in_channels,
                             int out_channels, long offset, long out_stride, long in_stride, long tap_stride)
{
    const int channel = (int)get_global_id(0), first = (int)get_global_id(1) * BLOCK;
    const size_t channels = get_global_size(0), pair = get_global_id(1) / 2, side = get_global_id(1) % 2;
    float lanes[9][BLOCK];
    floatb weights[9], half_done[3][6], out[6];
    weight += offset + first * out_stride + channel * in_stride;
    for (int i = 0; i < 9; i++) {
        for (int lane = 0; lane < BLOCK; lane++)
            lanes[i][lane] = channel < in_channels && first + lane < out_channels
                                 ? weight[lane * out_stride + i * tap_stride]
                                 : 0.0f;
        weights[i] = load_block(0, lanes[i]);
    }
    for (int j = 0; j < 3; j++)
        transform_column(weights[j], weights[3 + j], weights[6 + j], half_done[j]);
    u += (pair * PRODUCTS * channels + channel) * 2 + side;
    for (int i = 0; i < 6; i++) {
        transform_column(half_done[0][i], half_done[1][i], half_done[2][i], out);
        for (int j = 0; j < 6; j++)
            u[(i * 6 + j) * channels * 2] = out[j];
    }
}

#else

#define FILTER_FLOATS  (9 * 2 * BLOCK)        /* of an input channel in w */
#define SPAN           (128 / BLOCK)          /* input blocks whose weights are transformed at a time */
#define COLUMN_VECTORS (SPAN * BLOCK * 2 + 2) /* from one column of transformed weights to the next */
#define ROW_FLOATS     (6 * TILES * BLOCK)    /* of an input block in a row of v */

/* G, row by row: what a row of transformed weights takes of the three rows of weights. */
#define NEAR_SCALE     (0.5f / (NEAR * NEAR * (NEAR * NEAR - FAR * FAR)))
#define FAR_SCALE      (0.5f / (FAR * FAR * (FAR * FAR - NEAR * NEAR)))
constant float weight_rows[6][3] = {
    {1.0f / (NEAR * NEAR * FAR * FAR), 0.0f, 0.0f},          {NEAR_SCALE, NEAR_SCALE *NEAR, NEAR_SCALE *NEAR *NEAR},
    {NEAR_SCALE, -NEAR_SCALE *NEAR, NEAR_SCALE *NEAR *NEAR}, {FAR_SCALE, FAR_SCALE *FAR, FAR_SCALE *FAR *FAR},
    {FAR_SCALE, -FAR_SCALE *FAR, FAR_SCALE *FAR *FAR},       {0.0f, 0.0f, 1.0f}};

/* Two of them at a time read the weights half as often. */
constant int row_pairs[3][2] = {{0, 5}, {1, 2}, {3, 4}};

/* A pair of rows of the transformed weights of some input channels: u [2][6][channels][2]. */
static inline void transform_weights(floatb *u, global const weight_float *w, int channels, constant const int *rows)
{
    constant const float *factors[2] = {weight_rows[rows[0]], weight_rows[rows[1]]};
    for (int channel = 0; channel < channels; channel++, w += FILTER_FLOATS, u += 2)
#pragma unroll
        for (int side = 0; side < 2; side++) {
            floatb sums[2][3], out[6];
#pragma unroll
            for (int j = 0; j < 3; j++) {
                const floatb first = load_weights(j * 2 + side, w), second = load_weights((3 + j) * 2 + side, w),
                             third = load_weights((6 + j) * 2 + side, w);
#pragma unroll
                for (int i = 0; i < 2; i++)
                    sums[i][j] = fma(third, factors[i][2], fma(second, factors[i][1], first * factors[i][0]));
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                transform_column(sums[i][0], sums[i][1], sums[i][2], out);
#pragma unroll
                for (int j = 0; j < 6; j++)
                    u[(i * 6 + j) * COLUMN_VECTORS + side] = out[j];
            }
        }
}
#endif

/* --- input --- */

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

/* The 6x6 pixels of a tile's window, whose first is (h, w), to v: one to each of 36 rows, `pitch` vectors apart. x: a
 * block of an image. The outer loops stay loops: half done, 36 vectors don't fit the registers anyway, and unrolled
 * they take more than twice as long to compile and no less to run. */
static inline void transform_window(TRANSFORMED_INPUT floatb *v, size_t pitch, global const float *x, int h, int w,
                                    int in_h, int in_w)
{
    floatb half_done[6][6], out[6], column[6];
    if (h >= 0 && w >= 0 && h + 6 <= in_h && w + 6 <= in_w) {
        global const float *first = x + (h * in_w + w) * BLOCK;
        for (int i = 2; i < 6; i++)
            fetch_ahead(first + (i * in_w + 10) * BLOCK, 4);
#pragma unroll 1
        for (int j = 0; j < 6; j++) {
#pragma unroll
            for (int i = 0; i < 6; i++)
                column[i] = load_block(j, first + i * in_w * BLOCK);
            transform_input(column, half_done[j]);
        }
    } else {
#pragma unroll 1
        for (int j = 0; j < 6; j++) {
#pragma unroll
            for (int i = 0; i < 6; i++)
                column[i] = load_pixel(x, h + i, w + j, in_h, in_w);
            transform_input(column, half_done[j]);
        }
    }
#pragma unroll 1
    for (int i = 0; i < 6; i++) {
        const floatb row[6] = {half_done[0][i], half_done[1][i], half_done[2][i],
                               half_done[3][i], half_done[4][i], half_done[5][i]};
        transform_input(row, out);
#pragma unroll
        for (int j = 0; j < 6; j++)
            v[(i * 6 + j) * pitch] = out[j];
    }
}

#ifndef FUSED
/* v of the groups from first_group on. Piece (input block, group). */
kernel void winograd_input(global floatb *restrict v, global const float *restrict x, int first_group, int tiles,
                           int tile_rows, int tile_columns, int in_h, int in_w, int pad_h, int pad_w, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const int first = (first_group + piece.y) * TILES;
        global floatb *const to = v + ((size_t)piece.y * wide + piece.x) * PRODUCTS * TILES;
        for (int t = 0; t < TILES; t++) {
            const place at = find_tile(min(first + t, tiles - 1), tile_rows, tile_columns);
            transform_window(to + t, TILES, x + ((size_t)at.image * wide + piece.x) * in_h * in_w * BLOCK, at.h - pad_h,
                             at.w - pad_w, in_h, in_w);
        }
    }
}
#endif

#ifndef INPUT_ONLY
/* --- products and output --- */

/* Vectors from one product of a tile to the next. */
#define PITCH (GROUPS * 2 * TILES + GAP / BLOCK)

#ifdef FUSED

/* out[2][TILES]: the sum over all input channels, for two output blocks. */
static inline void multiply(floatb *out, const float *v, global const floatb *u, int blocks)
{
    floatb low[TILES], high[TILES];
#pragma unroll
    for (int t = 0; t < TILES; t++)
        low[t] = high[t] = 0.0f;
    for (int block = 0; block < blocks; block++, v += TILES * BLOCK)
#pragma unroll 4
        for (int lane = 0; lane < BLOCK; lane++, u += 2) {
            const floatb low_weight = u[0], high_weight = u[1];
#pragma unroll
            for (int t = 0; t < TILES; t++) {
                const floatb x = v[t * BLOCK + lane];
                low[t] = fma(x, low_weight, low[t]);
                high[t] = fma(x, high_weight, high[t]);
            }
        }
#pragma unroll
    for (int t = 0; t < TILES; t++) {
        out[t] = low[t];
        out[TILES + t] = high[t];
    }
}

#else

/* Adds to `columns` products of `groups` groups what some input blocks give. products: [2][TILES] of each group, PITCH
 * vectors from one product to the next; v: [6][TILES][BLOCK] of each block; u: from transform_weights(). */
__attribute__((always_inline)) static inline void multiply(floatb *products, global const float *v, size_t group_floats,
                                                           const floatb *u, int blocks, const int columns,
                                                           const int groups)
{
    floatb sums[AT_ONCE][2][TILES];
#pragma unroll
    for (int i = 0; i < columns * groups; i++)
#pragma unroll
        for (int t = 0; t < 2 * TILES; t++)
            sums[i][t / TILES][t % TILES] = products[i / groups * PITCH + i % groups * 2 * TILES + t];
    for (int block = 0; block < blocks; block++, v += GROUP_FLOATS(1), u += 2 * BLOCK) {
#pragma unroll
        for (int i = 0; i < columns * groups; i++)
            fetch_ahead(v + GROUP_FLOATS(1) + i % groups * group_floats + i / groups * TILES * BLOCK, TILES);
#pragma unroll 4
        for (int lane = 0; lane < BLOCK; lane++)
#pragma unroll
            for (int i = 0; i < columns * groups; i++) {
                const floatb low = u[i / groups * COLUMN_VECTORS + lane * 2],
                             high = u[i / groups * COLUMN_VECTORS + lane * 2 + 1];
#pragma unroll
                for (int t = 0; t < TILES; t++) {
                    const floatb x = v[i % groups * group_floats + (i / groups * TILES + t) * BLOCK + lane];
                    sums[i][0][t] = fma(x, low, sums[i][0][t]);
                    sums[i][1][t] = fma(x, high, sums[i][1][t]);
                }
            }
    }
#pragma unroll
    for (int i = 0; i < columns * groups; i++)
#pragma unroll
        for (int t = 0; t < 2 * TILES; t++)
            products[i / groups * PITCH + i % groups * 2 * TILES + t] = sums[i][t / TILES][t % TILES];
}

#define MULTIPLY(columns, groups)                                                                                      \
    for (int i = 0; i < 6; i += (columns))                                                                             \
    multiply(products + i * PITCH, v + i * TILES * BLOCK, group_floats, u + i * COLUMN_VECTORS, blocks, columns, groups)

/* The same for a row of six products of `count` groups. */
static inline void multiply_row(floatb *products, global const float *v, size_t group_floats, const floatb *u,
                                int blocks, int count)
{
    for (int left = count, done; left > 0; left -= done) {
        done = left >= AT_ONCE ? AT_ONCE : 1;
        if (done == 3)
            MULTIPLY(1, 3);
        else
            MULTIPLY(AT_ONCE, 1);
        products += done * 2 * TILES;
        v += done * group_floats;
    }
}

#endif

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
    if (residual)
        value += load_block(at, residual);
    store_aligned(activate_v(value, alpha, beta), at, y);
}

/* One output block's 4x4 pixels, or as many as there are, from y on. m: its 36 products, PITCH vectors apart. */
static inline void finish_tile(global float *y, const floatb *m, int rows, int columns, int out_w, floatb bias,
                               global const float *residual, float alpha, float beta)
{
    floatb half_done[6][4], out[4];
    for (int i = 0; i < 4; i++) {
        fetch_ahead(y + (i * out_w + 8) * BLOCK, 4);
        if (residual)
            fetch_ahead(residual + (i * out_w + 8) * BLOCK, 4);
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
        transform_output(row, out);
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (i < rows && j < columns)
                store_pixel(y, i * out_w + j, out[j] + bias, residual, alpha, beta);
    }
}

/* Finishes `count` tiles from `first` on, as far as they exist, of both output blocks of a pair. */
static inline void finish_pair(global float *y, const floatb products[PRODUCTS][PITCH], int pair, int first, int count,
                               int tiles, int tile_rows, int tile_columns, long y_image, int out_blocks, int out_h,
                               int out_w, global const float *bias, global const float *residual, float alpha,
                               float beta)
{
    for (int side = 0; side < 2; side++) {
        const int block = pair * 2 + side;
        if (block >= out_blocks)
            break;
        for (int i = 0; i < count && first + i < tiles; i++) {
            const place at = find_tile(first + i, tile_rows, tile_columns);
            const size_t pixel = (((size_t)block * out_h + at.h) * out_w + at.w) * BLOCK;
            const size_t image = (size_t)out_blocks * out_h * out_w * BLOCK;
            finish_tile(y + at.image * y_image + pixel, products[0] + (i / TILES * 2 + side) * TILES + i % TILES,
                        out_h - at.h, out_w - at.w, out_w, load_block(block, bias),
                        residual ? residual + at.image * image + pixel : residual, alpha, beta);
        }
    }
}

#ifndef FUSED

/* products[36][] of `count` groups: v and w begin with the first group's and the first channel's. */
static inline void multiply_all(floatb products[PRODUCTS][PITCH], global const float *v, global const weight_float *w,
                                int count, int in_blocks)
{
    floatb u[2 * 6 * COLUMN_VECTORS];
    for (int p = 0; p < PRODUCTS; p++)
        for (int i = 0; i < count * 2 * TILES; i++)
            products[p][i] = 0.0f;
    /* For few tiles weights take longer to read than to use: the less of them at a time, the more it overlaps. */
    const int span = min(SPAN, count * (16 / BLOCK));
    for (int from = 0; from < in_blocks; from += span) {
        const int blocks = min(span, in_blocks - from);
        for (int pair = 0; pair < 3; pair++) {
            constant const int *rows = row_pairs[pair];
            transform_weights(u, w + from * BLOCK * FILTER_FLOATS, blocks * BLOCK, rows);
            for (int i = 0; i < 2; i++)
                multiply_row(products[rows[i] * 6], v + from * GROUP_FLOATS(1) + rows[i] * ROW_FLOATS,
                             GROUP_FLOATS(in_blocks), u + i * 6 * COLUMN_VECTORS, blocks, count);
        }
    }
}

/* y from v of the groups [first_group, first_group + groups) and from w. Image i begins at
 * y[y_offset + i * y_image]; the residual may be y itself. Piece (pair of output blocks, `step` groups). */
kernel void winograd_output(global float *y, global const float *restrict v, global const weight_float *restrict w,
                            global const float *restrict bias, global const float *residual, float alpha, float beta,
                            long y_offset, long y_image, int first_group, int groups, int step, int tiles,
                            int tile_rows, int tile_columns, int in_blocks, int out_blocks, int out_h, int out_w,
                            PIECES)
{
    floatb products[PRODUCTS][PITCH];
    const size_t group_floats = GROUP_FLOATS(in_blocks);
    const size_t pair_floats = (size_t)in_blocks * BLOCK * FILTER_FLOATS;
    FOR_EACH_PIECE(piece)
    {
        const int first = piece.y * step, count = min(step, groups - first);
        multiply_all(products, v + first * group_floats, w + piece.x * pair_floats, count, in_blocks);
        finish_pair(y + y_offset, products, piece.x, (first_group + first) * TILES, count * TILES, tiles, tile_rows,
                    tile_columns, y_image, out_blocks, out_h, out_w, bias, residual, alpha, beta);
    }
}

#else

/* y from x and u. Image i begins at y[y_offset + i * y_image]; the residual may be y itself. Piece (group). */
kernel void winograd_fused(global float *y, global const float *restrict x, global const float *restrict weights,
                           global const float *restrict bias, global const float *residual, float alpha, float beta,
                           long y_offset, long y_image, int tiles, int tile_rows, int tile_columns, int in_blocks,
                           int out_blocks, int in_h, int in_w, int out_h, int out_w, int pad_h, int pad_w, PIECES)
{
    floatb products[PRODUCTS][PITCH], v[PRODUCTS * (MOST_BLOCKS * TILES + 1)];
    const int pitch = in_blocks * TILES + 1;
    FOR_EACH_PIECE(piece)
    {
        const int first = piece.x * TILES;
        for (int t = 0; t < TILES; t++) {
            const place at = find_tile(min(first + t, tiles - 1), tile_rows, tile_columns);
            for (int block = 0; block < in_blocks; block++)
                transform_window(v + block * TILES + t, pitch,
                                 x + ((size_t)at.image * in_blocks + block) * in_h * in_w * BLOCK, at.h - pad_h,
                                 at.w - pad_w, in_h, in_w);
        }
        global const floatb *u = (global const floatb *)weights;
        for (int pair = 0; pair < (out_blocks + 1) / 2; pair++) {
            for (int p = 0; p < PRODUCTS; p++, u += in_blocks * BLOCK * 2)
                multiply(products[p], (const float *)(v + p * pitch), u, in_blocks);
            finish_pair(y + y_offset, products, pair, first, TILES, tiles, tile_rows, tile_columns, y_image, out_blocks,
                        out_h, out_w, bias, residual, alpha, beta);
        }
    }
}

#endif
#endif
