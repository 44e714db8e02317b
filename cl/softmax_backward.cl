/* dx += y * (dy - the sum of dy * y) along the middle of [outer, length, inner], row-major, any sizes. Work-item (place
 * in inner, place in outer). */
#define RUN 32

kernel void softmax_backward(global float *dx, global const float *dy, global const float *y, long length)
{
    const size_t inner = get_global_size(0);
    const size_t offset = get_global_id(1) * ((size_t)length * inner) + get_global_id(0);
    dx += offset;
    dy += offset;
    y += offset;
    float sum = 0.0f;
    for (long first = 0; first < length; first += RUN) {
        const long end = min(first + RUN, length);
        float run = 0.0f; /* by parts: less rounding */
        for (long i = first; i < end; i++)
            run += dy[i * inner] * y[i * inner];
        sum += run;
    }
    for (long i = 0; i < length; i++)
        dx[i * inner] += y[i * inner] * (dy[i * inner] - sum);
}
