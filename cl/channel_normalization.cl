/* Each pixel of x [n, c, h, w] less the mean m of its channels, over their deviation d = sqrt(variance + epsilon),
 * scaled and shifted by channel:
 *
 *     y[n, k, pixel] = (x[n, k, pixel] - m) / d * scale[k] + shift[k]
 *
 * Any sizes above 0; an image's elements fit an int. The variance is the mean of (x - m)^2, by a second reading.
 *
 * BLOCK: in blocks of so many channels, scale and shift: [blocks, BLOCK], with zeros for channels that don't exist, as
 * y gets them. Piece (run of `run` pixels, 1, image): TILE pixels at a time, whose sums don't wait for each other.
 *
 * Without: row-major; work-item (pixel, image). SHIFT: defined where there is one. */

#ifdef BLOCK

#ifndef TILE
#define TILE 8
#endif

#define NUMBERS_4  0, 1, 2, 3
#define NUMBERS_8  NUMBERS_4, 4, 5, 6, 7
#define NUMBERS_16 NUMBERS_8, 8, 9, 10, 11, 12, 13, 14, 15

#define SUM_4(x)        (((x).s0 + (x).s1) + ((x).s2 + (x).s3))
#define SUM_8(x)        SUM_4((x).lo + (x).hi)
#define SUM_16(x)       SUM_8((x).lo + (x).hi)
#define sum_of_block(x) JOIN(SUM_, BLOCK)(x)

kernel void channel_normalization(global float *restrict y, global const float *restrict x,
                                  global const float *restrict scale, global const float *restrict shift, int channels,
                                  int pixels, float epsilon, int run, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const int blocks = (channels + BLOCK - 1) / BLOCK, last = blocks - 1, end = min((piece.x + 1) * run, pixels);
        const JOIN(int, BLOCK) exists = (JOIN(int, BLOCK))(JOIN(NUMBERS_, BLOCK)) < channels - last * BLOCK;
        const size_t image = (size_t)piece.z * blocks * pixels;
        for (int first = piece.x * run; first < end; first += TILE) {
            floatb sum[TILE], some[TILE];
            size_t at[TILE]; /* beyond the run's last pixel that one is read again */
            float mean[TILE], inverse[TILE];
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                at[i] = image + min(first + i, end - 1);
                some[i] = load_block(at[i] + (size_t)last * pixels, x);
                sum[i] = exists ? some[i] : (floatb)0.0f;
            }
            for (int b = 0; b < last; b++)
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    sum[i] += load_block(at[i] + (size_t)b * pixels, x);
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                mean[i] = sum_of_block(sum[i]) / (float)channels;
                some[i] -= mean[i];
                sum[i] = exists ? some[i] * some[i] : (floatb)0.0f;
            }
            for (int b = 0; b < last; b++)
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    const floatb value = load_block(at[i] + (size_t)b * pixels, x) - mean[i];
                    sum[i] = fma(value, value, sum[i]);
                }
#pragma unroll
            for (int i = 0; i < TILE; i++)
                inverse[i] = 1.0f / sqrt(sum_of_block(sum[i]) / (float)channels + epsilon);
            for (int b = 0; b < blocks; b++) {
                const floatb factor = load_block(b, scale), offset = load_block(b, shift);
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    const size_t place = at[i] + (size_t)b * pixels;
                    store_block(fma((load_block(place, x) - mean[i]) * inverse[i], factor, offset), place, y);
                }
            }
        }
    }
}

#else

kernel void channel_normalization(global float *restrict y, global const float *restrict x,
                                  global const float *restrict scale, global const float *restrict shift, int channels,
                                  int pixels, float epsilon)
{
    const size_t image = get_global_id(1) * channels * pixels, at = image + get_global_id(0);
    float sum = 0.0f, squares = 0.0f;
    for (int k = 0; k < channels; k++)
        sum += x[at + (size_t)k * pixels];
    const float mean = sum / (float)channels;
    for (int k = 0; k < channels; k++) {
        const float value = x[at + (size_t)k * pixels] - mean;
        squares = fma(value, value, squares);
    }
    const float inverse = 1.0f / sqrt(squares / (float)channels + epsilon);
    for (int k = 0; k < channels; k++) {
        const float value = (x[at + (size_t)k * pixels] - mean) * inverse * scale[k];
#ifdef SHIFT
        y[at + (size_t)k * pixels] = value + shift[k];
#else
        y[at + (size_t)k * pixels] = value;
#endif
    }
}
#endif
