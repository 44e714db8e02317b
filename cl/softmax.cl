/* y = exp(x - max) / sum(exp(x - max)) along the middle of x [outer][size][inner]. Work-items (inner, outer), each one line
 * along the middle. */
kernel void softmax(global const float *x, global float *y, long size)
{
    const long inner = get_global_size(0);
    const long start = get_global_id(1) * size * inner + get_global_id(0);
    float largest = -INFINITY, sum = 0.0f;
    for (long i = 0; i < size; i++)
        largest = fmax(largest, x[start + i * inner]);
    for (long i = 0; i < size; i++) {
        const float e = exp(x[start + i * inner] - largest);
        y[start + i * inner] = e;
        sum += e;
    }
    for (long i = 0; i < size; i++)
        y[start + i * inner] /= sum;
}
