/* Gradients of batch normalisation of x [n, channels, inner], any sizes. factors [4, stride]: see
 * batch_normalization.cl; mean and deviation are the batch's own (OWN defined) or were given.
 *
 * With s1 = the sum of dy over a channel, s2 = that of dy * (x - mean), count = n * inner:
 *     dshift += s1,  dscale += s2 / deviation,  dx += factor * dy,
 * and where the statistics are the batch's own, for these depend on x as well,
 *     dx += factor * (-s1 / count - (x - mean) / deviation^2 * s2 / count) = slope * (x - mean) + offset. */

/* pieces [pieces, 2, channels]: s1 and s2 of interleaved parts. Work-item (piece, channel). */
kernel void add_products(global float *pieces, global const float *dy, global const float *x,
                         global const float *factors, long n, long inner)
{
    const size_t piece = get_global_id(0), count = get_global_size(0);
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const float mean = factors[2 * channels + channel];
    float sum = 0.0f, products = 0.0f;
    for (long i = piece; i < n * inner; i += count) {
        const size_t at = (i / inner * channels + channel) * inner + i % inner;
        sum += dy[at];
        products += dy[at] * (x[at] - mean);
    }
    pieces[2 * piece * channels + channel] = sum;
    pieces[(2 * piece + 1) * channels + channel] = products;
}

/* Adds up `count` pieces, gives scale and shift their gradients, and writes what dx needs: slopes [stride], offsets
 * [stride], 0 behind the last channel. SCALE, SHIFT: defined where dscale, dshift are to be added to.
 * Work-item: place in a row. */
kernel void finish_products(global float *slopes, global float *dscale, global float *dshift,
                            global const float *pieces, global const float *factors, int count, long channels,
                            float elements)
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
        dscale[channel] += products * inverse;
#endif
#ifdef SHIFT
    if (exists)
        dshift[channel] += sum;
#endif
}

/* Work-item (inner, channel, image). */
kernel void batch_normalize_backward(global float *dx, global const float *dy, global const float *x,
                                     global const float *factors, global const float *slopes)
{
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const size_t i = (get_global_id(2) * channels + channel) * get_global_size(0) + get_global_id(0);
    float value = factors[channel] * dy[i];
#ifdef OWN
    value += slopes[channel] * (x[i] - factors[2 * channels + channel]) + slopes[channels + channel];
#endif
    dx[i] += value;
}

/* --- activations in blocks of channels, [n, blocks, pixels, BLOCK] --- */

#ifdef BLOCK
/* pieces [images, runs, 2, stride], for runs of `run` pixels. Work-item (run, block, image). */
kernel void add_products_blocked(global float *pieces, global const float *dy, global const float *x,
                                 global const float *factors, int pixels, int run)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    const size_t blocks = get_global_size(1), plane = get_global_id(2) * blocks + get_global_id(1);
    const size_t piece = get_global_id(2) * get_global_size(0) + get_global_id(0);
    const floatb mean = load_block(2 * blocks + get_global_id(1), factors);
    x += plane * pixels * BLOCK;
    dy += plane * pixels * BLOCK;
    pieces += piece * 2 * blocks * BLOCK;
    floatb sum = 0.0f, other_sum = 0.0f, products = 0.0f, other_products = 0.0f;
    int i = first;
    for (; i + 1 < end; i += 2) {
        const floatb a = load_block(i, dy), b = load_block(i + 1, dy);
        sum += a;
        other_sum += b;
        products = fma(a, load_block(i, x) - mean, products);
        other_products = fma(b, load_block(i + 1, x) - mean, other_products);
    }
    if (i < end) {
        const floatb a = load_block(i, dy);
        sum += a;
        products = fma(a, load_block(i, x) - mean, products);
    }
    store_block(sum + other_sum, get_global_id(1), pieces);
    store_block(products + other_products, blocks + get_global_id(1), pieces);
}

/* Work-item (run of `run` pixels, block, image). */
kernel void batch_normalize_backward_blocked(global float *dx, global const float *dy, global const float *x,
                                             global const float *factors, global const float *slopes, int pixels,
                                             int run)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    const size_t block = get_global_id(1), blocks = get_global_size(1), plane = get_global_id(2) * blocks + block;
    const floatb factor = load_block(block, factors);
#ifdef OWN
    const floatb mean = load_block(2 * blocks + block, factors);
    const floatb slope = load_block(block, slopes), offset = load_block(blocks + block, slopes);
#endif
    dx += plane * pixels * BLOCK;
    dy += plane * pixels * BLOCK;
    x += plane * pixels * BLOCK;
    for (int i = first; i < end; i++) {
        floatb value = fma(factor, load_block(i, dy), load_block(i, dx));
#ifdef OWN
        value += fma(slope, load_block(i, x) - mean, offset);
#endif
        store_block(value, i, dx);
    }
}
#endif
