/* y[i] = the mean of x over some of its dimensions. Work-item i, one per element of y (row-major over the kept ones).
 *
 * Dimensions come as up to four groups of kept and four of reduced ones, each with extent and stride (in elements of
 * x), innermost first; unused ones have an extent of 1. Any extents; the mean of nothing is NaN. */

#define GROUPS(kind)                                                                                                   \
    long kind##_extent_0, long kind##_stride_0, long kind##_extent_1, long kind##_stride_1, long kind##_extent_2,      \
        long kind##_stride_2, long kind##_extent_3, long kind##_stride_3

#define RUN 32

/* The sum along one group, run by run: an error that grows with count / RUN + RUN, not with count. */
static inline float line_sum(global const float *x, long count, long stride)
{
    float sum = 0.0f;
    for (long first = 0; first < count; first += RUN) {
        const long end = min(first + RUN, count);
        float run = 0.0f;
        for (long i = first; i < end; i++)
            run += x[i * stride];
        sum += run;
    }
    return sum;
}

kernel void reduce_mean(global float *y, global const float *x, GROUPS(kept), GROUPS(reduced))
{
    long place = (long)get_global_id(0);
    x += place % kept_extent_0 * kept_stride_0;
    place /= kept_extent_0;
    x += place % kept_extent_1 * kept_stride_1;
    place /= kept_extent_1;
    x += place % kept_extent_2 * kept_stride_2 + place / kept_extent_2 * kept_stride_3;
    float sum_3 = 0.0f;
    for (long i3 = 0; i3 < reduced_extent_3; i3++) {
        float sum_2 = 0.0f;
        for (long i2 = 0; i2 < reduced_extent_2; i2++) {
            float sum_1 = 0.0f;
            for (long i1 = 0; i1 < reduced_extent_1; i1++)
                sum_1 += line_sum(x + i3 * reduced_stride_3 + i2 * reduced_stride_2 + i1 * reduced_stride_1,
                                  reduced_extent_0, reduced_stride_0);
            sum_2 += sum_1;
        }
        sum_3 += sum_2;
    }
    const long count = reduced_extent_0 * reduced_extent_1 * reduced_extent_2 * reduced_extent_3;
    y[get_global_id(0)] = sum_3 / (float)count;
}

/* Of x [n, count, channels], count > 0, into y [n, pieces, channels]: what each piece (every pieces-th of the count)
 * adds to the mean of the pieces. Work-item (channel, piece, image). */
kernel void reduce_mean_pieces(global float *y, global const float *x, int count)
{
    const int pieces = (int)get_global_size(1), piece = (int)get_global_id(1);
    const long step = (long)get_global_size(0) * pieces;
    x += (get_global_id(2) * count + piece) * get_global_size(0) + get_global_id(0);
    const float sum = line_sum(x, (count - piece + pieces - 1) / pieces, step);
    y[(get_global_id(2) * pieces + piece) * get_global_size(0) + get_global_id(0)] = sum * pieces / count;
}

#ifdef BLOCK
/* The same for activations in blocks of channels, [planes, count, BLOCK] to [planes, BLOCK]. Work-item: plane. */
kernel void reduce_mean_blocked(global float *y, global const float *x, int count)
{
    floatb sum = 0.0f;
    x += get_global_id(0) * count * BLOCK;
    for (int first = 0; first < count; first += RUN) {
        const int end = min(first + RUN, count);
        floatb even = 0.0f, odd = 0.0f;
        for (int i = first; i + 1 < end; i += 2) {
            even += load_block(i, x);
            odd += load_block(i + 1, x);
        }
        sum += even + odd;
        if ((end - first) % 2)
            sum += load_block(end - 1, x);
    }
    store_block(sum / (float)count, get_global_id(0), y);
}
#endif
