/* gemm_dot: C = alpha * A B^T + beta * C, float32, row-major, for few rows or columns: A [m, k] and B [n, k] are read
 * as they stand, as vectors along k.
 *
 * Offsets and strides (from row to row as stored) in elements; m, n, k of 1 and more. C is not read where beta is 0.
 * WIDTH: the device's vector width in floats: 4, 8, 16. TILE_M, TILE_N: elements of C that a work-item sums up at a
 * time, each in a vector of its own. Work-items: [ceil(n / TILE_N), ceil(m / rows)]; each goes through the tiles of
 * `rows` (a multiple of TILE_M) rows of C. At the edges rows of A and B behind the last are replaced by that one. */
#ifndef WIDTH
#define WIDTH 4
#endif
#ifndef TILE_M
#define TILE_M 4
#endif
#ifndef TILE_N
#define TILE_N 2
#endif

#define JOIN_TEXT(a, b) a##b
#define JOIN(a, b)      JOIN_TEXT(a, b)
#define vector          JOIN(float, WIDTH)
#define load            JOIN(vload, WIDTH)

inline float sum_of(vector v)
{
#if WIDTH == 16
    const float8 half_sum = v.lo + v.hi;
    return dot(half_sum.lo + half_sum.hi, (float4)(1.0f));
#elif WIDTH == 8
    return dot(v.lo + v.hi, (float4)(1.0f));
#else
    return dot(v, (float4)(1.0f));
#endif
}

kernel void gemm_dot(int m, int n, int k, float alpha, global const float *a, long a_offset, long a_stride,
                     global const float *b, long b_offset, long b_stride, float beta, global float *c, long c_offset,
                     long c_stride, int rows)
{
    const int column = (int)get_global_id(0) * TILE_N;
    const int start = (int)get_global_id(1) * rows;
    const int end = min(start + rows, m);
    global const float *from_b[TILE_N];
#pragma unroll
    for (int j = 0; j < TILE_N; j++)
        from_b[j] = b + b_offset + min(column + j, n - 1) * b_stride;
    for (int row = start; row < end; row += TILE_M) {
        vector sum[TILE_M][TILE_N];
        global const float *from_a[TILE_M];
#pragma unroll
        for (int i = 0; i < TILE_M; i++) {
            from_a[i] = a + a_offset + min(row + i, m - 1) * a_stride;
#pragma unroll
            for (int j = 0; j < TILE_N; j++)
                sum[i][j] = 0.0f;
        }
        int p = 0;
        for (; p + WIDTH <= k; p += WIDTH) {
            vector across[TILE_N];
#pragma unroll
            for (int j = 0; j < TILE_N; j++)
                across[j] = load(0, from_b[j] + p);
#pragma unroll
            for (int i = 0; i < TILE_M; i++) {
                const vector along = load(0, from_a[i] + p);
#pragma unroll
                for (int j = 0; j < TILE_N; j++)
                    sum[i][j] = fma(along, across[j], sum[i][j]);
            }
        }
#pragma unroll
        for (int i = 0; i < TILE_M; i++)
#pragma unroll
            for (int j = 0; j < TILE_N; j++) {
                float value = sum_of(sum[i][j]);
                for (int rest = p; rest < k; rest++)
                    value = fma(from_a[i][rest], from_b[j][rest], value);
                if (row + i < end && column + j < n) {
                    const long at = c_offset + (row + i) * c_stride + column + j;
                    c[at] = beta == 0.0f ? alpha * value : alpha * value + beta * c[at];
                }
            }
    }
}
