/* Batch normalisation of x [n, channels, inner], any sizes.
 *
 * statistics [2 + pieces, channels]: in training, the batch's mean[channels], then its population variance[channels],
 * then partial sums [channels, pieces]. Two passes, sums in a fixed order: the same run gives the same bits.
 *
 * factors [4, stride]: for each channel what x is multiplied with, what is added to that, the mean, and 1 / the standard
 * deviation. 0 behind the last channel: stride is channels, to whole blocks. */

/* y = activation((x - mean) / sqrt(variance + epsilon) * scale + shift + residual). Work-item (inner, channel, image).
 * The variance lies at variance[variance_offset + channel]. RESIDUAL: defined where there is one. */
kernel void batch_normalize(global float *y, global const float *x, global const float *scale,
                            global const float *shift, global const float *mean, global const float *variance,
                            long variance_offset, float epsilon, global const float *residual, float alpha, float beta)
{
    const size_t channel = get_global_id(1);
    const size_t i = (get_global_id(2) * get_global_size(1) + channel) * get_global_size(0) + get_global_id(0);
    const float factor = scale[channel] / sqrt(variance[variance_offset + channel] + epsilon);
    float value = (x[i] - mean[channel]) * factor + shift[channel];
#ifdef RESIDUAL
    value += residual[i];
#endif
    y[i] = activate(value, alpha, beta);
}

/* Sums of x (power 1) or of (x - mean)^2 (power 2) over one of `pieces` interleaved parts.
 * Work-item (piece, channel). */
kernel void add_pieces(global float *statistics, global const float *x, long n, long inner, int power)
{
    const size_t piece = get_global_id(0), pieces = get_global_size(0);
    const size_t channel = get_global_id(1), channels = get_global_size(1);
    const float mean = power == 2 ? statistics[channel] : 0.0f;
    float sum = 0.0f;
    for (long i = piece; i < n * inner; i += pieces) {
        const float value = x[(i / inner * channels + channel) * inner + i % inner] - mean;
        sum += power == 2 ? value * value : value;
    }
    statistics[2 * channels + channel * pieces + piece] = sum;
}

/* Adds up the pieces of `count` elements and divides: the mean (power 1) or the variance (2). Work-item: channel. */
kernel void finish_moment(global float *statistics, int pieces, long count, int power)
{
    const size_t channel = get_global_id(0), channels = get_global_size(0);
    global const float *sums = statistics + 2 * channels + channel * pieces;
    float sum = 0.0f;
    for (int i = 0; i < pieces; i++)
        sum += sums[i];
    statistics[(power - 1) * channels + channel] = sum / (float)count;
}

/* running = old * momentum + statistics[offset + channel] * share, which is 1 - momentum, more where a variance is to
 * speak for more than the batch. Running and old may be the same. Work-item: channel. */
kernel void move_average(global float *running, global const float *old, global const float *statistics, long offset,
                         float momentum, float share)
{
    const size_t channel = get_global_id(0);
    running[channel] = old[channel] * momentum + statistics[offset + channel] * share;
}

/* The variance lies at variance[variance_offset + channel]. Work-item: place in a row of factors. */
kernel void make_factors(global float *factors, global const float *scale, global const float *shift,
                         global const float *mean, global const float *variance, long variance_offset, float epsilon,
                         long channels)
{
    const size_t channel = get_global_id(0), stride = get_global_size(0);
    const bool exists = channel < channels;
    const float inverse = exists ? 1.0f / sqrt(variance[variance_offset + channel] + epsilon) : 0.0f;
    const float factor = exists ? scale[channel] * inverse : 0.0f;
    factors[channel] = factor;
    factors[stride + channel] = exists ? shift[channel] - mean[channel] * factor : 0.0f;
    factors[2 * stride + channel] = exists ? mean[channel] : 0.0f;
    factors[3 * stride + channel] = inverse;
}

#ifdef NHWC
/* Activations with all channels side by side, [n, pixels, channels]: y = activation(x * factor + offset + residual),
 * where factors holds a factor for each channel, then an offset for each. Work-item (element of the image, image). */
kernel void batch_normalize_nhwc(global float *y, global const float *x, global const float *factors,
                                 global const float *residual, float alpha, float beta, int channels)
{
    const int channel = (int)(get_global_id(0) % channels);
    const size_t i = get_global_id(1) * get_global_size(0) + get_global_id(0);
    float value = fma(x[i], factors[channel], factors[channels + channel]);
#ifdef RESIDUAL
    value += residual[i];
#endif
    y[i] = activate(value, alpha, beta);
}
#endif

#ifdef BLOCK
/* Activations in blocks of channels, [n, blocks, pixels, BLOCK]: y = activation(x * factor + offset + residual).
 * Work-item (run of `run` pixels, block, image). */
kernel void batch_normalize_blocked(global float *y, global const float *x, global const float *factors,
                                    global const float *residual, float alpha, float beta, int pixels, int run)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    const size_t blocks = get_global_size(1), plane = get_global_id(2) * blocks + get_global_id(1);
    const floatb factor = load_block(get_global_id(1), factors);
    const floatb offset = load_block(blocks + get_global_id(1), factors);
    x += plane * pixels * BLOCK;
    y += plane * pixels * BLOCK;
#ifdef RESIDUAL
    residual += plane * pixels * BLOCK;
#endif
    for (int i = first; i < end; i++) {
        floatb value = fma(load_block(i, x), factor, offset);
#ifdef RESIDUAL
        value += load_block(i, residual);
#endif
        store_block(activate_v(value, alpha, beta), i, y);
    }
}

/* For each run of `run` pixels its mean, then the sum of squares of what is off that: pieces [images, runs, 2, stride].
 * The second look at a run finds it in the cache. Work-item (run, block, image). */
kernel void add_moments_blocked(global float *pieces, global const float *x, int pixels, int run)
{
    const int first = (int)get_global_id(0) * run, count = min(first + run, pixels) - first;
    const size_t blocks = get_global_size(1), piece = get_global_id(2) * get_global_size(0) + get_global_id(0);
    x += ((get_global_id(2) * blocks + get_global_id(1)) * pixels + first) * BLOCK;
    pieces += piece * 2 * blocks * BLOCK;
    floatb even = 0.0f, odd = 0.0f;
    for (int i = 0; i + 1 < count; i += 2) {
        even += load_block(i, x);
        odd += load_block(i + 1, x);
    }
    if (count % 2)
        even += load_block(count - 1, x);
    const floatb mean = (even + odd) / (float)count;
    even = odd = 0.0f;
    for (int i = 0; i + 1 < count; i += 2) {
        const floatb a = load_block(i, x) - mean, b = load_block(i + 1, x) - mean;
        even = fma(a, a, even);
        odd = fma(b, b, odd);
    }
    if (count % 2) {
        const floatb a = load_block(count - 1, x) - mean;
        even = fma(a, a, even);
    }
    store_block(mean, get_global_id(1), pieces);
    store_block(even + odd, blocks + get_global_id(1), pieces);
}
#endif

/* Joins such pieces: squares around the runs' own means, and those of the means around the whole one (Chan, Golub,
 * LeVeque 1979). statistics: mean [stride], variance [stride]. Work-item: place in a row. */
kernel void join_moments(global float *statistics, global const float *pieces, int images, int runs, int run,
                         int pixels)
{
    const size_t channel = get_global_id(0), stride = get_global_size(0);
    const float all = (float)images * (float)pixels;
    float mean = 0.0f, squares = 0.0f;
    for (int i = 0; i < images * runs; i++) {
        const int count = min(run, pixels - i % runs * run);
        mean += pieces[(size_t)i * 2 * stride + channel] * ((float)count / all);
    }
    for (int i = 0; i < images * runs; i++) {
        const int count = min(run, pixels - i % runs * run);
        const float off = pieces[(size_t)i * 2 * stride + channel] - mean;
        squares += pieces[((size_t)i * 2 + 1) * stride + channel] + off * off * (float)count;
    }
    statistics[channel] = mean;
    statistics[stride + channel] = squares / all;
}
