/* Update rules, one work-item per parameter. `gradient` is the mean over the batch. */

/* Stochastic gradient descent with momentum as PyTorch has it: v = momentum * v + g + decay * w; w -= rate * v. */
kernel void sgd(global float *weight, global const float *gradient, global float *velocity, float rate, float momentum,
                float decay)
{
    const size_t i = get_global_id(0);
    const float v = momentum * velocity[i] + gradient[i] + decay * weight[i];
    velocity[i] = v;
    weight[i] -= rate * v;
}

/* Adam (Kingma, Ba 2015): decay goes into the gradient; AdamW (Loshchilov, Hutter 2019): `decoupled` is 1 and it shrinks the
 * weight by itself. correction1 and correction2 are 1 - beta^step. */
kernel void adam(global float *weight, global const float *gradient, global float *mean, global float *square, float rate,
                 float decay, int decoupled, float beta1, float beta2, float epsilon, float correction1, float correction2)
{
    const size_t i = get_global_id(0);
    float w = weight[i];
    const float g = gradient[i] + (decoupled ? 0.0f : decay * w);
    if (decoupled)
        w -= rate * decay * w;
    const float m = beta1 * mean[i] + (1.0f - beta1) * g;
    const float s = beta2 * square[i] + (1.0f - beta2) * g * g;
    mean[i] = m;
    square[i] = s;
    weight[i] = w - rate * (m / correction1) / (sqrt(s / correction2) + epsilon);
}
