/* Gradients of batch normalisation of x [n, channels, inner], any sizes. factors [4, stride]: see
 * batch_normalization.cl; mean and deviation are the batch's own (OWN defined) or were given.
 *
 * With s1 = the sum of dy over a channel, s2 = that of dy * (x - mean), count = n * inner:
 *     dshift += s1,  dscale += s2 / deviation,  dx += factor * dy,
 * and where the statistics are the batch's own, for these depend on x as well,
 *     dx += factor * (-s1 / count - (x - mean) / deviation^2 * s2 / count) = slope * (x - mean) + offset.
 *
 * Where an activation follows, 1 (Relu) or 3 (Clip), dy is the gradient of its result: what goes into it is computed
 * again from x. An `add`, `add_scale`, `add_shift` of 0 replaces what is there. */
#if ACTIVATION == 1
#define SLOPED(dy, before) ((before) <= 0.0f ? 0.0f : (dy)) /* NaN must stay visible */
#elif ACTIVATION == 3
#define SLOPED(dy, before) ((before) > alpha && (before) < beta ? (dy) : 0.0f)
#define SLOPED_V(dy, before) (((before) > alpha) & ((before) < beta) ? (dy) : 0.0f)
#else
#define SLOPED(dy, before) (dy)
#endif
#ifndef SLOPED_V
#define SLOPED_V SLOPED
#endif

/* pieces [pieces, 2, channels]: s1 and s2 of interleaved parts. Work-item (piece, channel). */
kernel void add_products(global float *pieces, global const float *dy, global const float *x,
                         global const float *factors, long n, long inner, float alpha, float beta)
{
    const size_t piece = get_global_id(0), count = get_global_size(0);
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const float mean = factors[2 * channels + channel];
    const float factor = factors[channel], offset = factors[channels + channel];
    float sum = 0.0f, products = 0.0f;
    for (long i = piece; i < n * inner; i += count) {
        const size_t at = (i / inner * channels + channel) * inner + i % inner;
        const float given = SLOPED(dy[at], fma(x[at], factor, offset));
        sum += given;
        products += given * (x[at] - mean);
    }
    pieces[2 * piece * channels + channel] = sum;
    pieces[(2 * piece + 1) * channels + channel] = products;
}

/* Adds up `count` pieces, gives scale and shift their gradients, and writes what dx needs: slopes [stride], offsets
 * [stride], 0 behind the last channel. SCALE, SHIFT: defined where there are dscale, dshift.
 * Work-item: place in a row. */
kernel void finish_products(global float *slopes, global float *dscale, global float *dshift,
                            global const float *pieces, global const float *factors, int count, long channels,
                            float elements, int add_scale, int add_shift)
{
    const size_t channel = get_global_id(0), stride = get_global_size(0);
    const float factor = factors[channel], inverse = factors[3 * stride + channel];
    float sum = 0.0f, products = 0.0f;
    for (int i = 0; i < count; i++) {
        sum += pieces[(size_t)i * 2 * stride + channel];
        products += pieces[((size_t)i * 2 + 1) * stride + channel];
    }
    const bool exists = channel < channels;
    slopes[channel] = exists ? -factor * inverse * inverse * products / elements : 0.0f;
    slopes[stride + channel] = exists ? -factor * sum / elements : 0.0f;
#ifdef SCALE
    if (exists)
        dscale[channel] = (add_scale ? dscale[channel] : 0.0f) + products * inverse;
#endif
#ifdef SHIFT
    if (exists)
        dshift[channel] = (add_shift ? dshift[channel] : 0.0f) + sum;
#endif
}

/* Work-item (inner, channel, image). */
kernel void batch_normalize_backward(global float *dx, int add, global const float *dy, global const float *x,
                                     global const float *factors, global const float *slopes, float alpha, float beta)
{
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const size_t i = (get_global_id(2) * channels + channel) * get_global_size(0) + get_global_id(0);
    float value = factors[channel] * SLOPED(dy[i], fma(x[i], factors[channel], factors[channels + channel]));
#ifdef OWN
    value += slopes[channel] * (x[i] - factors[2 * channels + channel]) + slopes[channels + channel];
#endif
    dx[i] = add ? dx[i] + value : value;
}

/* --- activations in blocks of channels, [n, blocks, pixels, BLOCK] --- */

#ifdef BLOCK
/* pieces [images, runs, 2, stride], for runs of `run` pixels. Work-item (run, block, image). */
kernel void add_products_blocked(global float *pieces, global const float *dy, global const float *x,
                                 global const float *factors, int pixels, int run, float alpha, float beta)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    const size_t blocks = get_global_size(1), plane = get_global_id(2) * blocks + get_global_id(1);
    const size_t piece = get_global_id(2) * get_global_size(0) + get_global_id(0);
    const floatb mean = load_block(2 * blocks + get_global_id(1), factors);
    const floatb factor = load_block(get_global_id(1), factors);
    const floatb offset = load_block(blocks + get_global_id(1), factors);
    x += plane * pixels * BLOCK;
    dy += plane * pixels * BLOCK;
    pieces += piece * 2 * blocks * BLOCK;
    floatb sum = 0.0f, other_sum = 0.0f, products = 0.0f, other_products = 0.0f;
    int i = first;
    for (; i + 1 < end; i += 2) {
        const floatb p = load_block(i, x), q = load_block(i + 1, x);
        const floatb a = SLOPED_V(load_block(i, dy), fma(p, factor, offset));
        const floatb b = SLOPED_V(load_block(i + 1, dy), fma(q, factor, offset));
        sum += a;
        other_sum += b;
        products = fma(a, p - mean, products);
        other_products = fma(b, q - mean, other_products);
    }
    if (i < end) {
        const floatb p = load_block(i, x), a = SLOPED_V(load_block(i, dy), fma(p, factor, offset));
        sum += a;
        products = fma(a, p - mean, products);
    }
    store_block(sum + other_sum, get_global_id(1), pieces);
    store_block(products + other_products, blocks + get_global_id(1), pieces);
}

/* Work-item (run of `run` pixels, block, image). */
kernel void batch_normalize_backward_blocked(global float *dx, int add, global const float *dy, global const float *x,
                                             global const float *factors, global const float *slopes, int pixels,
                                             int run, float alpha, float beta)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    const size_t block = get_global_id(1), blocks = get_global_size(1), plane = get_global_id(2) * blocks + block;
    const floatb factor = load_block(block, factors), shift = load_block(blocks + block, factors);
#ifdef OWN
    const floatb mean = load_block(2 * blocks + block, factors);
    const floatb slope = load_block(block, slopes), offset = load_block(blocks + block, slopes);
#endif
    dx += plane * pixels * BLOCK;
    dy += plane * pixels * BLOCK;
    x += plane * pixels * BLOCK;
    for (int i = first; i < end; i++) {
        const floatb number = load_block(i, x), given = SLOPED_V(load_block(i, dy), fma(number, factor, shift));
        floatb value = fma(factor, given, add ? load_block(i, dx) : 0.0f);
#ifdef OWN
        value += fma(slope, number - mean, offset);
#endif
        store_block(value, i, dx);
    }
}
#endif
