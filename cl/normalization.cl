/* Each row of x [rows, length] less its mean m, over its deviation d = sqrt(variance + epsilon), scaled and shifted:
 *
 *     y[r, i] = (x[r, i] - m_r) / d_r * scale[p] + shift[p]        p = (r % groups) * (length / inner) + i / inner
 *
 * Any rows, length a multiple of inner, all above 0, and below 2^31 but for the product of rows and length. SHIFT:
 * defined where there is one. EACH: defined for an inner of 1.
 *
 * A work-group of LANES work-items (a power of two) does a row, each in vectors of BLOCK. The variance is the mean of
 * (x - m)^2, by a second reading; sums come in runs, which lose less to rounding than one sum does. means and inverses
 * (1 / d), if not NULL, get the row's.
 *
 * BACKWARD: the gradients instead. With h = (x - m) / d and g = dy * scale:
 *
 *     dx = (g - the row's mean of g - h * the row's mean of g * h) / d
 *     dscale[p] = the sum of dy * h, dshift[p] = the sum of dy, over all elements that p scales and shifts
 *
 * Sums always come in the same order. */
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

#ifndef BACKWARD

kernel void normalization(global float *y, global const float *x, global const float *scale, global const float *shift,
                          global float *means, global float *inverses, int length, int inner, int groups, float epsilon)
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

#else

/* Adds this work-item's shares of the sums of g and g * (x - m), for elements of one scale, or of one each. */
inline void add_shares(global const float *x, global const float *dy, global const float *scale, int count, float m,
                       float *g, float *gh)
{
    const int lane = (int)get_local_id(0), whole = count / BLOCK;
    floatb sum = 0.0f, product = 0.0f;
#ifdef EACH
#define SCALE_BLOCK(i) load_block(i, scale)
#define SCALE(i)       scale[i]
#else
#define SCALE_BLOCK(i) scale[0]
#define SCALE(i)       scale[0]
#endif
    for (int i = lane; i < whole; i += LANES) {
        const floatb some = load_block(i, dy) * SCALE_BLOCK(i);
        sum += some;
        product += some * (load_block(i, x) - m);
    }
    *g += sum_of_block(sum);
    *gh += sum_of_block(product);
    for (int i = whole * BLOCK + lane; i < count; i += LANES) {
        *g += dy[i] * SCALE(i);
        *gh += dy[i] * SCALE(i) * (x[i] - m);
    }
}

/* A row per work-group. DX: defined where dx is wanted, which is added to with `add`, and replaced without. statistics
 * [rows, 2] gets the row's m and 1 / d. */
kernel void normalization_backward(global float *dx, global float *statistics, global const float *dy,
                                   global const float *x, global const float *scale, int length, int inner, int groups,
                                   float epsilon, int add)
{
    local float shared[LANES];
    const long row = (long)get_group_id(0);
    const int lane = (int)get_local_id(0);
    x += row * length;
    dy += row * length;
    const float m = sum_of_lanes(share_of_sum(x, length, 0.0f, 1), shared) / (float)length;
    const float variance = sum_of_lanes(share_of_sum(x, length, m, 2), shared) / (float)length;
    const float inverse = 1.0f / sqrt(variance + epsilon);
    if (lane == 0) {
        statistics[2 * row] = m;
        statistics[2 * row + 1] = inverse;
    }
#ifdef DX
    dx += row * length;
#ifdef EACH
    const int count = length;
#else
    const int count = inner;
#endif
    scale += row % groups * (length / inner);
    float g = 0.0f, gh = 0.0f;
    for (int p = 0; p * count < length; p++)
        add_shares(x + p * count, dy + p * count, scale + p, count, m, &g, &gh);
    g = sum_of_lanes(g, shared) / (float)length;
    gh = sum_of_lanes(gh, shared) / (float)length * inverse * inverse;
    for (int p = 0; p * count < length; p++, x += count, dy += count, dx += count, scale++) {
        const int whole = count / BLOCK;
        for (int i = lane; i < whole; i += LANES) {
            const floatb some = load_block(i, dy) * SCALE_BLOCK(i) - g - (load_block(i, x) - m) * gh;
            store_block(add ? load_block(i, dx) + some * inverse : some * inverse, i, dx);
        }
        for (int i = whole * BLOCK + lane; i < count; i += LANES) {
            const float some = (dy[i] * SCALE(i) - g - (x[i] - m) * gh) * inverse;
            dx[i] = add ? dx[i] + some : some;
        }
    }
#endif
}

/* dscale and dshift, either of which may be NULL. Work-item: a parameter p; with EACH the BLOCK from get_global_id(0) *
 * BLOCK on, or as many as are left of them. */
kernel void normalization_backward_parameters(global float *dscale, global float *dshift, global const float *dy,
                                              global const float *x, global const float *statistics, long rows,
                                              int length, int inner, int groups, int add_scale, int add_shift)
{
    const int parameters = length / inner;
#ifdef EACH
    const int first = (int)get_global_id(0) * BLOCK, end = min(first + BLOCK, groups * parameters);
    if (first + BLOCK == end && groups == 1) {
        floatb scale = 0.0f, shift = 0.0f;
        for (long start = 0; start < rows; start += RUN) {
            floatb product = 0.0f, sum = 0.0f;
            for (long row = start; row < min(start + RUN, rows); row++) {
                const floatb some = load_block(0, dy + row * length + first);
                sum += some;
                product +=
                    some * (load_block(0, x + row * length + first) - statistics[2 * row]) * statistics[2 * row + 1];
            }
            scale += product;
            shift += sum;
        }
        if (dscale)
            store_block(add_scale ? load_block(0, dscale + first) + scale : scale, 0, dscale + first);
        if (dshift)
            store_block(add_shift ? load_block(0, dshift + first) + shift : shift, 0, dshift + first);
        return;
    }
#else
    const int first = (int)get_global_id(0), end = first + 1;
#endif
    for (int p = first; p < end; p++) {
        float scale = 0.0f, shift = 0.0f;
        for (long row = p / parameters; row < rows; row += groups) {
            const long at = row * length + (long)(p % parameters) * inner;
            const float m = statistics[2 * row], inverse = statistics[2 * row + 1];
            float product = 0.0f, sum = 0.0f;
            for (int i = 0; i < inner; i++) {
                sum += dy[at + i];
                product += dy[at + i] * (x[at + i] - m);
            }
            scale += product * inverse;
            shift += sum;
        }
        if (dscale)
            dscale[p] = add_scale ? dscale[p] + scale : scale;
        if (dshift)
            dshift[p] = add_shift ? dshift[p] + shift : shift;
    }
}

#endif
