/* y[i] = x reduced over some of its dimensions. Work-item i, one per element of y (row-major over the kept ones).
 *
 * REDUCTION (thaw_reduction of src/ops/shared/reduce.h): 1 sums up, 2 is the largest, 3 the smallest, 4 the sum of |x|,
 * 5 the root of the sum of x^2, 6 the sum of x^2, 7 the logarithm of the sum, 8 the product, 9 the logarithm of the sum
 * of e^x, the largest element being taken off first. NaN stays visible.
 *
 * Dimensions come as up to four groups of kept and four of reduced ones, each with extent and stride (in elements of
 * x), innermost first; unused ones have an extent of 1. Any extents; of nothing: what adding one element does not
 * change. */
#ifndef REDUCTION
#define REDUCTION 1
#endif

#if REDUCTION == 2
#define START        -INFINITY
#define JOINED(a, b) ((a) < (b) ? (b) : (b) == (b) ? (a) : (b))
#elif REDUCTION == 3
#define START        INFINITY
#define JOINED(a, b) ((a) > (b) ? (b) : (b) == (b) ? (a) : (b))
#elif REDUCTION == 8
#define START        1.0f
#define JOINED(a, b) ((a) * (b))
#else
#define START        0.0f
#define JOINED(a, b) ((a) + (b))
#endif

#if REDUCTION == 4
#define MAPPED(x) fabs(x)
#elif REDUCTION == 5 || REDUCTION == 6
#define MAPPED(x) ((x) * (x))
#elif REDUCTION == 9
#define MAPPED(x) exp((x)-top)
#else
#define MAPPED(x) (x)
#endif

#if REDUCTION == 5
#define FINISHED(x) sqrt(x)
#elif REDUCTION == 7
#define FINISHED(x) log(x)
#elif REDUCTION == 9
#define FINISHED(x) (log(x) + top)
#else
#define FINISHED(x) (x)
#endif

/* dy/dx of an element, for y as it came out; extremes share it among those that are equal. */
#if REDUCTION == 2 || REDUCTION == 3
#define SLOPE(x, y) ((x) == (y) ? 1.0f / equals : 0.0f)
#elif REDUCTION == 4
#define SLOPE(x, y) ((x) > 0.0f ? 1.0f : (x) < 0.0f ? -1.0f : 0.0f)
#elif REDUCTION == 5
#define SLOPE(x, y) ((y) > 0.0f ? (x) / (y) : 0.0f)
#elif REDUCTION == 6
#define SLOPE(x, y) (2.0f * (x))
#elif REDUCTION == 7
#define SLOPE(x, y) exp(-(y))
#elif REDUCTION == 9
#define SLOPE(x, y) exp((x) - (y))
#else
#define SLOPE(x, y) 1.0f
#endif

#define GROUPS(kind)                                                                                                   \
    long kind##_extent_0, long kind##_stride_0, long kind##_extent_1, long kind##_stride_1, long kind##_extent_2,      \
        long kind##_stride_2, long kind##_extent_3, long kind##_stride_3

#define RUN 32

/* Where the elements of the work-item's result begin. */
#define BEGIN                                                                                                          \
    long place = (long)get_global_id(0), begin = place % kept_extent_0 * kept_stride_0;                                \
    place /= kept_extent_0;                                                                                            \
    begin += place % kept_extent_1 * kept_stride_1;                                                                    \
    place /= kept_extent_1;                                                                                            \
    begin += place % kept_extent_2 * kept_stride_2 + place / kept_extent_2 * kept_stride_3

#define FOR_LINES                                                                                                      \
    for (long i3 = 0; i3 < reduced_extent_3; i3++)                                                                     \
        for (long i2 = 0; i2 < reduced_extent_2; i2++)                                                                 \
            for (long i1 = 0; i1 < reduced_extent_1; i1++)

#define LINE (begin + i3 * reduced_stride_3 + i2 * reduced_stride_2 + i1 * reduced_stride_1)

/* Along one group, run by run: an error that grows with count / RUN + RUN, not with count. */
static inline float line_value(global const float *x, long count, long stride, float top)
{
    float value = START;
    for (long first = 0; first < count; first += RUN) {
        const long end = min(first + RUN, count);
        float run = START;
        for (long i = first; i < end; i++)
            run = JOINED(run, MAPPED(x[i * stride]));
        value = JOINED(value, run);
    }
    return value;
}

kernel void reduce(global float *y, global const float *x, GROUPS(kept), GROUPS(reduced))
{
    float value = START, top = 0.0f;
    BEGIN;
#if REDUCTION == 9
    top = -INFINITY;
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {
        const float some = x[LINE + i0 * reduced_stride_0];
        top = some > top ? some : top;
    }
    top = fabs(top) < INFINITY ? top : 0.0f;
#endif
    FOR_LINES
    {
        const float line = line_value(x + LINE, reduced_extent_0, reduced_stride_0, top);
        value = JOINED(value, line);
    }
    y[get_global_id(0)] = FINISHED(value);
}

/* dx += dy * slope, for the elements of the work-item's result. */
kernel void reduce_backward(global float *dx, global const float *dy, global const float *x, global const float *y,
                            GROUPS(kept), GROUPS(reduced))
{
    const float result = y[get_global_id(0)], gradient = dy[get_global_id(0)];
    float equals = 0.0f;
    BEGIN;
#if REDUCTION == 2 || REDUCTION == 3
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++)
        equals += x[LINE + i0 * reduced_stride_0] == result ? 1.0f : 0.0f;
#endif
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {
        const long at = LINE + i0 * reduced_stride_0;
        dx[at] += gradient * SLOPE(x[at], result);
    }
}

/* The mean of the work-item's elements, and the root of the mean of their squares less that mean. */
#define FIND_DEVIATION                                                                                                 \
    BEGIN;                                                                                                             \
    float mean = 0.0f, deviation = 0.0f;                                                                               \
    FOR_LINES                                                                                                          \
    mean += line_value(x + LINE, reduced_extent_0, reduced_stride_0, 0.0f);                                            \
    mean /= count;                                                                                                     \
    FOR_LINES                                                                                                          \
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {                                                                   \
        const float less = x[LINE + i0 * reduced_stride_0] - mean;                                                     \
        deviation += less * less;                                                                                      \
    }                                                                                                                  \
    deviation = sqrt(deviation / count)

/* With REDUCTION 1: y = (x - mean) / (deviation + epsilon), for `count` elements each. Work-item: one for each of what
 * would be left of x. */
kernel void standardise(global float *y, global const float *x, float count, float epsilon, GROUPS(kept),
                        GROUPS(reduced))
{
    FIND_DEVIATION;
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {
        const long at = LINE + i0 * reduced_stride_0;
        y[at] = (x[at] - mean) / (deviation + epsilon);
    }
}

/* dx += (dy - the mean of dy - (x - mean) * the mean of dy * (x - mean) / (deviation * (deviation + epsilon))) /
 * (deviation + epsilon), the same way. */
kernel void standardise_backward(global float *dx, global const float *dy, global const float *x, float count,
                                 float epsilon, GROUPS(kept), GROUPS(reduced))
{
    FIND_DEVIATION;
    float sum = 0.0f, product = 0.0f;
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {
        const long at = LINE + i0 * reduced_stride_0;
        sum += dy[at];
        product += dy[at] * (x[at] - mean);
    }
    const float inverse = 1.0f / (deviation + epsilon);
    product *= deviation > 0.0f ? inverse / (deviation * count) : 0.0f;
    FOR_LINES
    for (long i0 = 0; i0 < reduced_extent_0; i0++) {
        const long at = LINE + i0 * reduced_stride_0;
        dx[at] += (dy[at] - sum / count - (x[at] - mean) * product) * inverse;
    }
}
