/* y = x / d^beta, d = bias + scale * the sum of x^2 over the channels from c - before to c + behind that there are.
 *
 * x, y and d are [images, channels, inner], row-major, any sizes. Work-item (place in inner, channel, image), all. */
inline float divisor(global const float *x, long before, long behind, float bias, float scale)
{
    const long inner = get_global_size(0), channel = get_global_id(1), channels = get_global_size(1);
    const long first = max(channel - before, 0L), last = min(channel + behind, channels - 1);
    x += get_global_id(2) * channels * inner + get_global_id(0);
    float sum = 0.0f;
    for (long c = first; c <= last; c++)
        sum += x[c * inner] * x[c * inner];
    return bias + scale * sum;
}

inline long place(long channel)
{
    return (get_global_id(2) * get_global_size(1) + channel) * get_global_size(0) + get_global_id(0);
}

kernel void lrn(global float *y, global const float *x, long before, long behind, float bias, float scale, float beta)
{
    const long at = place(get_global_id(1));
    y[at] = x[at] * pow(divisor(x, before, behind, bias, scale), -beta);
}

kernel void lrn_divisor(global float *d, global const float *x, long before, long behind, float bias, float scale)
{
    d[place(get_global_id(1))] = divisor(x, before, behind, bias, scale);
}

/* dx += dy / d^beta - 2 scale beta x * the sum of dy * x / d^(beta + 1) over the channels whose windows this one is in.
 */
kernel void lrn_backward(global float *dx, global const float *dy, global const float *x, global const float *d,
                         long before, long behind, float scale, float beta)
{
    const long channel = get_global_id(1), last = min(channel + before, (long)get_global_size(1) - 1);
    const long at = place(channel);
    float sum = 0.0f;
    for (long c = max(channel - behind, 0L); c <= last; c++)
        sum += dy[place(c)] * x[place(c)] * pow(d[place(c)], -beta - 1.0f);
    dx[at] += dy[at] * pow(d[at], -beta) - 2.0f * scale * beta * x[at] * sum;
}
