/* Windows over channels: x [channels][in_d][in_h][in_w] -> y [channels][out_d][out_h][out_w], channels = n * c. Two-dimensional
 * pools have depths of 1. KERNEL, STRIDE, DILATION and PAD (before the first element) are compile-time constants.
 * Work-items (out_w, out_d * out_h, channels). */

/* Where the window of this work-item begins, padding counted as negative. */
#define WINDOW                                                                                                         \
    const int ox = get_global_id(0), oy = (int)get_global_id(1) % out_h, oz = (int)get_global_id(1) / out_h;           \
    const long channel = get_global_id(2);                                                                             \
    const int z0 = oz * STRIDE_D - PAD_D, y0 = oy * STRIDE_H - PAD_H, x0 = ox * STRIDE_W - PAD_W;                      \
    global const float *in = input + channel * in_d * in_h * in_w;                                                     \
    const long out_at = ((channel * out_d + oz) * out_h + oy) * out_w + ox;

/* Is `place` inside a dimension of `size`? */
#define INSIDE(place, size) ((uint)(place) < (uint)(size))

/* The largest element, the first of equals; NaN wins. With -DINDICES also its place: in the whole tensor, row-major, or with -DCOLUMN_MAJOR with the spatial
 * dimensions counted the other way round (ONNX's storage_order 1, which leaves n and c as they are). */
kernel void max_pool(global const float *input, global float *output, global long *indices, int in_d, int in_h, int in_w,
                     int out_d, int out_h, int out_w)
{
    WINDOW
    float best = -INFINITY;
    long best_at = -1;
    for (int i = 0; i < KERNEL_D; i++)
        for (int j = 0; j < KERNEL_H; j++)
            for (int k = 0; k < KERNEL_W; k++) {
                const int z = z0 + i * DILATION_D, y = y0 + j * DILATION_H, x = x0 + k * DILATION_W;
                if (!INSIDE(z, in_d) || !INSIDE(y, in_h) || !INSIDE(x, in_w))
                    continue;
                const float v = in[((long)z * in_h + y) * in_w + x];
                if (v > best || best_at < 0 || (isnan(v) && !isnan(best))) {
                    best = v;
#ifdef COLUMN_MAJOR
                    best_at = ((long)x * in_h + y) * in_d + z;
#else
                    best_at = ((long)z * in_h + y) * in_w + x;
#endif
                }
            }
    output[out_at] = best;
#ifdef INDICES
    indices[out_at] = channel * in_d * in_h * in_w + best_at;
#endif
}

/* The mean over the window's elements inside the input; with -DCOUNT_PADDING also over its padding (pad_end is how much of that lies behind
 * the input), but never over what ceil_mode lets hang further out. */
kernel void average_pool(global const float *input, global float *output, int in_d, int in_h, int in_w, int out_d, int out_h,
                         int out_w, int end_d, int end_h, int end_w)
{
    WINDOW
    float sum = 0.0f;
    int count = 0;
    for (int i = 0; i < KERNEL_D; i++)
        for (int j = 0; j < KERNEL_H; j++)
            for (int k = 0; k < KERNEL_W; k++) {
                const int z = z0 + i * DILATION_D, y = y0 + j * DILATION_H, x = x0 + k * DILATION_W;
#ifdef COUNT_PADDING
                count += z < in_d + end_d && y < in_h + end_h && x < in_w + end_w;
#endif
                if (!INSIDE(z, in_d) || !INSIDE(y, in_h) || !INSIDE(x, in_w))
                    continue;
                sum += in[((long)z * in_h + y) * in_w + x];
#ifndef COUNT_PADDING
                count++;
#endif
            }
    output[out_at] = sum / (float)count;
}
