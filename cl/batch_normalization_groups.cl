/* Batch normalisation of row-major x [n, channels, inner] and its gradients for devices whose work-items are cheap and
 * should read neighbours. For the formulas, factors [4, channels] and statistics [2, channels] see
 * batch_normalization.cl and batch_normalization_backward.cl. n * channels * inner below 2^31, all above 0.
 *
 * Numbers come in vectors of WIDTH, 4 or 1: inner is `row` of them, a channel n * row = `count`. Sums over a channel
 * are made of `pieces` parts, LOADS vectors for each work-item of a group, side by side; pieces that they leave lie at
 * [channels, pieces]. Work-groups have at most LANES work-items, a power of two. The order of a sum never changes. */
#ifndef WIDTH
#define WIDTH 1
#endif
#define LANES 256
#define LOADS 8

#if WIDTH == 4
typedef float4 number;
#define SUM(v) (((v).s0 + (v).s1) + ((v).s2 + (v).s3))
#define ACTIVATE(v, a, b)                                                                                              \
    (float4)(activate((v).s0, a, b), activate((v).s1, a, b), activate((v).s2, a, b), activate((v).s3, a, b))
#else
typedef float number;
#define SUM(v)            (v)
#define ACTIVATE(v, a, b) activate(v, a, b)
#endif

#if ACTIVATION == 1
#define SLOPED(dy, before) ((before) <= 0.0f ? 0.0f : (dy)) /* NaN must stay visible */
#elif ACTIVATION == 3
#define SLOPED(dy, before) ((((before) > alpha) & ((before) < beta)) ? (dy) : 0.0f)
#else
#define SLOPED(dy, before) (dy)
#endif

/* The sums over the work-items of a group; all get them. `shared` is free again behind it. */
inline float2 sum_of_group(float2 value, local float2 *shared)
{
    const uint lane = (uint)get_local_id(0);
    shared[lane] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint n = (uint)get_local_size(0) / 2; n > 0; n /= 2) {
        if (lane < n)
            shared[lane] += shared[lane + n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    value = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return value;
}

/* The way of a work-item through its group's piece: number `at` of the channel's vectors, in a row and there. */
typedef struct way {
    uint channel, at, image, column;
} way;

inline way begin(uint pieces, uint row)
{
    const uint group = (uint)get_group_id(0), piece = group % pieces;
    way to;
    to.channel = group / pieces;
    to.at = piece * LOADS * (uint)get_local_size(0) + (uint)get_local_id(0);
    to.image = to.at / row;
    to.column = to.at % row;
    return to;
}

/* Where in x the way is; not `inside`, behind the channel's end, some place in it: nobody has to part to load. */
inline uint place_of(way to, bool inside, uint channels, uint row)
{
    return ((inside ? to.image : 0) * channels + to.channel) * row + to.column;
}

inline way next(way from, uint row)
{
    const uint step = (uint)get_local_size(0), column = from.column + step % row;
    const bool wraps = column >= row;
    from.at += step;
    from.image += step / row + (wraps ? 1 : 0);
    from.column = wraps ? column - row : column;
    return from;
}

/* pieces: of each the mean, and the sum of squares of what is off that. The piece stays in registers. Work-group:
 * piece, those of a channel side by side. */
kernel void add_moments(global float2 *restrict pieces, global const number *restrict x, uint piece_count,
                        uint channels, uint row, uint count)
{
    local float2 shared[LANES];
    const uint lanes = (uint)get_local_size(0), first = (uint)get_group_id(0) % piece_count * LOADS * lanes;
    const float elements = (float)(min(LOADS * lanes, count - first) * WIDTH);
    const way start = begin(piece_count, row);
    way to = start;
    number some[LOADS], sum = 0.0f;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        const bool inside = to.at < count;
        some[i] = x[place_of(to, inside, channels, row)];
        sum += inside ? some[i] : (number)0.0f;
        to = next(to, row);
    }
    const float mean = sum_of_group((float2)(SUM(sum), 0.0f), shared).s0 / elements;
    sum = 0.0f;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        const number off = start.at + i * lanes < count ? some[i] - mean : (number)0.0f;
        sum = fma(off, off, sum);
    }
    const float squares = sum_of_group((float2)(SUM(sum), 0.0f), shared).s0;
    if (get_local_id(0) == 0)
        pieces[get_group_id(0)] = (float2)(mean, squares);
}

/* Joins them as join_moments() does, makes factors of what comes of it, and moves those of the running statistics that
 * are not NULL: running = old * momentum + batch's * share. A piece has `run` of the channel's elements, the last one
 * what is left. Work-group: channel. */
kernel void finish_moments(global float *restrict statistics, global float *restrict factors,
                           global const float2 *restrict pieces, global const float *restrict scale,
                           global const float *restrict shift, float epsilon, uint piece_count, uint run, uint elements,
                           global float *running_mean, global const float *old_mean, global float *running_variance,
                           global const float *old_variance, float momentum, float mean_share, float variance_share)
{
    local float2 shared[LANES];
    const uint channel = (uint)get_group_id(0), channels = (uint)get_num_groups(0), lanes = (uint)get_local_size(0);
    const uint lane = (uint)get_local_id(0);
    const float all = (float)elements;
    float sum = 0.0f;
    pieces += (size_t)channel * piece_count;
    for (uint i = lane; i < piece_count; i += lanes)
        sum += pieces[i].s0 * ((float)min(run, elements - i * run) / all);
    const float mean = sum_of_group((float2)(sum, 0.0f), shared).s0;
    sum = 0.0f;
    for (uint i = lane; i < piece_count; i += lanes) {
        const float2 piece = pieces[i];
        const float off = piece.s0 - mean;
        sum += piece.s1 + off * off * (float)min(run, elements - i * run);
    }
    const float variance = sum_of_group((float2)(sum, 0.0f), shared).s0 / all;
    if (lane == 0) {
        const float inverse = 1.0f / sqrt(variance + epsilon), factor = scale[channel] * inverse;
        statistics[channel] = mean;
        statistics[channels + channel] = variance;
        factors[channel] = factor;
        factors[channels + channel] = shift[channel] - mean * factor;
        factors[2 * channels + channel] = mean;
        factors[3 * channels + channel] = inverse;
        if (running_mean)
            running_mean[channel] = old_mean[channel] * momentum + mean * mean_share;
        if (running_variance)
            running_variance[channel] = old_variance[channel] * momentum + variance * variance_share;
    }
}

/* y = activation((x - mean) * factor + shift + residual), which loses less than one fma() where the mean is far from 0.
 * Work-item: vector of x; there may be more than `vectors` of these. */
kernel void batch_normalize(global number *y, global const number *x, global const float *restrict factors,
                            global const float *restrict shift, global const number *residual, float alpha, float beta,
                            uint channels, uint row, uint vectors)
{
    const uint i = (uint)get_global_id(0);
    if (i < vectors) {
        const uint channel = i / row % channels;
        number value = fma(x[i] - factors[2 * channels + channel], factors[channel], shift[channel]);
#ifdef RESIDUAL
        value += residual[i];
#endif
        y[i] = ACTIVATE(value, alpha, beta);
    }
}

/* This work-item's share of s1 and s2. A `whole` piece has all of its vectors: without a choice between them compilers
 * load one while they wait for another. */
__attribute__((always_inline)) inline float2 share_of_products(global const number *dy, global const number *x, way to,
                                                               bool whole, float factor, float offset, float mean,
                                                               float alpha, float beta, uint channels, uint row,
                                                               uint count)
{
    number sum = 0.0f, products = 0.0f;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        const bool inside = whole || to.at < count;
        const uint place = place_of(to, inside, channels, row);
        const number value = x[place], given = SLOPED(dy[place], fma(value, factor, offset));
        sum += inside ? given : (number)0.0f;
        products += inside ? given * (value - mean) : (number)0.0f;
        to = next(to, row);
    }
    return (float2)(SUM(sum), SUM(products));
}

/* pieces: s1 and s2 of each. Work-group: piece, those of a channel side by side. */
kernel void add_products(global float2 *restrict pieces, global const number *restrict dy,
                         global const number *restrict x, global const float *restrict factors, float alpha, float beta,
                         uint piece_count, uint channels, uint row, uint count)
{
    local float2 shared[LANES];
    const way to = begin(piece_count, row);
    const float mean = factors[2 * channels + to.channel];
    const float factor = factors[to.channel], offset = factors[channels + to.channel];
    const uint lanes = (uint)get_local_size(0);
    float2 sums;
    if ((uint)get_group_id(0) % piece_count * LOADS * lanes + LOADS * lanes <= count)
        sums = share_of_products(dy, x, to, true, factor, offset, mean, alpha, beta, channels, row, count);
    else
        sums = share_of_products(dy, x, to, false, factor, offset, mean, alpha, beta, channels, row, count);
    sums = sum_of_group(sums, shared);
    if (get_local_id(0) == 0)
        pieces[get_group_id(0)] = sums;
}

/* Gives scale and shift their gradients where these are not NULL, and writes what dx needs: slopes [channels], offsets
 * [channels]. Work-group: channel. */
kernel void finish_products(global float *restrict slopes, global float *restrict dscale, global float *restrict dshift,
                            global const float2 *restrict pieces, global const float *restrict factors,
                            uint piece_count, float elements, int add_scale, int add_shift)
{
    local float2 shared[LANES];
    const uint channel = (uint)get_group_id(0), channels = (uint)get_num_groups(0), lanes = (uint)get_local_size(0);
    float2 sums = 0.0f;
    pieces += (size_t)channel * piece_count;
    for (uint i = (uint)get_local_id(0); i < piece_count; i += lanes)
        sums += pieces[i];
    sums = sum_of_group(sums, shared);
    if (get_local_id(0) == 0) {
        const float factor = factors[channel], inverse = factors[3 * channels + channel];
        slopes[channel] = -factor * inverse * inverse * sums.s1 / elements;
        slopes[channels + channel] = -factor * sums.s0 / elements;
        if (dscale)
            dscale[channel] = (add_scale ? dscale[channel] : 0.0f) + sums.s1 * inverse;
        if (dshift)
            dshift[channel] = (add_shift ? dshift[channel] : 0.0f) + sums.s0;
    }
}

/* own: whether the statistics are the batch's own. Work-item: vector of x; there may be more than `vectors` of these.
 */
kernel void batch_normalize_backward(global number *dx, int add, global const number *dy, global const number *x,
                                     global const float *restrict factors, global const float *restrict slopes, int own,
                                     float alpha, float beta, uint channels, uint row, uint vectors)
{
    const uint i = (uint)get_global_id(0);
    if (i < vectors) {
        const uint channel = i / row % channels;
        const number before = x[i], given = SLOPED(dy[i], fma(before, factors[channel], factors[channels + channel]));
        number value = given * factors[channel];
        if (own)
            value += slopes[channel] * (before - factors[2 * channels + channel]) + slopes[channels + channel];
        if (add)
            value += dx[i];
        dx[i] = value;
    }
}
