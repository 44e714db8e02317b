/* Matrix products from operands that were packed into panels: what CPUs are fast at.
 *
 * A panel of op(A) holds ROWS rows as [depth][ROWS], a panel of op(B) COLUMNS columns as [depth][COLUMNS]; the last one
 * is filled up with zeros. The inner loop then reads both from end to end: two vectors of op(B), and a scalar of op(A)
 * for each row of the tile, which stays in registers.
 *
 * WIDTH: the device's vector width in floats: 4, 8, 16. ROWS: rows of a tile, as many as leave three registers of the
 * device's free; even where op(A) is packed. Work-items are meant to be groups of their own. Offsets and strides are in
 * elements. */
#ifndef WIDTH
#define WIDTH 4
#endif
#ifndef ROWS
#define ROWS 8
#endif
#define COLUMNS (2 * WIDTH)

#define JOIN_TEXT(a, b) a##b
#define JOIN(a, b)      JOIN_TEXT(a, b)
#define vector          JOIN(float, WIDTH)
#define load            JOIN(vload, WIDTH)
#define store           JOIN(vstore, WIDTH)

/* Asks for the cache line at an address, which may lie behind the end of the buffer. OpenCL's own prefetch() does
 * nothing in PoCL. */
#define FETCH(address)
#if defined(__x86_64__) || defined(__aarch64__)
#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch)
#undef FETCH
#define FETCH(address) __builtin_prefetch(address)
#endif
#endif
#endif

/* One panel of `width` lanes, an even number, of which `lanes` exist, where a lane's elements lie side by side. */
inline void pack_panel(global float *packed, global const float *from, long stride, int width, int lanes, int depth)
{
    int p = 0;
    if (lanes == width)
        for (; p + 4 <= depth; p += 4, packed += 4 * width)
#pragma unroll
            for (int lane = 0; lane < width; lane += 2) {
                const float4 x = vload4(0, from + lane * stride + p), y = vload4(0, from + (lane + 1) * stride + p);
                vstore2((float2)(x.s0, y.s0), 0, packed + lane);
                vstore2((float2)(x.s1, y.s1), 0, packed + lane + width);
                vstore2((float2)(x.s2, y.s2), 0, packed + lane + 2 * width);
                vstore2((float2)(x.s3, y.s3), 0, packed + lane + 3 * width);
            }
    for (; p < depth; p++, packed += width)
        for (int lane = 0; lane < width; lane++)
            packed[lane] = lane < lanes ? from[lane * stride + p] : 0.0f;
}

/* Packing: a lane is a row of op(A) or a column of op(B), `width` (ROWS or COLUMNS) of them make a panel, element p of
 * it goes to packed[packed_offset + panel * panel_stride + p * width + lane].
 *
 * Where a lane's elements lie side by side: (lane, p) is at from[offset + lane * stride + p]. Work-items: [panels]. */
kernel void pack_along(global float *packed, long packed_offset, long panel_stride, int width, global const float *from,
                       long offset, long stride, int lanes, int depth)
{
    const int first = (int)get_global_id(0) * width;
    packed += packed_offset + get_global_id(0) * panel_stride;
    from += offset + first * stride;
    if (width == ROWS)
        pack_panel(packed, from, stride, ROWS, min(ROWS, lanes - first), depth);
    else
        pack_panel(packed, from, stride, COLUMNS, min(COLUMNS, lanes - first), depth);
}

/* Elements first to first + width - 1 of rows [start, end); zeros where a row has ended. */
inline void pack_rows(global float *packed, global const float *from, long stride, int width, int first, int lanes,
                      int start, int end)
{
    for (int p = start; p < end; p++)
        if (first + width <= lanes)
#pragma unroll
            for (int lane = 0; lane < width; lane += 2)
                vstore2(vload2(0, from + p * stride + first + lane), 0, packed + p * width + lane);
        else
            for (int lane = 0; lane < width; lane++)
                packed[p * width + lane] = first + lane < lanes ? from[p * stride + first + lane] : 0.0f;
}

/* Where lanes lie side by side: (lane, p) is at from[offset + p * stride + lane]. Work-items: [ceil(depth / rows)];
 * each takes `rows` of p and goes through all panels, so that it reads from end to end. */
kernel void pack_across(global float *packed, long packed_offset, long panel_stride, int width,
                        global const float *from, long offset, long stride, int lanes, int depth, int rows)
{
    const int start = (int)get_global_id(0) * rows;
    const int end = min(start + rows, depth);
    packed += packed_offset;
    from += offset;
    for (int first = 0; first < lanes; first += width, packed += panel_stride)
        if (width == ROWS)
            pack_rows(packed, from, stride, ROWS, first, lanes, start, end);
        else
            pack_rows(packed, from, stride, COLUMNS, first, lanes, start, end);
}

/* sum += a tile's product of `depth` steps. */
inline void accumulate(vector sum[ROWS][2], global const float *a, global const float *b, int depth)
{
    for (int p = 0; p < depth; p++, a += ROWS, b += COLUMNS) {
        const vector left = load(0, b), right = load(1, b);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            sum[i][0] = fma((vector)(a[i]), left, sum[i][0]);
            sum[i][1] = fma((vector)(a[i]), right, sum[i][1]);
        }
    }
}

/* A row of a tile to C, of which `count` columns exist. */
inline void store_part(global float *c, const vector sum[2], int count, float alpha, float beta)
{
    float values[COLUMNS];
    store(alpha * sum[0], 0, values);
    store(alpha * sum[1], 1, values);
    for (int i = 0; i < count; i++)
        c[i] = beta == 0.0f ? values[i] : values[i] + beta * c[i];
}

inline void store_row(global float *c, const vector sum[2], float alpha, float beta)
{
    for (int i = 0; i < 2; i++)
        store(beta == 0.0f ? alpha * sum[i] : alpha * sum[i] + beta * load(i, c), i, c);
}

/* C = alpha * A B + beta * C over `depth` steps of the products; C is not read where beta is 0.
 *
 * a, b: panels of `depth` steps, those of b b_panel elements apart.
 * Work-items: [panels of op(B), ceil(m / rows)]; each goes through the tiles of `rows` (a multiple of ROWS) rows of C,
 * so that its panel of op(B) stays close to the core and the rows of op(A) in the second-level cache. */
kernel void gemm_packed(int m, int n, int depth, float alpha, global const float *a, global const float *b,
                        long b_panel, float beta, global float *c, long c_offset, long c_stride, int rows)
{
    const int column = (int)get_global_id(0) * COLUMNS;
    const int start = (int)get_global_id(1) * rows;
    const int end = min(start + rows, m);
    b += get_global_id(0) * b_panel;
    c += c_offset + column;
    for (int row = start; row < end; row += ROWS) {
        vector sum[ROWS][2];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            FETCH(c + (row + i) * c_stride);
            FETCH(c + (row + i) * c_stride + COLUMNS - 1);
            sum[i][0] = sum[i][1] = 0.0f;
        }
        accumulate(sum, a + (long)row * depth, b, depth);
        if (row + ROWS <= end && column + COLUMNS <= n) {
#pragma unroll
            for (int i = 0; i < ROWS; i++)
                store_row(c + (row + i) * c_stride, sum[i], alpha, beta);
        } else {
#pragma unroll
            for (int i = 0; i < ROWS; i++)
                if (row + i < end)
                    store_part(c + (row + i) * c_stride, sum[i], min(COLUMNS, n - column), alpha, beta);
        }
    }
}

/* A few rows of a product at a time, op(A) as it stands, for weights that are to be read once from memory. */
#define MOST_ROWS 64
/* Steps at a time, for which a panel stays in the first-level cache while tile after tile of rows uses it. */
#define STEPS (4096 / COLUMNS)
/* Sums of their own for every so many steps, so that there are enough of them to hide how long one addition takes. */
#define SUMS (ROWS == 1 ? 4 : ROWS <= 3 ? 2 : 1)

/* sums (+)= the products' steps [start, end) of ROWS rows of A from `row` on, behind the last of them that one again.
 * Meanwhile gets what is needed next: `pace` elements from `next` on for every step. */
inline void add_rows(float *sums, global const float *a, global const float *b, int row, int last, int k, int start,
                     int end, global const float *next, int pace)
{
    global const float *rows[ROWS];
    vector sum[ROWS][SUMS][2];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        rows[i] = a + (long)min(row + i, last) * k;
#pragma unroll
        for (int j = 0; j < SUMS; j++) {
            sum[i][j][0] = start && j == 0 ? load(2 * i, sums) : 0.0f;
            sum[i][j][1] = start && j == 0 ? load(2 * i + 1, sums) : 0.0f;
        }
    }
    int p = start;
    for (; p + SUMS <= end; p += SUMS)
#pragma unroll
        for (int j = 0; j < SUMS; j++) {
            const vector left = load(2 * (p + j), b), right = load(2 * (p + j) + 1, b);
            FETCH(next + (p + j - start) * pace);
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                sum[i][j][0] = fma((vector)(rows[i][p + j]), left, sum[i][j][0]);
                sum[i][j][1] = fma((vector)(rows[i][p + j]), right, sum[i][j][1]);
            }
        }
    for (; p < end; p++)
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            sum[i][0][0] = fma((vector)(rows[i][p]), load(2 * p, b), sum[i][0][0]);
            sum[i][0][1] = fma((vector)(rows[i][p]), load(2 * p + 1, b), sum[i][0][1]);
        }
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int side = 0; side < 2; side++) {
            vector whole = sum[i][0][side];
#pragma unroll
            for (int j = 1; j < SUMS; j++)
                whole += sum[i][j][side];
            store(whole, 2 * i + side, sums);
        }
}

/* Rows [first, end), at most MOST_ROWS, of y = activation(scale * A B + bias_scale * bias), A [m, k], B in panels of k
 * steps, y [m, n]. The bias at (row, column) is bias[row * bias_row + column * bias_column]; BIAS is defined where
 * there is one. ACTIVATION: see common.clh. Work-items: [panels]. */
kernel void gemm_rows(int first, int end, int n, int k, float scale, global const float *a, global const float *b,
                      global const float *bias, long bias_row, long bias_column, float bias_scale, float alpha,
                      float beta, global float *y)
{
    const int column = (int)get_global_id(0) * COLUMNS;
    const int tiles = (end - first + ROWS - 1) / ROWS;
    const int steps = tiles > 1 ? STEPS : k, ahead = tiles > 1 ? STEPS : 64;
    const int pace = COLUMNS / tiles;
    float sums[(MOST_ROWS + ROWS) * COLUMNS];
    b += (long)column * k;
    for (int start = 0; start < k; start += steps)
        for (int row = first; row < end; row += ROWS)
            add_rows(sums + (row - first) * COLUMNS, a, b, row, end - 1, k, start, min(start + steps, k),
                     b + (start + ahead) * COLUMNS + (row - first) / ROWS * pace * STEPS, pace);
    for (int row = first; row < end; row++)
        for (int i = 0; i < min(COLUMNS, n - column); i++) {
            float value = scale * sums[(row - first) * COLUMNS + i];
#ifdef BIAS
            value += bias_scale * bias[row * bias_row + (column + i) * bias_column];
#endif
            y[(long)row * n + column + i] = activate(value, alpha, beta);
        }
}
