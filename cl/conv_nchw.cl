/* Convolutions of row-major tensors and both of their gradients, for GPUs: matrix products in local memory whose right
 * operand is never written down. `taps` numbers an input channel of the group and a kernel position, channels first.
 *
 *   FORWARD  y[channel, pixel] = sum over taps of weight[channel, tap] * x[tap at pixel]
 *   DATA     dx[channel, element] = sum over output channels and kernel positions of weight * dy[what met the element]
 *   WEIGHTS  dweight[channel, tap] = sum over pixels of dy[channel, pixel] * x[tap at pixel]
 *
 * with the pixels and elements of all images one behind the other. A work-group of ITEMS_M x ITEMS_N work-items
 * computes ROWS x COLUMNS results; DEPTH terms at a time are brought into local memory, the next ones already on their
 * way in registers. A work-item sums up TILE_M x TILE_N results (multiples of 4) in quads that its neighbours' lie
 * between.
 *
 * Tensors have fewer than 2^31 elements. KERNEL_H, KERNEL_W, and for DATA STRIDE_H, STRIDE_W: constants, so that
 * divisions by them are cheap. QUADS: four results that follow each other in a row lie side by side, and aligned. */
#ifndef KERNEL_H
#define KERNEL_H 3
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_H
#define STRIDE_H 1
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif
#ifndef ITEMS_M
#define ITEMS_M 8
#endif
#ifndef ITEMS_N
#define ITEMS_N 16
#endif
#ifndef TILE_M
#define TILE_M 4
#endif
#ifndef TILE_N
#define TILE_N 4
#endif

#define DEPTH   16 /* as in conv_nchw.c */
#define ROWS    (ITEMS_M * TILE_M)
#define COLUMNS (ITEMS_N * TILE_N)
#define ITEMS   (ITEMS_M * ITEMS_N)
#define TAPS    (KERNEL_H * KERNEL_W)
#define OUTSIDE (1 << 30)

/* One quad more than there are, so that a tap's lines start in other banks. */
#define LEFT_LINE  (ROWS / 4 + 1)
#define RIGHT_LINE (COLUMNS / 4 + 1)

/* What a work-item brings of each operand: neighbours bring what lies side by side in memory. */
#define LEFT  (ROWS * DEPTH / ITEMS)
#define RIGHT (COLUMNS * DEPTH / ITEMS)
#if defined(DATA) && TAPS == 1
#define LEFT_ROW(i)  (item % ROWS)
#define LEFT_TERM(i) (item / ROWS + (i) * (ITEMS / ROWS))
#else
#define LEFT_ROW(i)  (item / DEPTH + (i) * (ITEMS / DEPTH))
#define LEFT_TERM(i) (item % DEPTH)
#endif
#ifdef WEIGHTS
#define RIGHT_COLUMN(i) (item / DEPTH + (i) * (ITEMS / DEPTH))
#define RIGHT_TERM(i)   (item % DEPTH)
#else
#define RIGHT_COLUMN(i) (item % COLUMNS)
#define RIGHT_TERM(i)   (item / COLUMNS + (i) * (ITEMS / COLUMNS))
#endif

/* A convolution of one group. */
typedef struct geometry {
    int in_h, in_w, out_h, out_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
    int in_channels, out_channels, group_in, group_out; /* the first two of all groups */
    int in_plane, out_plane;
} geometry;

/* Where the gathered tensor's group begins in an image, and where the window begins in it; for DATA, the element with
 * its padding. */
typedef struct window {
    int at, h, w;
} window;

static inline window find_window(const geometry *g, int group, int number, bool exists)
{
    window from;
#ifdef DATA
    const int place = number % g->in_plane;
    from.at = (number / g->in_plane * g->out_channels + group * g->group_out) * g->out_plane;
    from.h = place / g->in_w + g->pad_h;
    from.w = place % g->in_w + g->pad_w;
#else
    const int place = number % g->out_plane;
    from.at = (number / g->out_plane * g->in_channels + group * g->group_in) * g->in_plane;
    from.h = place / g->out_w * g->stride_h - g->pad_h;
    from.w = place % g->out_w * g->stride_w - g->pad_w;
#endif
    from.h = exists ? from.h : OUTSIDE;
    return from;
}

/* What a window meets at a tap; 0 outside, and between the pixels of a convolution with strides. */
static inline float gather(global const float *from, const geometry *g, window w, int tap, int taps)
{
    const int channel = tap / TAPS, row = tap % TAPS / KERNEL_W, column = tap % KERNEL_W;
#ifdef DATA
    const int up_h = w.h - row * g->dilation_h, up_w = w.w - column * g->dilation_w;
    const int at_h = up_h % STRIDE_H == 0 ? up_h / STRIDE_H : -1, at_w = up_w % STRIDE_W == 0 ? up_w / STRIDE_W : -1;
    const int height = g->out_h, width = g->out_w, plane = g->out_plane;
#else
    const int at_h = w.h + row * g->dilation_h, at_w = w.w + column * g->dilation_w;
    const int height = g->in_h, width = g->in_w, plane = g->in_plane;
#endif
    const bool inside = tap < taps && (uint)at_h < (uint)height && (uint)at_w < (uint)width;
    return inside ? from[w.at + channel * plane + at_h * width + at_w] : 0.0f;
}

/* Element (row, term) of the left operand. */
static inline float left_element(global const float *from, const geometry *g, int group, int row, int term, int depth)
{
#if defined(FORWARD)
    return from[(group * g->group_out + row) * depth + term];
#elif defined(DATA)
    return from[((group * g->group_out + term / TAPS) * g->group_in + row) * TAPS + term % TAPS];
#else
    return from[(term / g->out_plane * g->out_channels + group * g->group_out + row) * g->out_plane +
                term % g->out_plane];
#endif
}

/* Where the result (row, column) lies. */
static inline int result_at(const geometry *g, int group, int row, int column, int columns)
{
#if defined(FORWARD)
    return (column / g->out_plane * g->out_channels + group * g->group_out + row) * g->out_plane +
           column % g->out_plane;
#elif defined(DATA)
    return (column / g->in_plane * g->in_channels + group * g->group_in + row) * g->in_plane + column % g->in_plane;
#else
    return (group * g->group_out + row) * columns + column;
#endif
}

/* The end of a result, or of four. */
#define DEFINE_FINISH(name, type, ACTIVATE)                                                                            \
    static inline void name(global type *to, global const type *residual, type value, float bias, int add,             \
                            float alpha, float beta)                                                                   \
    {                                                                                                                  \
        FINISH(ACTIVATE)                                                                                               \
    }
#ifdef FORWARD
#ifdef RESIDUAL
#define ADD_RESIDUAL value += *residual
#else
#define ADD_RESIDUAL
#endif
#define FINISH(ACTIVATE)                                                                                               \
    value += bias;                                                                                                     \
    ADD_RESIDUAL;                                                                                                      \
    *to = ACTIVATE(value, alpha, beta);
#else
#define FINISH(ACTIVATE) *to = add ? *to + value : value;
#endif
#ifdef QUADS
static inline float4 activate_quad(float4 x, float alpha, float beta)
{
    return (float4)(activate(x.x, alpha, beta), activate(x.y, alpha, beta), activate(x.z, alpha, beta),
                    activate(x.w, alpha, beta));
}
DEFINE_FINISH(finish, float4, activate_quad)
#else
DEFINE_FINISH(finish, float, activate)
#endif

/* Terms t to t + DEPTH of the rows from first_row on, 0 behind the last row and `end`. */
static inline void fetch_left(float next[LEFT], global const float *from, const geometry *g, int group, int item,
                              int first_row, int rows, int t, int end, int depth)
{
#pragma unroll
    for (int i = 0; i < LEFT; i++) {
        const int row = first_row + LEFT_ROW(i), term = t + LEFT_TERM(i);
        next[i] = row < rows && term < end ? left_element(from, g, group, row, term, depth) : 0.0f;
    }
}

/* Those of the columns from first_column on. */
static inline void fetch_right(float next[RIGHT], global const float *from, const geometry *g, int group, int item,
                               int first_column, int columns, int t, int end)
{
#ifdef WEIGHTS
    const int term = t + RIGHT_TERM(0);
    const window at = find_window(g, group, term, term < end);
#else
    const int column = first_column + RIGHT_COLUMN(0);
    const window at = find_window(g, group, column, column < columns);
#endif
#pragma unroll
    for (int i = 0; i < RIGHT; i++)
#ifdef WEIGHTS
        next[i] = gather(from, g, at, first_column + RIGHT_COLUMN(i), columns);
#else
        next[i] = gather(from, g, at, t + RIGHT_TERM(i), end);
#endif
}

/* sum[i] += quad of the left operand, element i, times quads of the right one. */
#define ADD(row, element)                                                                                              \
    for (int j = 0; j < TILE_N / 4; j++)                                                                               \
        sum[row][j] = mad((float4)(element), b[j], sum[row][j]);

/* Work-items (ITEMS for each tile, tiles of rows innermost; group; part). A part adds up the terms [part * run, ...),
 * and what it gives lies part * part_size behind `to`. `left` is the weights, or dy for WEIGHTS; `right` what is
 * gathered from. rows x columns results of `depth` terms in all, for each group. */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void conv_nchw(
    global float *restrict to, global const float *restrict left_operand, global const float *restrict right_operand,
    global const float *bias, global const float *residual, float alpha, float beta, int add, int rows, int columns,
    int depth, int run, int part_size, int in_channels, int out_channels, int group_in, int group_out, int in_h,
    int in_w, int out_h, int out_w, int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_h, int pad_w)
{
    local float4 left[DEPTH * LEFT_LINE], right[DEPTH * RIGHT_LINE];
    local float *const left_floats = (local float *)left, *const right_floats = (local float *)right;
    const geometry g = {in_h,  in_w,  out_h,       out_w,        stride_h, stride_w,  dilation_h,  dilation_w,
                        pad_h, pad_w, in_channels, out_channels, group_in, group_out, in_h * in_w, out_h * out_w};
    const int item = (int)get_local_id(0), item_m = item / ITEMS_N, item_n = item % ITEMS_N;
    const int tiles = (rows + ROWS - 1) / ROWS;
    const int first_row = (int)(get_group_id(0) % tiles) * ROWS,
              first_column = (int)(get_group_id(0) / tiles) * COLUMNS;
    const int group = (int)get_global_id(1), part = (int)get_global_id(2);
    const int begin = part * run, end = min(begin + run, depth);

    float next_left[LEFT], next_right[RIGHT];
    float4 sum[TILE_M][TILE_N / 4];
#pragma unroll
    for (int i = 0; i < TILE_M; i++)
#pragma unroll
        for (int j = 0; j < TILE_N / 4; j++)
            sum[i][j] = (float4)0.0f;

    fetch_left(next_left, left_operand, &g, group, item, first_row, rows, begin, end, depth);
    fetch_right(next_right, right_operand, &g, group, item, first_column, columns, begin, end);
    for (int t = begin; t < end; t += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE); /* the last terms have been used by all */
#pragma unroll
        for (int i = 0; i < LEFT; i++)
            left_floats[LEFT_TERM(i) * (4 * LEFT_LINE) + LEFT_ROW(i)] = next_left[i];
#pragma unroll
        for (int i = 0; i < RIGHT; i++)
            right_floats[RIGHT_TERM(i) * (4 * RIGHT_LINE) + RIGHT_COLUMN(i)] = next_right[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (t + DEPTH < end) {
            fetch_left(next_left, left_operand, &g, group, item, first_row, rows, t + DEPTH, end, depth);
            fetch_right(next_right, right_operand, &g, group, item, first_column, columns, t + DEPTH, end);
        }
#pragma unroll 4
        for (int k = 0; k < DEPTH; k++) {
            float4 b[TILE_N / 4];
#pragma unroll
            for (int j = 0; j < TILE_N / 4; j++)
                b[j] = right[k * RIGHT_LINE + j * ITEMS_N + item_n];
#pragma unroll
            for (int i = 0; i < TILE_M / 4; i++) {
                const float4 a = left[k * LEFT_LINE + i * ITEMS_M + item_m];
                ADD(4 * i, a.x)
                ADD(4 * i + 1, a.y)
                ADD(4 * i + 2, a.z)
                ADD(4 * i + 3, a.w)
            }
        }
    }

    to += (size_t)part * part_size;
#pragma unroll
    for (int i = 0; i < TILE_M; i++) {
        const int row = first_row + (i / 4 * ITEMS_M + item_m) * 4 + i % 4;
#ifdef BIAS
        const float shift = row < rows ? bias[group * rows + row] : 0.0f;
#else
        const float shift = 0.0f;
#endif
#pragma unroll
        for (int j = 0; j < TILE_N / 4; j++) {
            const int column = first_column + (j * ITEMS_N + item_n) * 4;
#ifdef QUADS
            if (row < rows && column < columns) {
                const int at = result_at(&g, group, row, column, columns);
                finish((global float4 *)(to + at), (global const float4 *)(residual + at), sum[i][j], shift, add, alpha,
                       beta);
            }
#else
            float elements[4];
            vstore4(sum[i][j], 0, elements);
            for (int e = 0; e < 4; e++)
                if (row < rows && column + e < columns) {
                    const int at = result_at(&g, group, row, column + e, columns);
                    finish(to + at, residual + at, elements[e], shift, add, alpha, beta);
                }
#endif
        }
    }
}
