/* Convolutions as a matrix product whose left operand is never written down: y[pixel, column] is the sum over taps t of
 * x[pixel, t] * weight[t, column], into activations with all channels side by side, [n, h, w, channels].
 *
 * A work-group of ITEMS_M x ITEMS_N work-items computes ROWS pixels, of all images one behind the other, by COLUMNS
 * output channels of one group. DEPTH taps at a time are brought into local memory, the next ones already on their way
 * in registers; a work-item sums up TILE_M x TILE_N results (multiples of 4) in quads that its neighbours' lie between.
 *
 * A tap is one kernel position of one of the group's input channels, channels innermost: (elements from the window's
 * first to it, its row and column in the window, 0). With VECTOR it stands for four channels, side by side and aligned.
 * Their list is filled up to whole DEPTHs with taps outside every image.
 *
 * weight: [groups, taps, columns], bias: [groups, columns], filled up with zeros to whole DEPTHs and COLUMNS.
 * Input element (image, h, w) of a group's first channel lies at image * x_image + h * x_row + w * x_column +
 * group * x_group. The output's pixel i lies at y_offset + i * y_pixel; the residual's are out_channels apart. ALIGNED:
 * these and group_out are multiples of 4. An image's elements, and those a window reaches over, are below 2^30. */
#ifndef BLOCK
#define BLOCK 4
#endif
#ifndef ITEMS_M
#define ITEMS_M 16
#endif
#ifndef ITEMS_N
#define ITEMS_N 8
#endif
#ifndef TILE_M
#define TILE_M 8
#endif
#ifndef TILE_N
#define TILE_N 8
#endif

#define DEPTH   16 /* as in conv_implicit.c */
#define ROWS    (ITEMS_M * TILE_M)
#define COLUMNS (ITEMS_N * TILE_N)
#define ITEMS   (ITEMS_M * ITEMS_N)

#define LINE       (ROWS / 4 + 1) /* quads of a tap's pixels; one more than there are, so that lines start in other banks */
#define LEFT       (ROWS * DEPTH / 4 / ITEMS)    /* quads that a work-item brings, each four taps of a pixel */
#define RIGHT      (COLUMNS * DEPTH / 4 / ITEMS) /* quads that a work-item brings, each four columns of a tap */
#define LEFT_STEP  (ITEMS / (DEPTH / 4))
#define RIGHT_STEP (ITEMS / (COLUMNS / 4))

/* Where a pixel's window begins: its first element, which may lie outside, and its place. */
typedef struct window {
    long at;
    uint h, w;
} window;

/* What all windows have in common. */
typedef struct image {
    global const float *x;
    global const int4 *taps;
    uint h, w;
} image;

static inline bool inside(image in, window from, int4 tap)
{
    return from.h + (uint)tap.y < in.h && from.w + (uint)tap.z < in.w; /* what is negative is huge */
}

/* Taps 4 * quad to 4 * quad + 3 of a window. */
static inline float4 gather(image in, window from, int quad)
{
#ifdef VECTOR
    const int4 tap = in.taps[quad];
    return inside(in, from, tap) ? *(global const float4 *)(in.x + from.at + tap.x) : (float4)0.0f;
#else
    float elements[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int4 tap = in.taps[4 * quad + i];
        elements[i] = inside(in, from, tap) ? in.x[from.at + tap.x] : 0.0f;
    }
    return (float4)(elements[0], elements[1], elements[2], elements[3]);
#endif
}

/* sum[i] += quad of the left operand, element i, times quads of the right one. */
#define ADD(row, element)                                                                                              \
    for (int j = 0; j < TILE_N / 4; j++)                                                                               \
        sum[row][j] = mad((float4)(element), b[j], sum[row][j]);

/* `count` of the channels, 4 if ALIGNED. */
static inline void finish(global float *y, global const float *residual, float4 value, int count, float alpha,
                          float beta)
{
#ifdef ALIGNED
#ifdef RESIDUAL
    value += *(global const float4 *)residual;
#endif
    *(global float4 *)y = activate_v(value, alpha, beta);
#else
    float elements[4];
    vstore4(value, 0, elements);
#ifdef RESIDUAL
    for (int i = 0; i < min(count, 4); i++)
        elements[i] += residual[i];
#endif
    vstore4(activate_v(vload4(0, elements), alpha, beta), 0, elements);
    for (int i = 0; i < min(count, 4); i++)
        y[i] = elements[i];
#endif
}

/* Work-items (ITEMS for each tile, tiles of columns innermost; group). */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void conv_implicit(
    global float *restrict y, global const float *restrict x, global const float *restrict weight,
    global const float *restrict bias, global const float *residual, global const int4 *restrict taps, float alpha,
    float beta, long y_offset, int y_pixel, int pixels, int depth, int columns, int group_out, int out_channels,
    long x_image, int x_row, int x_column, long x_group, int in_h, int in_w, int out_h, int out_w, int stride_h,
    int stride_w, int pad_h, int pad_w)
{
    local float4 left[DEPTH * LINE], right[DEPTH * COLUMNS / 4];
    const int item = (int)get_local_id(0), item_m = item / ITEMS_N, item_n = item % ITEMS_N;
    const int tiles = columns / COLUMNS;
    const int first_row = (int)(get_group_id(0) / tiles) * ROWS,
              first_column = (int)(get_group_id(0) % tiles) * COLUMNS;
    const size_t group = get_global_id(1);

    /* What this work-item brings: four taps each of LEFT pixels, four columns each of RIGHT taps. */
    const int left_quad = item % (DEPTH / 4), left_row = item / (DEPTH / 4);
    const int right_quad = item % (COLUMNS / 4), right_tap = item / (COLUMNS / 4);
    const image in = {x + group * x_group, taps, (uint)in_h, (uint)in_w};
    global const float4 *weights =
        (global const float4 *)(weight + group * depth * columns + first_column) + right_quad;
    window from[LEFT];
#pragma unroll
    for (int i = 0; i < LEFT; i++) {
        const int pixel = first_row + left_row + i * LEFT_STEP, row = pixel / out_w;
        const int h = row % out_h * stride_h - pad_h, w = pixel % out_w * stride_w - pad_w;
        from[i].at = row / out_h * x_image + (long)h * x_row + (long)w * x_column;
        from[i].h = pixel < pixels ? (uint)h : 1u << 30; /* outside */
        from[i].w = (uint)w;
    }

    float4 next_left[LEFT], next_right[RIGHT], sum[TILE_M][TILE_N / 4];
#pragma unroll
    for (int i = 0; i < LEFT; i++)
        next_left[i] = gather(in, from[i], left_quad);
#pragma unroll
    for (int i = 0; i < RIGHT; i++)
        next_right[i] = weights[(size_t)(right_tap + i * RIGHT_STEP) * (columns / 4)];
#pragma unroll
    for (int i = 0; i < TILE_M; i++)
#pragma unroll
        for (int j = 0; j < TILE_N / 4; j++)
            sum[i][j] = *(global const float4 *)(bias + group * columns + first_column + (j * ITEMS_N + item_n) * 4);

    for (int t = 0; t < depth; t += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE); /* the last taps have been used by all */
#pragma unroll
        for (int i = 0; i < LEFT; i++) {
            local float *line = (local float *)left + left_quad * 4 * (4 * LINE) + left_row + i * LEFT_STEP;
            line[0] = next_left[i].x;
            line[4 * LINE] = next_left[i].y;
            line[8 * LINE] = next_left[i].z;
            line[12 * LINE] = next_left[i].w;
        }
#pragma unroll
        for (int i = 0; i < RIGHT; i++)
            right[(right_tap + i * RIGHT_STEP) * (COLUMNS / 4) + right_quad] = next_right[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (t + DEPTH < depth) {
#pragma unroll
            for (int i = 0; i < LEFT; i++)
                next_left[i] = gather(in, from[i], (t + DEPTH) / 4 + left_quad);
#pragma unroll
            for (int i = 0; i < RIGHT; i++)
                next_right[i] = weights[(size_t)(t + DEPTH + right_tap + i * RIGHT_STEP) * (columns / 4)];
        }
#pragma unroll 4
        for (int k = 0; k < DEPTH; k++) {
            float4 b[TILE_N / 4];
#pragma unroll
            for (int j = 0; j < TILE_N / 4; j++)
                b[j] = right[k * (COLUMNS / 4) + j * ITEMS_N + item_n];
#pragma unroll
            for (int i = 0; i < TILE_M / 4; i++) {
                const float4 a = left[k * LINE + i * ITEMS_M + item_m];
                ADD(4 * i, a.x)
                ADD(4 * i + 1, a.y)
                ADD(4 * i + 2, a.z)
                ADD(4 * i + 3, a.w)
            }
        }
    }

#pragma unroll
    for (int i = 0; i < TILE_M; i++) {
        const int pixel = first_row + (i / 4 * ITEMS_M + item_m) * 4 + i % 4;
#pragma unroll
        for (int j = 0; j < TILE_N / 4; j++) {
            const int column = first_column + (j * ITEMS_N + item_n) * 4;
            const size_t channel = group * group_out + column;
            if (pixel < pixels && column < group_out)
                finish(y + y_offset + (size_t)pixel * y_pixel + channel,
                       residual + (size_t)pixel * out_channels + channel, sum[i][j], group_out - column, alpha, beta);
        }
    }
}
