/* Softmax cross-entropy with label smoothing, and its gradient.
 *
 * logits, gradient [n][classes]; labels, weights, losses, correct [n]. With p = softmax(logits) and the target
 * t = (1 - smoothing) * onehot(label) + smoothing / classes (Szegedy et al. 2016):
 *     losses[i]   = -sum_c t[c] log p[c]                       (without the weight)
 *     gradient[i] = weights[i] * scale * (p - t)               (left alone where `gradient` is null)
 *     correct[i]  = 1 if the largest logit, the first of equals, is the label's
 * A weight of 0 takes a row out. One work-item per row. */
kernel void softmax_cross_entropy(global const float *logits, global const int *labels, global const float *weights,
                                  global float *gradient, global float *losses, global int *correct, int classes,
                                  float smoothing, float scale)
{
    const long i = get_global_id(0);
    global const float *x = logits + i * classes;
    const int label = labels[i];
    float largest = x[0], sum = 0.0f, total = 0.0f;
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (x[c] > largest) {
            largest = x[c];
            best = c;
        }
    for (int c = 0; c < classes; c++) {
        sum += exp(x[c] - largest);
        total += x[c] - largest;
    }
    const float log_sum = log(sum);
    const float uniform_part = smoothing / (float)classes;
    /* -sum_c t[c] (x[c] - largest - log_sum), with sum_c t[c] = 1 */
    losses[i] = log_sum - (1.0f - smoothing) * (x[label] - largest) - uniform_part * total;
    correct[i] = best == label;
    if (!gradient)
        return;
    const float factor = weights[i] * scale;
    for (int c = 0; c < classes; c++) {
        const float target = uniform_part + (c == label ? 1.0f - smoothing : 0.0f);
        gradient[i * classes + c] = factor == 0.0f ? 0.0f : factor * (exp(x[c] - largest - log_sum) - target);
    }
}
