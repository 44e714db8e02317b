/* Update rules, one work-item per parameter: torch.optim's formulas in torch.optim's order. The gradient is
 * gradient[i] * scale, or gradient[i] * factor[0] where `factor` is given (see clip_factor below). */

float scaled(global const float *gradient, float scale, global const float *factor)
{
    return gradient[get_global_id(0)] * (factor ? factor[0] : scale);
}

/* Stochastic gradient descent: v = momentum * v + g + decay * w, and w -= rate * v, or rate * (g + momentum * v) with
 * Nesterov's momentum. */
kernel void sgd(global float *weight, global const float *gradient, float scale, global const float *factor,
                global float *velocity, float rate, float momentum, int nesterov, float decay)
{
    const size_t i = get_global_id(0);
    const float g = scaled(gradient, scale, factor) + decay * weight[i];
    const float v = momentum * velocity[i] + g;
    velocity[i] = v;
    weight[i] -= rate * (nesterov ? g + momentum * v : v);
}

/* Adam (Kingma, Ba 2015): decay goes into the gradient; AdamW (Loshchilov, Hutter 2019): `decoupled` is 1 and the weight
 * shrinks by itself, to keep = 1 - rate * decay. left1 and left2 are 1 - beta, size is rate / (1 - beta1^step),
 * correction is sqrt(1 - beta2^step): rounded from double, as 1.0f - 0.999f is off by 5e-5. */
kernel void adam(global float *weight, global const float *gradient, float scale, global const float *factor,
                 global float *mean, global float *square, float decay, int decoupled, float keep, float beta2,
                 float left1, float left2, float size, float correction, float epsilon)
{
    const size_t i = get_global_id(0);
    float w = weight[i], g = scaled(gradient, scale, factor);
    if (decoupled)
        w *= keep;
    else
        g += decay * w;
    const float m = mean[i] + (g - mean[i]) * left1;
    const float s = square[i] * beta2 + left2 * g * g;
    mean[i] = m;
    square[i] = s;
    weight[i] = w - size * m / (sqrt(s) / correction + epsilon);
}

/* sum[i] = (first ? 0 : sum[i]) + gradient[i] * weight */
kernel void accumulate(global float *sum, global const float *gradient, float weight, int first)
{
    const size_t i = get_global_id(0);
    sum[i] = (first ? 0.0f : sum[i]) + gradient[i] * weight;
}

/* The norm of all gradients together, without atomics. First pass, for each parameter: pieces[first + p] = the sum of
 * squares of elements p, p + pieces, p + 2 * pieces ... of gradient[count]; work-item p of `get_global_size(0)`. */
kernel void sum_squares(global const float *gradient, global float *pieces, long count, long first)
{
    const long p = get_global_id(0), step = get_global_size(0);
    float sum = 0.0f;
    for (long i = p; i < count; i += step)
        sum += gradient[i] * gradient[i];
    pieces[first + p] = sum;
}

/* Second pass: sums[p] = the sum of parameter p's pieces; work-item p. */
kernel void add_pieces(global const float *pieces, global float *sums, int count)
{
    const long p = get_global_id(0);
    float sum = 0.0f;
    for (int i = 0; i < count; i++)
        sum += pieces[p * count + i];
    sums[p] = sum;
}

/* factor[0] = scale * min(1, most / (norm + 1e-6)) with norm = scale * sqrt(sum of sums), as
 * torch.nn.utils.clip_grad_norm_ has it. One work-item. */
kernel void clip_factor(global const float *sums, global float *factor, int count, float scale, float most)
{
    float sum = 0.0f;
    for (int i = 0; i < count; i++)
        sum += sums[i];
    const float norm = scale * sqrt(sum);
    factor[0] = scale * fmin(1.0f, most / (norm + 1e-6f));
}

/* The moving average of a weight: average += (weight - average) * left. */
kernel void move_average(global float *average, global const float *weight, float left)
{
    const size_t i = get_global_id(0);
    average[i] += (weight[i] - average[i]) * left;
}

/* Exchanges two arrays. */
kernel void exchange(global float *a, global float *b)
{
    const size_t i = get_global_id(0);
    const float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
}
