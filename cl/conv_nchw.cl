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
 * divisions by them are cheap. QUADS: four results that follow each other in a row lie side by side, and aligned.
 *
 * RUNS: the gathered channels come in whole DEPTHs (for WEIGHTS, COLUMNS), so that what a work-group brings at a time
 * is that many channels of one kernel position, and where this lies and whether it is inside is found out once. Terms
 * then count DEPTH channels of a kernel position, the kernel positions, the channels in DEPTHs; for WEIGHTS columns
 * count channels, then kernel positions.
 *
 * DATA with strides takes the elements by their place between the pixels, its phase, for each meets its own kernel
 * positions only. */
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

#ifdef DATA
#define GATHERED_PLANE g->out_plane
#else
#define GATHERED_PLANE g->in_plane
#endif

/* What a work-item brings of each operand: neighbours bring what lies side by side in memory. */
#define LEFT  (ROWS * DEPTH / ITEMS)
#define RIGHT (COLUMNS * DEPTH / ITEMS)
#if defined(DATA) && (TAPS == 1 || defined(RUNS))
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

/* A result's or a term's place in the images. For DATA with strides, h and w are counted within the phase. */
typedef struct place {
    int image, h, w;
} place;

static inline void find_place(place *found, int number, int height, int width)
{
    found->image = number / (height * width);
    found->h = number / width % height;
    found->w = number % width;
}

/* DEPTH pixels further. */
static inline void advance(place *at, const geometry *g)
{
    at->w += DEPTH;
    while (at->w >= g->out_w) {
        at->w -= g->out_w;
        at->h++;
    }
    while (at->h >= g->out_h) {
        at->h -= g->out_h;
        at->image++;
    }
}

/* Where the gathered tensor's group begins in an image, and where the window begins in it; for DATA, the element with
 * its padding. */
typedef struct window {
    int at, h, w;
} window;

/* What DATA's elements have in common: the first of an image, and how many there are in it. */
typedef struct phase {
    int h, w, height, width;
} phase;

static inline void find_phase(phase *found, const geometry *g, int number)
{
    const int wide = min(STRIDE_W, g->in_w);
    found->h = number / wide;
    found->w = number % wide;
    found->height = (g->in_h - found->h + STRIDE_H - 1) / STRIDE_H;
    found->width = (g->in_w - found->w + STRIDE_W - 1) / STRIDE_W;
}

static inline void find_window(window *from, const geometry *g, const phase *of, int group, const place *at,
                               bool exists)
{
#ifdef DATA
    from->at = (at->image * g->out_channels + group * g->group_out) * g->out_plane;
    from->h = at->h * STRIDE_H + of->h + g->pad_h;
    from->w = at->w * STRIDE_W + of->w + g->pad_w;
#else
    from->at = (at->image * g->in_channels + group * g->group_in) * g->in_plane;
    from->h = at->h * g->stride_h - g->pad_h;
    from->w = at->w * g->stride_w - g->pad_w;
#endif
    if (!exists)
        from->h = OUTSIDE;
}

/* Where in a channel's plane a window meets a kernel position; -1: outside, or between the pixels of a convolution with
 * strides. */
static inline int meet(const geometry *g, const window *w, int tap)
{
    const int row = tap / KERNEL_W, column = tap % KERNEL_W;
#ifdef DATA
    const int up_h = w->h - row * g->dilation_h, up_w = w->w - column * g->dilation_w;
    const int at_h = up_h % STRIDE_H == 0 ? up_h / STRIDE_H : -1, at_w = up_w % STRIDE_W == 0 ? up_w / STRIDE_W : -1;
    const int height = g->out_h, width = g->out_w;
#else
    const int at_h = w->h + row * g->dilation_h, at_w = w->w + column * g->dilation_w;
    const int height = g->in_h, width = g->in_w;
#endif
    return (uint)at_h < (uint)height && (uint)at_w < (uint)width ? at_h * width + at_w : -1;
}

/* A term's or column's gathered channel and kernel position. */
#if !defined(RUNS)
#define CHANNEL_OF(term) ((term) / TAPS)
#define TAP_OF(term)     ((term) % TAPS)
#elif defined(WEIGHTS)
#define CHANNEL_OF(term) ((term) % g->group_in)
#define TAP_OF(term)     ((term) / g->group_in)
#else
#define CHANNEL_OF(term) ((term) / (DEPTH * TAPS) * DEPTH + (term) % DEPTH)
#define TAP_OF(term)     ((term) / DEPTH % TAPS)
#endif

/* The first term from t on, DEPTH by DEPTH, whose kernel position any of the phase's elements meets. */
static inline int next_terms(const geometry *g, const phase *of, int t, int end)
{
#if defined(DATA) && defined(RUNS) && STRIDE_H * STRIDE_W > 1
    while (t < end && ((of->h + g->pad_h - TAP_OF(t) / KERNEL_W * g->dilation_h) % STRIDE_H != 0 ||
                       (of->w + g->pad_w - TAP_OF(t) % KERNEL_W * g->dilation_w) % STRIDE_W != 0))
        t += DEPTH;
#endif
    return t;
}

/* Element (row, term) of the left operand; for WEIGHTS the term is at a place. */
static inline float left_element(global const float *from, const geometry *g, int group, int row, int term, int depth,
                                 const place *at)
{
#if defined(FORWARD)
    return from[(group * g->group_out + row) * depth + CHANNEL_OF(term) * TAPS + TAP_OF(term)];
#elif defined(DATA)
    return from[((group * g->group_out + CHANNEL_OF(term)) * g->group_in + row) * TAPS + TAP_OF(term)];
#else
    return from[(at->image * g->out_channels + group * g->group_out + row) * g->out_plane + at->h * g->out_w + at->w];
#endif
}

/* Where the column's result of the group's row 0 lies. The next row's is `row_stride` further. */
static inline int column_at(const geometry *g, const phase *of, int group, int column, int row_stride)
{
#if defined(FORWARD)
    const int image = column / g->out_plane, channel = image * g->out_channels + group * g->group_out;
    return channel * row_stride + column % g->out_plane;
#elif defined(DATA)
    const int line = column / of->width, image = line / of->height;
    const int h = line % of->height * STRIDE_H + of->h, w = column % of->width * STRIDE_W + of->w;
    return (image * g->in_channels + group * g->group_in) * row_stride + h * g->in_w + w;
#else
    return group * g->group_out * row_stride + CHANNEL_OF(column) * TAPS + TAP_OF(column);
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
/* TOGETHER: places to find for a quad of results. */
#ifdef QUADS
#define TOGETHER 1
static inline float4 activate_quad(float4 x, float alpha, float beta)
{
    return (float4)(activate(x.x, alpha, beta), activate(x.y, alpha, beta), activate(x.z, alpha, beta),
                    activate(x.w, alpha, beta));
}
DEFINE_FINISH(finish, float4, activate_quad)
#else
#define TOGETHER 4
DEFINE_FINISH(finish, float, activate)
#endif

/* Terms t to t + DEPTH of the rows from first_row on, 0 behind the last row and `end`. */
static inline void fetch_left(float next[LEFT], global const float *from, const geometry *g, int group, int item,
                              int first_row, int rows, int t, int end, int depth, const place *at)
{
#pragma unroll
    for (int i = 0; i < LEFT; i++) {
        const int row = first_row + LEFT_ROW(i), term = t + LEFT_TERM(i);
        next[i] = row < rows && term < end ? left_element(from, g, group, row, term, depth, at) : 0.0f;
    }
}

/* Those of the columns from first_column on. `from`: the window of the work-item's column, for WEIGHTS of its term. */
static inline void fetch_right(float next[RIGHT], global const float *values, const geometry *g, const window *from,
                               int item, int first_column, int columns, int t, int end)
{
#ifdef WEIGHTS
#define STEP(i) RIGHT_COLUMN(i)
    const int first = first_column, numbers = columns;
#else
#define STEP(i) RIGHT_TERM(i)
    const int first = t, numbers = end;
#endif
    const int plane = GATHERED_PLANE;
#ifdef RUNS
    const int met = meet(g, from, TAP_OF(first));
    values += from->at + CHANNEL_OF(first) * plane + met;
#pragma unroll
    for (int i = 0; i < RIGHT; i++)
        next[i] = met >= 0 ? values[STEP(i) * plane] : 0.0f;
#else
#pragma unroll
    for (int i = 0; i < RIGHT; i++) {
        const int number = first + STEP(i), met = meet(g, from, TAP_OF(number));
        next[i] = met >= 0 && number < numbers ? values[from->at + CHANNEL_OF(number) * plane + met] : 0.0f;
    }
#endif
}

/* sum[i] += quad of the left operand, element i, times quads of the right one. */
#define ADD(row, element)                                                                                              \
    for (int j = 0; j < TILE_N / 4; j++)                                                                               \
        sum[row][j] = mad((float4)(element), b[j], sum[row][j]);

/* Work-items (ITEMS for each tile, tiles of rows innermost; group; part). A part adds up the terms [part * run, ...),
 * and what it gives lies part * part_size behind `to`. `left` is the weights, or dy for WEIGHTS; `right` what is
 * gathered from. rows x columns results of `depth` terms in all, for each group (DATA:
 * columns of the first phase, which has most). */
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
#ifdef DATA
    phase of, widest;
    find_phase(&of, &g, part);
    find_phase(&widest, &g, 0);
    const int begin = 0, end = depth, some = columns / (widest.height * widest.width) * (of.height * of.width);
#else
    const phase of = {0, 0, 0, 0}; /* of DATA only */
    const int begin = part * run, end = min(begin + run, depth), some = columns;
#endif

    float next_left[LEFT], next_right[RIGHT];
    float4 sum[TILE_M][TILE_N / 4];
#pragma unroll
    for (int i = 0; i < TILE_M; i++)
#pragma unroll
        for (int j = 0; j < TILE_N / 4; j++)
            sum[i][j] = (float4)0.0f;

    int t = next_terms(&g, &of, begin, end);
    place at;
    window from;
#ifdef WEIGHTS
    find_place(&at, t + item % DEPTH, out_h, out_w);
    find_window(&from, &g, &of, group, &at, t + item % DEPTH < end);
#else
    const int column_here = first_column + RIGHT_COLUMN(0);
#ifdef DATA
    find_place(&at, column_here, of.height, of.width);
#else
    find_place(&at, column_here, out_h, out_w);
#endif
    find_window(&from, &g, &of, group, &at, column_here < some);
#endif
    if (t < end) { /* a phase may meet nothing */
        fetch_left(next_left, left_operand, &g, group, item, first_row, rows, t, end, depth, &at);
        fetch_right(next_right, right_operand, &g, &from, item, first_column, columns, t, end);
    }
    while (t < end) {
        barrier(CLK_LOCAL_MEM_FENCE); /* the last terms have been used by all */
#pragma unroll
        for (int i = 0; i < LEFT; i++)
            left_floats[LEFT_TERM(i) * (4 * LEFT_LINE) + LEFT_ROW(i)] = next_left[i];
#pragma unroll
        for (int i = 0; i < RIGHT; i++)
            right_floats[RIGHT_TERM(i) * (4 * RIGHT_LINE) + RIGHT_COLUMN(i)] = next_right[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        t = next_terms(&g, &of, t + DEPTH, end);
        if (t < end) {
#ifdef WEIGHTS
            advance(&at, &g);
            find_window(&from, &g, &of, group, &at, t + item % DEPTH < end);
#endif
            fetch_left(next_left, left_operand, &g, group, item, first_row, rows, t, end, depth, &at);
            fetch_right(next_right, right_operand, &g, &from, item, first_column, columns, t, end);
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

#ifndef DATA
    to += (size_t)part * part_size;
#endif
#if defined(FORWARD)
    const int row_stride = g.out_plane;
#elif defined(DATA)
    const int row_stride = g.in_plane;
#else
    const int row_stride = columns;
#endif
#pragma unroll
    for (int j = 0; j < TILE_N / 4; j++) {
        const int column = first_column + (j * ITEMS_N + item_n) * 4;
        int at[4];
#pragma unroll
        for (int e = 0; e < TOGETHER; e++)
            at[e] = column_at(&g, &of, group, column + e, row_stride);
#pragma unroll
        for (int i = 0; i < TILE_M; i++) {
            const int row = first_row + (i / 4 * ITEMS_M + item_m) * 4 + i % 4;
            if (row >= rows)
                continue;
#ifdef BIAS
            const float shift = bias[group * rows + row];
#else
            const float shift = 0.0f;
#endif
#ifdef QUADS
            if (column < some)
                finish((global float4 *)(to + at[0] + row * row_stride),
                       (global const float4 *)(residual + at[0] + row * row_stride), sum[i][j], shift, add, alpha,
                       beta);
#else
            const float elements[4] = {sum[i][j].s0, sum[i][j].s1, sum[i][j].s2, sum[i][j].s3};
#pragma unroll
            for (int e = 0; e < TOGETHER; e++)
                if (column + e < some)
                    finish(to + at[e] + row * row_stride, residual + at[e] + row * row_stride, elements[e], shift, add,
                           alpha, beta);
#endif
        }
    }
}
