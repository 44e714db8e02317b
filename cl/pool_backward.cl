/* Gradients of pooling [planes, depth, height, width], row-major: each element of the input adds up what the windows
 * that hold it give back, in their order; an `add` of 0 replaces what is there. Sizes and windows as in pool.cl: output (d, h, w) sees input
 * (d * stride_d - pad_d + i * dilation_d, ...) for i < kernel_d, as far as that exists. */

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

/* Along one axis, the windows [first, end) that reach over `place`, which is counted from the start of the padding. */
static inline int first_window(int place, int kernel_size, int dilation, int stride)
{
    const int before = place - (kernel_size - 1) * dilation;
    return before <= 0 ? 0 : (before - 1) / stride + 1;
}

static inline int end_window(int place, int out, int stride)
{
    return min(out, place / stride + 1);
}

/* Which element of a window lies `offset` behind its start; -1 where dilation steps over that. */
static inline int element_at(int offset, int dilation)
{
    return offset % dilation == 0 ? offset / dilation : -1;
}

/* How many elements of the window that begins at `start` count for a mean: those inside, or those below `count` where
 * that is not negative. */
static inline int counted(int start, int size, int count, int kernel_size, int dilation)
{
    if (count >= 0)
        return end_inside(start, count, kernel_size, dilation);
    return max(end_inside(start, size, kernel_size, dilation) - first_inside(start, dilation), 0);
}

/* kept [planes, places]: which element of its window, (i * kernel_h + j) * kernel_w + k, is the first largest one, as
 * max_pool has it; -1 where the window is empty. Work-item (place in the output's plane, plane). */
kernel void find_largest(global int *kept, global const float *x, GEOMETRY)
{
    const int place = (int)get_global_id(0);
    const int start_d = place / (out_w * out_h) * stride_d - pad_d;
    const int start_h = place / out_w % out_h * stride_h - pad_h;
    const int start_w = place % out_w * stride_w - pad_w;
    const int end_d = end_inside(start_d, in_d, kernel_d, dilation_d);
    const int end_h = end_inside(start_h, in_h, kernel_h, dilation_h);
    const int end_w = end_inside(start_w, in_w, kernel_w, dilation_w);
    const size_t offset = get_global_id(1) * ((size_t)in_d * in_h * in_w);
    float best = 0.0f;
    int best_at = -1;
    for (int i = first_inside(start_d, dilation_d); i < end_d; i++)
        for (int j = first_inside(start_h, dilation_h); j < end_h; j++) {
            const int d = start_d + i * dilation_d, h = start_h + j * dilation_h;
            const size_t row = offset + (size_t)((d * in_h + h) * in_w);
            for (int k = first_inside(start_w, dilation_w); k < end_w; k++) {
                const float value = x[row + (start_w + k * dilation_w)];
                if (best_at < 0 || value > best || (isnan(value) && !isnan(best))) {
                    best = value;
                    best_at = (i * kernel_h + j) * kernel_w + k;
                }
            }
        }
    kept[get_global_id(1) * get_global_size(0) + get_global_id(0)] = best_at;
}

/* Where this work-item's element of the input lies, and the windows that reach over it. Work-item (place in the input's
 * plane, plane). */
#define WINDOWS                                                                                                        \
    const int place = (int)get_global_id(0);                                                                           \
    const int d = place / (in_w * in_h) + pad_d, h = place / in_w % in_h + pad_h, w = place % in_w + pad_w;            \
    const int end_d = end_window(d, out_d, stride_d), end_h = end_window(h, out_h, stride_h);                          \
    const int end_w = end_window(w, out_w, stride_w);                                                                  \
    const size_t offset = get_global_id(1) * ((size_t)out_d * out_h * out_w);

/* dx += dy of the windows whose largest element it is. */
kernel void max_pool_backward(global float *dx, int add, global const float *dy, global const int *kept, GEOMETRY)
{
    WINDOWS
    float sum = 0.0f;
    for (int p = first_window(d, kernel_d, dilation_d, stride_d); p < end_d; p++) {
        const int i = element_at(d - p * stride_d, dilation_d);
        for (int q = first_window(h, kernel_h, dilation_h, stride_h); q < end_h && i >= 0; q++) {
            const int j = element_at(h - q * stride_h, dilation_h);
            const size_t row = offset + (size_t)((p * out_h + q) * out_w);
            for (int r = first_window(w, kernel_w, dilation_w, stride_w); r < end_w && j >= 0; r++) {
                const int k = element_at(w - r * stride_w, dilation_w);
                if (k >= 0 && kept[row + r] == (i * kernel_h + j) * kernel_w + k)
                    sum += dy[row + r];
            }
        }
    }
    dx += get_global_id(1) * get_global_size(0) + get_global_id(0);
    *dx = add ? *dx + sum : sum;
}

/* dx += dy / the count of elements, of each window. count_d, count_h, count_w: see pool.cl. */
kernel void average_pool_backward(global float *dx, int add, global const float *dy, int count_d, int count_h,
                                  int count_w, GEOMETRY)
{
    WINDOWS
    float sum = 0.0f;
    for (int p = first_window(d, kernel_d, dilation_d, stride_d); p < end_d; p++) {
        if (element_at(d - p * stride_d, dilation_d) < 0)
            continue;
        const int deep = counted(p * stride_d - pad_d, in_d, count_d, kernel_d, dilation_d);
        for (int q = first_window(h, kernel_h, dilation_h, stride_h); q < end_h; q++) {
            if (element_at(h - q * stride_h, dilation_h) < 0)
                continue;
            const int high = counted(q * stride_h - pad_h, in_h, count_h, kernel_h, dilation_h);
            const size_t row = offset + (size_t)((p * out_h + q) * out_w);
            for (int r = first_window(w, kernel_w, dilation_w, stride_w); r < end_w; r++) {
                if (element_at(w - r * stride_w, dilation_w) < 0)
                    continue;
                const int wide = counted(r * stride_w - pad_w, in_w, count_w, kernel_w, dilation_w);
                sum += dy[row + r] / (float)(deep * high * wide);
            }
        }
    }
    dx += get_global_id(1) * get_global_size(0) + get_global_id(0);
    *dx = add ? *dx + sum : sum;
}

/* --- activations in blocks of channels, [planes, height, width, BLOCK], a plane being one block of one image --- */

/* The same without depth. KERNEL_W, STRIDE_W, DILATION_W are kernel_w, stride_w, dilation_w. */
#ifdef BLOCK
typedef JOIN(int, BLOCK) intb;

/* dx += dy of the windows whose largest element it is, found again: a plane's x and dx are walked together, each window
 * while it is close. Work-item: plane. */
kernel void max_pool_backward_blocked(global float *dx, int add, global const float *dy, global const float *x,
                                      GEOMETRY)
{
    int blank = add ? in_h : 0; /* rows of dx from there on hold nothing yet */
    dx += get_global_id(0) * in_h * (size_t)in_w * BLOCK;
    x += get_global_id(0) * in_h * (size_t)in_w * BLOCK;
    dy += get_global_id(0) * out_h * (size_t)out_w * BLOCK;
    for (int q = 0; q < out_h; q++, dy += out_w * BLOCK) {
        const int start_h = q * stride_h - pad_h;
        const int first_h = first_inside(start_h, dilation_h), end_h = end_inside(start_h, in_h, kernel_h, dilation_h);
        const int reach = q + 1 < out_h ? min(start_h + (kernel_h - 1) * dilation_h + 1, in_h) : in_h;
        for (; blank < reach; blank++)
            for (int w = 0; w < in_w; w++)
                store_block((floatb)0.0f, blank * in_w + w, dx);
        for (int r = 0; r < out_w; r++) {
            const int start_w = r * STRIDE_W - pad_w;
            const int first_w = first_inside(start_w, DILATION_W);
            const int end_w = end_inside(start_w, in_w, KERNEL_W, DILATION_W);
            const floatb given = load_block(r, dy);
            floatb best = 0.0f;
            intb best_at = -1;
            for (int j = first_h; j < end_h; j++)
                for (int k = first_w; k < end_w; k++) {
                    const floatb value = load_block((start_h + j * dilation_h) * in_w + start_w + k * DILATION_W, x);
                    const intb better = (value > best) | (isnan(value) & ~isnan(best)) | (best_at < 0);
                    best = better ? value : best;
                    best_at = better ? (intb)(j * KERNEL_W + k) : best_at;
                }
            for (int j = first_h; j < end_h; j++)
                for (int k = first_w; k < end_w; k++) {
                    const int at = (start_h + j * dilation_h) * in_w + start_w + k * DILATION_W;
                    const floatb share = best_at == j * KERNEL_W + k ? given : 0.0f;
                    store_block(load_block(at, dx) + share, at, dx);
                }
        }
    }
}

/* Work-item (row of the input, plane), whose windows' rows are taken one after the other. */
#define INPUT_ROW                                                                                                      \
    const int h = (int)get_global_id(0) + pad_h;                                                                       \
    const int end_h = end_window(h, out_h, stride_h);                                                                  \
    dx += (get_global_id(1) * get_global_size(0) + get_global_id(0)) * in_w * BLOCK;

kernel void average_pool_backward_blocked(global float *dx, int add, global const float *dy, int count_d, int count_h,
                                          int count_w, GEOMETRY)
{
    INPUT_ROW
    for (int w = 0; w < in_w && !add; w++)
        store_block((floatb)0.0f, w, dx);
    for (int q = first_window(h, kernel_h, dilation_h, stride_h); q < end_h; q++) {
        const int j = element_at(h - q * stride_h, dilation_h);
        const int high = counted(q * stride_h - pad_h, in_h, count_h, kernel_h, dilation_h);
        const size_t row = (get_global_id(1) * out_h + q) * (size_t)out_w * BLOCK;
        for (int w = pad_w; w < in_w + pad_w && j >= 0; w++) {
            const int end_w = end_window(w, out_w, STRIDE_W);
            floatb sum = 0.0f;
            for (int r = first_window(w, KERNEL_W, DILATION_W, STRIDE_W); r < end_w; r++) {
                const int wide = counted(r * STRIDE_W - pad_w, in_w, count_w, KERNEL_W, DILATION_W);
                if (element_at(w - r * STRIDE_W, DILATION_W) >= 0)
                    sum += load_block(r, dy + row) * (1.0f / (float)(high * wide));
            }
            store_block(load_block(w - pad_w, dx) + sum, w - pad_w, dx);
        }
    }
}
#endif
