/* gemm: C = alpha * op(A) op(B) + beta * C, float32, row-major.
 *
 * op(A) is [m, k], op(B) is [k, n], C is [m, n]; offsets and strides (from row to row as stored) in elements. m and n of
 * 1 and more, k of 0 and more. C is not read where beta is 0, so NaN in it does not spread.
 * TRANSPOSE_A, TRANSPOSE_B: 1 where the matrix is stored as [k, m] or [n, k].
 *
 * Work-items: [ceil(n / TILE_N), ceil(m / TILE_M)]; each computes TILE_M x TILE_N elements of C in registers. At the
 * edges rows and columns outside the matrix are replaced by the last one inside, and what comes of them is not stored. */
#ifndef TRANSPOSE_A
#define TRANSPOSE_A 0
#endif
#ifndef TRANSPOSE_B
#define TRANSPOSE_B 0
#endif

#define TILE_M 8
#define TILE_N 8 /* the width of float8 */

/* Elements of row p of op(B) from `column` on, one by one; `last` is the last column there is. */
inline float8 gather_b(global const float *b, long stride, int p, int column, int last)
{
    float values[TILE_N];
    for (int i = 0; i < TILE_N; i++) {
        const int inside = min(column + i, last);
        values[i] = TRANSPOSE_B ? b[inside * stride + p] : b[p * stride + inside];
    }
    return vload8(0, values);
}

/* sum[i] += element (i, p) of op(A) * across, where rows[i] points to element (i, 0). */
inline void accumulate(float8 sum[TILE_M], global const float *const rows[TILE_M], long offset, float8 across)
{
    for (int i = 0; i < TILE_M; i++)
        sum[i] = mad((float8)rows[i][offset], across, sum[i]);
}

/* One row of the tile: `count` elements of it lie inside C. */
inline void store_row(global float *c, float8 sum, int count, float beta)
{
    float values[TILE_N];
    vstore8(sum, 0, values);
    for (int i = 0; i < count; i++)
        c[i] = beta == 0.0f ? values[i] : values[i] + beta * c[i];
}

kernel void gemm(int m, int n, int k, float alpha, global const float *a, long a_offset, long a_stride,
                 global const float *b, long b_offset, long b_stride, float beta, global float *c, long c_offset,
                 long c_stride)
{
    const int column = (int)get_global_id(0) * TILE_N;
    const int row = (int)get_global_id(1) * TILE_M;
    const long a_step = TRANSPOSE_A ? a_stride : 1;
    global const float *rows[TILE_M];
    float8 sum[TILE_M];
    for (int i = 0; i < TILE_M; i++) {
        rows[i] = a + a_offset + min(row + i, m - 1) * (TRANSPOSE_A ? 1 : a_stride);
        sum[i] = 0.0f;
    }
    b += b_offset;
    if (!TRANSPOSE_B && column + TILE_N <= n)
        for (int p = 0; p < k; p++)
            accumulate(sum, rows, p * a_step, vload8(0, b + p * b_stride + column));
    else
        for (int p = 0; p < k; p++)
            accumulate(sum, rows, p * a_step, gather_b(b, b_stride, p, column, n - 1));
    c += c_offset + row * c_stride + column;
    for (int i = 0; i < min(TILE_M, m - row); i++)
        store_row(c + i * c_stride, alpha * sum[i], min(TILE_N, n - column), beta);
}
