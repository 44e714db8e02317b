/* gemm: C = alpha * op(A) op(B) + beta * C, float32, row-major.
 *
 * op(A) is [m, k], op(B) is [k, n], C is [m, n]; offsets and strides (from row to row as stored) in elements. All sizes
 * from 0 are allowed. C is not read where beta is 0, so NaN in it does not spread.
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

#define TILE_M 4
#define TILE_N 8

inline float load_a(global const float *a, long stride, int row, int p)
{
    return TRANSPOSE_A ? a[p * stride + row] : a[row * stride + p];
}

inline float load_b(global const float *b, long stride, int p, int column)
{
    return TRANSPOSE_B ? b[column * stride + p] : b[p * stride + column];
}

inline float8 load_b_row(global const float *b, long stride, int p, int column, int n)
{
    if (!TRANSPOSE_B && column + TILE_N <= n)
        return vload8(0, b + p * stride + column);
    const int last = n - 1;
    return (float8)(load_b(b, stride, p, column), load_b(b, stride, p, min(column + 1, last)),
                    load_b(b, stride, p, min(column + 2, last)), load_b(b, stride, p, min(column + 3, last)),
                    load_b(b, stride, p, min(column + 4, last)), load_b(b, stride, p, min(column + 5, last)),
                    load_b(b, stride, p, min(column + 6, last)), load_b(b, stride, p, min(column + 7, last)));
}

/* One row of the tile: `count` elements of it lie inside C. */
inline void store_row(global float *c, float8 sum, int count, float alpha, float beta)
{
    float values[TILE_N];
    vstore8(alpha * sum, 0, values);
    for (int i = 0; i < count; i++)
        c[i] = beta == 0.0f ? values[i] : values[i] + beta * c[i];
}

kernel void gemm(int m, int n, int k, float alpha, global const float *a, long a_offset, long a_stride,
                 global const float *b, long b_offset, long b_stride, float beta, global float *c, long c_offset,
                 long c_stride)
{
    const int column = (int)get_global_id(0) * TILE_N;
    const int row = (int)get_global_id(1) * TILE_M;
    const int last = m - 1;
    float8 sum0 = 0.0f, sum1 = 0.0f, sum2 = 0.0f, sum3 = 0.0f;
    a += a_offset;
    b += b_offset;
    for (int p = 0; p < k; p++) {
        const float8 across = load_b_row(b, b_stride, p, column, n);
        sum0 = mad((float8)load_a(a, a_stride, row, p), across, sum0);
        sum1 = mad((float8)load_a(a, a_stride, min(row + 1, last), p), across, sum1);
        sum2 = mad((float8)load_a(a, a_stride, min(row + 2, last), p), across, sum2);
        sum3 = mad((float8)load_a(a, a_stride, min(row + 3, last), p), across, sum3);
    }
    const int count = min(TILE_N, n - column);
    c += c_offset + row * c_stride + column;
    store_row(c, sum0, count, alpha, beta);
    if (row + 1 < m)
        store_row(c + c_stride, sum1, count, alpha, beta);
    if (row + 2 < m)
        store_row(c + 2 * c_stride, sum2, count, alpha, beta);
    if (row + 3 < m)
        store_row(c + 3 * c_stride, sum3, count, alpha, beta);
}
