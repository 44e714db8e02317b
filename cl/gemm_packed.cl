/* Matrix products from operands that were packed into panels: what CPUs are fast at.
 *
 * A panel of op(A) holds ROWS rows as [depth][ROWS], a panel of op(B) COLUMNS columns as [depth][COLUMNS]; the last one
 * is filled up with zeros. The inner loop then reads both from end to end: two vectors of op(B), and a scalar of op(A)
 * for each row of the tile, which stays in registers.
 *
 * WIDTH: the device's vector width in floats: 4, 8, 16. ROWS: rows of a tile, as many as leave three registers of the
 * device's free. Work-items are meant to be groups of their own. Offsets and strides are in elements. */
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

/* Packing: a lane is a row of op(A) or a column of op(B), `width` of them make a panel, element p of it goes to
 * packed[packed_offset + panel * panel_stride + p * width + lane].
 *
 * Where a lane's elements lie side by side: (lane, p) is at from[offset + lane * stride + p]. Work-items: [panels]. */
kernel void pack_along(global float *packed, long packed_offset, long panel_stride, int width, global const float *from,
                       long offset, long stride, int lanes, int depth)
{
    const int first = (int)get_global_id(0) * width;
    packed += packed_offset + get_global_id(0) * panel_stride;
    from += offset + first * stride;
    for (int lane = 0; lane < width; lane++)
        for (int p = 0; p < depth; p++)
            packed[p * width + lane] = first + lane < lanes ? from[lane * stride + p] : 0.0f;
}

/* Elements first to first + width - 1 of a row; zeros where it has ended. */
inline void copy_lanes(global float *packed, global const float *from, int width, int first, int lanes)
{
    if (width == COLUMNS && first + COLUMNS <= lanes) {
        store(load(0, from + first), 0, packed);
        store(load(1, from + first), 1, packed);
        return;
    }
    for (int lane = 0; lane < width; lane++)
        packed[lane] = first + lane < lanes ? from[first + lane] : 0.0f;
}

/* Where lanes lie side by side: (lane, p) is at from[offset + p * stride + lane]. Work-items: [ceil(depth / rows)]; each
 * takes `rows` of p and goes through all panels, so that it reads from end to end. */
kernel void pack_across(global float *packed, long packed_offset, long panel_stride, int width,
                        global const float *from, long offset, long stride, int lanes, int depth, int rows)
{
    const int start = (int)get_global_id(0) * rows;
    const int end = min(start + rows, depth);
    packed += packed_offset;
    from += offset;
    for (int first = 0; first < lanes; first += width, packed += panel_stride)
        for (int p = start; p < end; p++)
            copy_lanes(packed + p * width, from + p * stride, width, first, lanes);
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
 * a: panels of `depth` steps. b: panels of which `depth` steps from b_offset on are used, b_panel elements apart.
 * Work-items: [panels of op(B), ceil(m / rows)]; each goes through the tiles of `rows` (a multiple of ROWS) rows of C, so
 * that its part of a panel of op(B) stays in the first-level cache and the rows of op(A) in the second. */
kernel void gemm_packed(int m, int n, int depth, float alpha, global const float *a, global const float *b,
                        long b_offset, long b_panel, float beta, global float *c, long c_offset, long c_stride,
                        int rows)
{
    const int column = (int)get_global_id(0) * COLUMNS;
    const int start = (int)get_global_id(1) * rows;
    const int end = min(start + rows, m);
    b += b_offset + get_global_id(0) * b_panel;
    c += c_offset + column;
    for (int row = start; row < end; row += ROWS) {
        vector sum[ROWS][2];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            sum[i][0] = sum[i][1] = 0.0f;
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
