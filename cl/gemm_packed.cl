/* Matrix products from operands that were packed into panels: what CPUs are fast at.
 *
 * A panel of op(A) holds ROWS rows as [depth][ROWS], a panel of op(B) COLUMNS columns as [depth][COLUMNS]; the last one
 * is filled up with zeros. The inner loop then reads both from end to end: two vectors of op(B), and a scalar of op(A)
 * for each row of the tile, which stays in registers.
 *
 * BLOCK: the device's vector width in floats: 4, 8, 16. ROWS: rows of a tile, as many as leave three registers of the
 * device's free; even where op(A) is packed. Work-items are meant to be groups of their own. Offsets and strides are in
 * elements. */
#ifndef ROWS
#define ROWS 8
#endif
#define COLUMNS (2 * BLOCK)

/* HALVES: panels hold 16-bit floats, which core OpenCL can load and store wherever arithmetic with them is missing. For
 * weights that are bound by how fast they are read. Sums are of floats. */
#ifdef HALVES
typedef half packed_float;
#define load_packed              JOIN(vload_half, BLOCK)
#define store_packed             JOIN(vstore_half, BLOCK)
#define store_packed2            vstore_half2
#define store_packed4            vstore_half4
#define store_packed1(x, packed) vstore_half(x, 0, packed)
#else
typedef float packed_float;
#define load_packed              load_block
#define store_packed             store_block
#define store_packed2            vstore2
#define store_packed4            vstore4
#define store_packed1(x, packed) *(packed) = (x)
#endif

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

/* Packing: a lane is a row of op(A) or a column of op(B), `width` (ROWS or COLUMNS) of them make a panel, element p of
 * it goes to packed[packed_offset + panel * panel_stride + p * width + lane].
 *
 * Of op(B), where a lane's elements lie side by side: (lane, p) is at from[offset + lane * stride + p]. Work-items:
 * [panels]; each transposes four lanes by four elements at a time. */
kernel void pack_along(global packed_float *packed, long packed_offset, long panel_stride, global const float *from,
                       long offset, long stride, int lanes, int depth)
{
    const int first = (int)get_global_id(0) * COLUMNS;
    int p = 0;
    packed += packed_offset + get_global_id(0) * panel_stride;
    from += offset + first * stride;
    if (first + COLUMNS <= lanes)
        for (; p + 4 <= depth; p += 4, packed += 4 * COLUMNS)
#pragma unroll
            for (int lane = 0; lane < COLUMNS; lane += 4) {
                global const float *corner = from + lane * stride + p;
                const float4 x = vload4(0, corner), y = vload4(0, corner + stride);
                const float4 z = vload4(0, corner + 2 * stride), w = vload4(0, corner + 3 * stride);
                store_packed4((float4)(x.s0, y.s0, z.s0, w.s0), 0, packed + lane);
                store_packed4((float4)(x.s1, y.s1, z.s1, w.s1), 0, packed + lane + COLUMNS);
                store_packed4((float4)(x.s2, y.s2, z.s2, w.s2), 0, packed + lane + 2 * COLUMNS);
                store_packed4((float4)(x.s3, y.s3, z.s3, w.s3), 0, packed + lane + 3 * COLUMNS);
            }
    for (; p < depth; p++, packed += COLUMNS)
        for (int lane = 0; lane < COLUMNS; lane++)
            store_packed1(first + lane < lanes ? from[lane * stride + p] : 0.0f, packed + lane);
}

/* Elements first to first + width - 1 of rows [start, end); zeros where a row has ended. */
inline void pack_rows(global packed_float *packed, global const float *from, long stride, int width, int first,
                      int lanes, int start, int end)
{
    for (int p = start; p < end; p++)
        if (first + width <= lanes && width % 4)
#pragma unroll
            for (int lane = 0; lane < width; lane += 2)
                store_packed2(vload2(0, from + p * stride + first + lane), 0, packed + p * width + lane);
        else if (first + width <= lanes)
#pragma unroll
            for (int lane = 0; lane < width; lane += width % BLOCK ? 4 : BLOCK)
                if (width % BLOCK)
                    store_packed4(vload4(0, from + p * stride + first + lane), 0, packed + p * width + lane);
                else
                    store_packed(load_block(0, from + p * stride + first + lane), 0, packed + p * width + lane);
        else
            for (int lane = 0; lane < width; lane++)
                store_packed1(first + lane < lanes ? from[p * stride + first + lane] : 0.0f, packed + p * width + lane);
}

/* Where lanes lie side by side: (lane, p) is at from[offset + p * stride + lane]. Work-items: [ceil(depth / rows)];
 * each takes `rows` of p and goes through all panels, so that it reads from end to end. */
kernel void pack_across(global packed_float *packed, long packed_offset, long panel_stride, int width,
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

/* Steps of op(B) that are asked for before they are needed. */
#define AHEAD 12

/* Where PANELS is defined op(B) is packed and op(A) stored in rows: what the compiler knows of the steps makes the
 * inner loop a little faster. */
#ifdef PANELS
#define A_STEP 1
#define B_STEP COLUMNS
#define RIGHT  BLOCK
#else
#define A_STEP a_step
#define B_STEP b_step
#define RIGHT  (BLOCK + left_back - right_back)
#endif

/* sum += one step of a tile's product; row i of op(A) is at rows[i][p], the right vector of op(B) at b + right. */
inline void add_step(floatb sum[ROWS][2], global const float *const rows[ROWS], long p, global const packed_float *b,
                     int right, long b_step)
{
    const floatb x = load_packed(0, b), y = load_packed(0, b + right);
    FETCH(b + AHEAD * b_step);
    FETCH(b + AHEAD * b_step + COLUMNS - 1);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = fma((floatb)(rows[i][p]), x, sum[i][0]);
        sum[i][1] = fma((floatb)(rows[i][p]), y, sum[i][1]);
    }
}

/* All steps of a tile. Two at a time: with four and more some compilers (LLVM 14) run out of registers, and all of them
 * in a function that gets the sums by pointer. */
#define ADD_STEPS(sum, at, b, depth)                                                                                   \
    {                                                                                                                  \
        global const packed_float *from = b;                                                                           \
        long p = 0;                                                                                                    \
        for (; p + 2 <= depth; p += 2, from += 2 * B_STEP) {                                                           \
            add_step(sum, at, p *A_STEP, from, RIGHT, B_STEP);                                                         \
            add_step(sum, at, (p + 1) * A_STEP, from + B_STEP, RIGHT, B_STEP);                                         \
        }                                                                                                              \
        if (p < depth)                                                                                                 \
            add_step(sum, at, p *A_STEP, from, RIGHT, B_STEP);                                                         \
    }

/* Of a row of a tile, which begins at `values`, `count` columns to C; its two vectors had to begin left_back and
 * right_back columns earlier. */
inline void store_part(global float *c, const float *values, int count, int left_back, int right_back, float beta)
{
    for (int i = 0; i < count; i++) {
        const float value = values[i + (i < BLOCK ? left_back : right_back)];
        c[i] = beta == 0.0f ? value : value + beta * c[i];
    }
}

inline void store_row(global float *c, const floatb sum[2], float alpha, float beta)
{
    for (int i = 0; i < 2; i++)
        store_block(beta == 0.0f ? alpha * sum[i] : alpha * sum[i] + beta * load_block(i, c), i, c);
}

/* C = alpha * A B + beta * C over `depth` steps of the products; C is not read where beta is 0.
 *
 * Element (i, p) of tile t of op(A) is at a[a_offset + t * a_tile + i * a_row + p * a_step]: op(A) as it is stored, in
 * either way, or in panels. Row p of op(B)'s columns from strip * COLUMNS on is at b[b_offset + strip * b_strip + p *
 * b_step]: panels, or op(B) as it is stored in rows; then b_columns, BLOCK at least, is how long the rows are. It is 0
 * for panels. At the edges rows behind the last are replaced by that one, and vectors that would reach behind the last
 * column begin earlier.
 * Work-items: [strips, ceil(m / rows)]; each goes through the tiles of `rows` (a multiple of ROWS) rows of C, so that
 * its strip of op(B) stays close to the core and the rows of op(A) in the second-level cache. */
kernel void gemm_packed(int m, int n, int depth, float alpha, global const float *a, long a_offset, long a_tile,
                        long a_row, long a_step, global const packed_float *b, long b_offset, long b_strip, long b_step,
                        int b_columns, float beta, global float *c, long c_offset, long c_stride, int rows)
{
    const int column = (int)get_global_id(0) * COLUMNS;
    const int start = (int)get_global_id(1) * rows;
    const int end = min(start + rows, m);
    const int left_back = b_columns ? max(column + BLOCK - b_columns, 0) : 0;
    const int right_back = b_columns ? max(column + COLUMNS - b_columns, 0) : 0;
    a += a_offset + start / ROWS * a_tile;
    b += b_offset + get_global_id(0) * b_strip - left_back;
    c += c_offset + column;
    for (int row = start; row < end; row += ROWS, a += a_tile) {
        floatb sum[ROWS][2];
        global const float *at[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            FETCH(c + (row + i) * c_stride);
            FETCH(c + (row + i) * c_stride + COLUMNS - 1);
            at[i] = a + min(i, m - 1 - row) * a_row;
            sum[i][0] = sum[i][1] = 0.0f;
        }
        ADD_STEPS(sum, at, b, depth)
        if (row + ROWS <= end && column + COLUMNS <= n) {
#pragma unroll
            for (int i = 0; i < ROWS; i++)
                store_row(c + (row + i) * c_stride, sum[i], alpha, beta);
        } else {
            float values[ROWS * COLUMNS];
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                store_block(alpha * sum[i][0], 2 * i, values);
                store_block(alpha * sum[i][1], 2 * i + 1, values);
            }
            for (int i = 0; i < min(ROWS, end - row); i++)
                store_part(c + (row + i) * c_stride, values + i * COLUMNS, min(COLUMNS, n - column), left_back,
                           right_back, beta);
        }
    }
}

/* How far a product with packed weights is, and what it becomes: y = activation(scale * A B + bias_scale * bias +
 * residual), y and residual [m, n]. The bias at (row, column) is bias[row * bias_row + column * bias_column],
 * bias_column 0 or 1. BIAS, RESIDUAL: defined where there is one; the pointer is not touched otherwise. ACTIVATION: see
 * common.clh. */
#define FINISH                                                                                                         \
    float scale, global const float *bias, long bias_row, long bias_column, float bias_scale,                          \
        global const float *residual, float alpha, float beta

/* The first `count` sums of a row of a tile to y, in place of what is there, or added to it. */
inline void store_sums(global float *y, const float *sums, int count, bool add)
{
    for (int i = 0; i < count; i += BLOCK) {
        const floatb sum = load_block(0, sums + i);
        store_some(add ? load_some(y + i, count - i) + sum : sum, y + i, count - i);
    }
}

/* The same for the last of the products' steps, with all that is to be done then. */
inline void finish_row(global float *y, const float *sums, int count, bool add, long at, long bias_at, FINISH)
{
    for (int i = 0; i < count; i += BLOCK) {
        floatb value = load_block(0, sums + i);
        value = scale * (add ? load_some(y + at + i, count - i) + value : value);
#ifdef BIAS
        value += bias_scale * (bias_column ? load_some(bias + bias_at + i, count - i) : (floatb)(bias[bias_at]));
#endif
#ifdef RESIDUAL
        value += load_some(residual + at + i, count - i);
#endif
        store_some(activate_v(value, alpha, beta), y + at + i, count - i);
    }
}

/* Many rows: y from A [m, k] and B in panels of k steps, of which this launch does `depth` from `first` on; y has the
 * sums of those before it, and is finished with the last. Work-items: as for gemm_packed. */
#ifdef PANELS
kernel void gemm_panels(int m, int n, int k, int first, int depth, global const float *a, global const packed_float *b,
                        FINISH, global float *y, int rows)
{
    const int column = (int)get_global_id(0) * COLUMNS, count = min(COLUMNS, n - column);
    const int start = (int)get_global_id(1) * rows;
    const int end = min(start + rows, m);
    b += (long)column * k + (long)first * COLUMNS;
    for (int row = start; row < end; row += ROWS) {
        floatb sum[ROWS][2];
        float sums[ROWS * COLUMNS];
        global const float *at[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const long y_at = (long)(row + i) * n + column;
            FETCH(y + y_at);
            FETCH(y + y_at + COLUMNS - 1);
#ifdef RESIDUAL
            FETCH(residual + y_at);
            FETCH(residual + y_at + COLUMNS - 1);
#endif
            at[i] = a + (long)min(row + i, m - 1) * k + first;
            sum[i][0] = sum[i][1] = 0.0f;
        }
        ADD_STEPS(sum, at, b, depth)
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            store_block(sum[i][0], 2 * i, sums);
            store_block(sum[i][1], 2 * i + 1, sums);
        }
        for (int i = 0; i < min(ROWS, end - row); i++) {
            const long y_at = (long)(row + i) * n + column;
            if (first + depth < k)
                store_sums(y + y_at, sums + i * COLUMNS, count, first > 0);
            else
                finish_row(y, sums + i * COLUMNS, count, first > 0, y_at, (row + i) * bias_row + column * bias_column,
                           scale, bias, bias_row, bias_column, bias_scale, residual, alpha, beta);
        }
    }
}
#endif

/* A few rows of a product at a time, op(A) as it stands, for weights that are to be read once from memory. */
#define MOST_ROWS 64
/* Steps at a time, for which a panel stays in the first-level cache while tile after tile of rows uses it. */
#define STEPS (4096 / COLUMNS)
/* Sums of their own for every so many steps, so that there are enough of them to hide how long one addition takes. */
#define SUMS (ROWS == 1 ? 4 : ROWS <= 3 ? 2 : 1)

/* sums (+)= the products' steps [start, end) of ROWS rows of A from `row` on, behind the last of them that one again.
 * Meanwhile gets what is needed next: `pace` elements from `next` on for every step. */
inline void add_rows(float *sums, global const float *a, global const packed_float *b, int row, int last, int k,
                     int start, int end, global const packed_float *next, int pace)
{
    global const float *rows[ROWS];
    floatb sum[ROWS][SUMS][2];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        rows[i] = a + (long)min(row + i, last) * k;
#pragma unroll
        for (int j = 0; j < SUMS; j++) {
            sum[i][j][0] = start && j == 0 ? load_block(2 * i, sums) : 0.0f;
            sum[i][j][1] = start && j == 0 ? load_block(2 * i + 1, sums) : 0.0f;
        }
    }
    int p = start;
    for (; p + SUMS <= end; p += SUMS)
#pragma unroll
        for (int j = 0; j < SUMS; j++) {
            const floatb left = load_packed(2 * (p + j), b), right = load_packed(2 * (p + j) + 1, b);
            FETCH(next + (p + j - start) * pace);
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                sum[i][j][0] = fma((floatb)(rows[i][p + j]), left, sum[i][j][0]);
                sum[i][j][1] = fma((floatb)(rows[i][p + j]), right, sum[i][j][1]);
            }
        }
    for (; p < end; p++)
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            sum[i][0][0] = fma((floatb)(rows[i][p]), load_packed(2 * p, b), sum[i][0][0]);
            sum[i][0][1] = fma((floatb)(rows[i][p]), load_packed(2 * p + 1, b), sum[i][0][1]);
        }
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int side = 0; side < 2; side++) {
            floatb whole = sum[i][0][side];
#pragma unroll
            for (int j = 1; j < SUMS; j++)
                whole += sum[i][j][side];
            store_block(whole, 2 * i + side, sums);
        }
}

/* Rows [first, end), at most MOST_ROWS, of y, from A [m, k] and B in panels of k steps. Work-items: [panels]. */
kernel void gemm_rows(int first, int end, int n, int k, global const float *a, global const packed_float *b, FINISH,
                      global float *y)
{
    const int column = (int)get_global_id(0) * COLUMNS, count = min(COLUMNS, n - column);
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
        finish_row(y, sums + (row - first) * COLUMNS, count, false, (long)row * n + column,
                   row * bias_row + column * bias_column, scale, bias, bias_row, bias_column, bias_scale, residual,
                   alpha, beta);
}
