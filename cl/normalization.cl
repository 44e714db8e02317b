/* Each row of x [rows, length] less its mean m, over its deviation d = sqrt(variance + epsilon), scaled and shifted:
 *
 *     y[r, i] = (x[r, i] - m_r) / d_r * scale[p] + shift[p]        p = (r % groups) * (length / inner) + i / inner
 *
 * Any rows, length a multiple of inner, all above 0, and below 2^31 but for the product of rows and length. SHIFT:
 * defined where there is one. EACH: defined for an inner of 1.
 *
 * A work-group of LANES work-items (a power of two) does a row, each in vectors of BLOCK. The variance is the mean of
 * (x - m)^2, by a second reading; sums come in runs, which lose less to rounding than one sum does. means and inverses
 * (1 / d), if not NULL, get the row's. */
#define RUN 32
#ifndef LANES
#define LANES 1
#endif

/* The sum over the work-items of a group; all get it. `shared` is [LANES], and free again behind it. */
inline float sum_of_lanes(float value, local float *shared)
{
#if LANES > 1
    const int lane = (int)get_local_id(0);
    shared[lane] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int n = LANES / 2; n > 0; n /= 2) {
        if (lane < n)
            shared[lane] += shared[lane + n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    value = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return value;
}

inline float sum_of_block(floatb value)
{
    float some[BLOCK], sum = 0.0f;
    store_block(value, 0, some);
    for (int i = 0; i < BLOCK; i++)
        sum += some[i];
    return sum;
}

/* This work-item's share of the sum of (x - m)^power, power being 1 or 2, over the row. */
inline float share_of_sum(global const float *x, int length, float m, int power)
{
    const int lane = (int)get_local_id(0), whole = length / BLOCK, step = LANES * RUN;
    floatb sum = 0.0f;
    float rest = 0.0f;
    for (int first = lane; first < whole; first += step) {
        const int end = min(first + step, whole);
        floatb run = 0.0f;
        for (int i = first; i < end; i += LANES) {
            const floatb some = load_block(i, x) - m;
            run += power == 2 ? some * some : some;
        }
        sum += run;
    }
    for (int i = whole * BLOCK + lane; i < length; i += LANES)
        rest += power == 2 ? (x[i] - m) * (x[i] - m) : x[i] - m;
    return sum_of_block(sum) + rest;
}

kernel void normalization(global float *y, global const float *x, global const float *scale,
                          global const float *shift, global float *means, global float *inverses, int length, int inner,
                          int groups, float epsilon)
{
    local float shared[LANES];
    const long row = (long)get_group_id(0);
    const int lane = (int)get_local_id(0);
    x += row * length;
    y += row * length;
    const float m = sum_of_lanes(share_of_sum(x, length, 0.0f, 1), shared) / (float)length;
    const float variance = sum_of_lanes(share_of_sum(x, length, m, 2), shared) / (float)length;
    const float inverse = 1.0f / sqrt(variance + epsilon);
    if (means && lane == 0)
        means[row] = m;
    if (inverses && lane == 0)
        inverses[row] = inverse;
    const int parameters = length / inner;
    scale += row % groups * parameters;
#ifdef SHIFT
    shift += row % groups * parameters;
#endif
#ifdef EACH
    const int whole = length / BLOCK;
    for (int i = lane; i < whole; i += LANES) {
        floatb value = (load_block(i, x) - m) * inverse * load_block(i, scale);
#ifdef SHIFT
        value += load_block(i, shift);
#endif
        store_block(value, i, y);
    }
    for (int i = whole * BLOCK + lane; i < length; i += LANES) {
        y[i] = (x[i] - m) * inverse * scale[i];
#ifdef SHIFT
        y[i] += shift[i];
#endif
    }
#else
    for (int p = 0; p < parameters; p++, x += inner, y += inner) {
        const int whole = inner / BLOCK;
        const float factor = inverse * scale[p];
#ifdef SHIFT
        const float offset = shift[p];
#else
        const float offset = 0.0f;
#endif
        for (int i = lane; i < whole; i += LANES)
            store_block((load_block(i, x) - m) * factor + offset, i, y);
        for (int i = whole * BLOCK + lane; i < inner; i += LANES)
            y[i] = (x[i] - m) * factor + offset;
    }
#endif
}
