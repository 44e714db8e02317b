/* y = exp(x) / sum of exp(x) along the middle of [outer, length, inner], row-major, any sizes but length 0. Work-item
 * (place in inner, place in outer).
 *
 * The largest element is taken off first, so that nothing overflows; a line with NaN, +inf or nothing but -inf becomes
 * NaN. */
#define BLOCK 32

kernel void softmax(global float *y, global const float *x, long length)
{
    const size_t inner = get_global_size(0);
    const size_t offset = get_global_id(1) * ((size_t)length * inner) + get_global_id(0);
    x += offset;
    y += offset;
    float largest = x[0];
    for (long i = 1; i < length; i++)
        largest = x[i * inner] > largest ? x[i * inner] : largest;
    float sum = 0.0f;
    for (long first = 0; first < length; first += BLOCK) {
        const long end = min(first + BLOCK, length);
        float block = 0.0f; /* by parts: less rounding */
        for (long i = first; i < end; i++) {
            const float power = exp(x[i * inner] - largest);
            y[i * inner] = power;
            block += power;
        }
        sum += block;
    }
    for (long i = 0; i < length; i++)
        y[i * inner] /= sum;
}
