/* Pooling of [planes, depth, height, width], row-major; axes that the tensors lack have size 1. Any sizes; what one
 * plane holds and every coordinate that a window touches fits an int. Work-item (place in the output's plane, plane).
 * NHWC: [images, depth, height, width, channels] instead, where an image's elements fit an int; work-item (place and
 * channel, image).
 *
 * Output (d, h, w) sees input (d * stride_d - pad_d + i * dilation_d, ...) for i < kernel_d, as far as that exists. */

#define GEOMETRY                                                                                                       \
    int in_d, int in_h, int in_w, int out_d, int out_h, int out_w, int kernel_d, int kernel_h, int kernel_w,           \
        int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,           \
        int pad_h, int pad_w

/* Along one axis, which of a window's elements [first, end) lie between 0 and `size`; it begins at `start` < size. */
static inline int first_inside(int start, int dilation)
{
    return start < 0 ? (-start - 1) / dilation + 1 : 0;
}

static inline int end_inside(int start, int size, int kernel_size, int dilation)
{
    return min(kernel_size, (size - start - 1) / dilation + 1);
}

/* Elements of `x` from one place to the next. */
#ifdef NHWC
#define PLANE                                                                                                          \
    const int step = (int)get_global_size(0) / (out_d * out_h * out_w);                                                \
    const int place = (int)get_global_id(0) / step;                                                                    \
    const size_t offset = get_global_id(1) * ((size_t)in_d * in_h * in_w * step) + (int)get_global_id(0) % step;
#else
#define PLANE                                                                                                          \
    const int step = 1;                                                                                                \
    const int place = (int)get_global_id(0);                                                                           \
    const size_t offset = get_global_id(1) * ((size_t)in_d * in_h * in_w);
#endif

/* Where this work-item's window begins, and which part of it lies inside. */
#define WINDOW                                                                                                         \
    PLANE                                                                                                              \
    const int start_d = place / (out_w * out_h) * stride_d - pad_d;                                                    \
    const int start_h = place / out_w % out_h * stride_h - pad_h;                                                      \
    const int start_w = place % out_w * stride_w - pad_w;                                                              \
    const int end_d = end_inside(start_d, in_d, kernel_d, dilation_d);                                                 \
    const int end_h = end_inside(start_h, in_h, kernel_h, dilation_h);                                                 \
    const int end_w = end_inside(start_w, in_w, kernel_w, dilation_w);                                                 \
    const int first_d = first_inside(start_d, dilation_d);                                                             \
    const int first_h = first_inside(start_h, dilation_h);                                                             \
    const int first_w = first_inside(start_w, dilation_w);                                                             \
    const size_t y_at = get_global_id(1) * get_global_size(0) + get_global_id(0);

/* The largest element. NaN beats every number, so that it stays visible. A window without any element (dilation can
 * step over a small input) gives the lowest number, as in ONNX Runtime.
 *
 * INDICES: defined where `indices` is to get the place of the (first) largest element: the plane's offset plus
 * d * index_d + h * index_h + w * index_w. */
kernel void max_pool(global float *y, global const float *x, global long *indices, int index_d, int index_h,
                     int index_w, GEOMETRY)
{
    WINDOW
    float best = -FLT_MAX;
    bool found = false;
    int best_index = 0;
    for (int i = first_d; i < end_d; i++)
        for (int j = first_h; j < end_h; j++) {
            const int d = start_d + i * dilation_d, h = start_h + j * dilation_h;
            const int row = (d * in_h + h) * in_w;
            for (int k = first_w; k < end_w; k++) {
                const int w = start_w + k * dilation_w;
                const float value = x[offset + (size_t)((row + w) * step)];
                if (!found || value > best || (isnan(value) && !isnan(best))) {
                    best = value;
                    best_index = d * index_d + h * index_h + w * index_w;
                    found = true;
                }
            }
        }
    y[y_at] = best;
#ifdef INDICES
    indices[y_at] = (long)offset + best_index;
#endif
}

/* The sum over the elements inside, divided by their count (0 if there are none); or by the count of those below
 * count_d, count_h, count_w, padding before the first included, where these are not negative. */
kernel void average_pool(global float *y, global const float *x, int count_d, int count_h, int count_w, GEOMETRY)
{
    WINDOW
    float sum = 0.0f;
    for (int i = first_d; i < end_d; i++) {
        float plane_sum = 0.0f; /* by parts: fewer terms per sum, less rounding */
        for (int j = first_h; j < end_h; j++) {
            const int d = start_d + i * dilation_d, h = start_h + j * dilation_h;
            const int row = (d * in_h + h) * in_w + start_w;
            float row_sum = 0.0f;
            for (int k = first_w; k < end_w; k++)
                row_sum += x[offset + (size_t)((row + k * dilation_w) * step)];
            plane_sum += row_sum;
        }
        sum += plane_sum;
    }
    int count = max(end_d - first_d, 0) * max(end_h - first_h, 0) * max(end_w - first_w, 0);
    if (count_d >= 0)
        count = end_inside(start_d, count_d, kernel_d, dilation_d) *
                end_inside(start_h, count_h, kernel_h, dilation_h) * end_inside(start_w, count_w, kernel_w, dilation_w);
    y[y_at] = count > 0 ? sum / (float)count : 0.0f;
}

/* --- activations in blocks of channels, [planes, height, width, BLOCK], a plane being one block of one image --- */

/* Piece (row of the output, plane). KERNEL_W is kernel_w. The same arguments and results as above, but no indices;
 * windows without depth. */
#ifdef BLOCK

/* The piece's row, `to`, sees `rows` rows of the input, `from` on. Windows [inner, inner_end) of it lie inside the input
 * from left to right. */
#define ROW                                                                                                            \
    const int start_h = piece.x * stride_h - pad_h;                                                                    \
    const int first_h = first_inside(start_h, dilation_h);                                                             \
    const int rows = end_inside(start_h, in_h, kernel_h, dilation_h) - first_h;                                        \
    const size_t row_step = (size_t)dilation_h * in_w * BLOCK;                                                         \
    const int room = in_w - 1 - (KERNEL_W - 1) * dilation_w + pad_w;                                                   \
    const int inner = min((pad_w + stride_w - 1) / stride_w, out_w);                                                   \
    const int inner_end = room < 0 ? inner : clamp(room / stride_w + 1, inner, out_w);                                 \
    global const float *const from = x + ((long)piece.y * in_h + start_h + first_h * dilation_h) * in_w * BLOCK;       \
    global float *const to = y + ((long)piece.y * out_h + piece.x) * out_w * BLOCK;

/* Along a row, the window at column `w`: where it begins, and which of its elements lie inside. */
#define START(w) ((w)*stride_w - pad_w)
#define FIRST(w) first_inside(START(w), dilation_w)
#define END(w)   end_inside(START(w), in_w, KERNEL_W, dilation_w)

static inline floatb largest(global const float *x, int rows, size_t row_step, int first, int end, int dilation)
{
    floatb best = rows > 0 && first < end ? -INFINITY : -FLT_MAX;
    for (int i = 0; i < rows; i++, x += row_step)
        for (int k = first; k < end; k++) {
            const floatb value = load_block(k * dilation, x);
            best = (value > best) | isnan(value) ? value : best;
        }
    return best;
}

kernel void max_pool_blocked(global float *y, global const float *x, global long *indices, int index_d, int index_h,
                             int index_w, GEOMETRY, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        ROW for (int w = 0; w < inner; w++)
            store_aligned(largest(from + START(w) * BLOCK, rows, row_step, FIRST(w), END(w), dilation_w), w, to);
        for (int w = inner; w < inner_end; w++)
            store_aligned(largest(from + START(w) * BLOCK, rows, row_step, 0, KERNEL_W, dilation_w), w, to);
        for (int w = inner_end; w < out_w; w++)
            store_aligned(largest(from + START(w) * BLOCK, rows, row_step, FIRST(w), END(w), dilation_w), w, to);
    }
}

static inline floatb total(global const float *x, int rows, size_t row_step, int first, int end, int dilation)
{
    floatb sum = 0.0f;
    for (int i = 0; i < rows; i++, x += row_step) {
        floatb row_sum = 0.0f;
        for (int k = first; k < end; k++)
            row_sum += load_block(k * dilation, x);
        sum += row_sum;
    }
    return sum;
}

kernel void average_pool_blocked(global float *y, global const float *x, int count_d, int count_h, int count_w,
                                 GEOMETRY, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        ROW const int counted = count_h < 0 ? max(rows, 0) : end_inside(start_h, count_h, kernel_h, dilation_h);
        for (int w = 0; w < out_w; w++) {
            const bool whole = w >= inner && w < inner_end;
            const int first = whole ? 0 : FIRST(w), end = whole ? KERNEL_W : END(w);
            const int counted_w =
                count_w < 0 ? max(end - first, 0) : end_inside(START(w), count_w, KERNEL_W, dilation_w);
            const int count = counted * counted_w;
            const floatb sum = total(from + START(w) * BLOCK, rows, row_step, first, end, dilation_w);
            store_aligned(count > 0 ? sum / (float)count : 0.0f, w, to);
        }
    }
}
#endif
