/* Multinomial logistic regression: several problems over the same rows at once ("slots", such as the folds of a
 * cross-validation), each with weights of its own for the rows.
 *
 * logits, steps, residuals [n][slots][classes]; rates [slots]; labels [n]; weights [slots][n], each slot's sum 1. With
 * x = logits + rate * steps, p = softmax(x) and the target t = (1 - smoothing) * onehot(label) + smoothing / classes.
 * One work-item per row and slot: get_global_id(0) is the row, get_global_id(1) the slot. */

/* What the line along `steps` looks like at `rate`, for each row without its weight: points [slots][n][4] gets the loss
 * -sum_c t[c] log p[c], its slope and its curvature in the rate, and 1 where the largest logit, the first of equals, is
 * the label's. Steps are taken relative to the label's, so that those that all classes share cancel exactly. */
kernel void probe_look(global const float *logits, global const float *steps, global const float *rates,
                       global const int *labels, global float *points, int classes, float smoothing)
{
    const long row = get_global_id(0), slot = get_global_id(1), rows = get_global_size(0), slots = get_global_size(1);
    global const float *z = logits + (row * slots + slot) * classes;
    global const float *d = steps + (row * slots + slot) * classes;
    global float *point = points + (slot * rows + row) * 4;
    const float rate = rates[slot];
    const int label = labels[row];
    const float label_step = d[label];
    float largest = z[0] + rate * d[0];
    int best = 0;
    for (int c = 1; c < classes; c++) {
        const float x = z[c] + rate * d[c];
        if (x > largest) {
            largest = x;
            best = c;
        }
    }
    float sum = 0.0f, first = 0.0f, second = 0.0f, total = 0.0f, total_step = 0.0f;
    for (int c = 0; c < classes; c++) {
        const float x = z[c] + rate * d[c] - largest, u = d[c] - label_step, e = exp(x);
        sum += e;
        first += e * u;
        second += e * u * u;
        total += x;
        total_step += u;
    }
    const float uniform_part = smoothing / (float)classes, mean = first / sum;
    point[0] = log(sum) - (1.0f - smoothing) * (z[label] + rate * label_step - largest) - uniform_part * total;
    point[1] = mean - uniform_part * total_step;
    point[2] = fmax(second / sum - mean * mean, 0.0f);
    point[3] = best == label ? 1.0f : 0.0f;
}

/* Goes to `rate`: logits += rate * steps, residuals = weight * (p - t), which is the gradient of the weighted mean loss
 * in the logits. A weight of 0 takes a row out. */
kernel void probe_advance(global float *logits, global const float *steps, global const float *rates,
                          global const int *labels, global const float *weights, global float *residuals, int classes,
                          float smoothing)
{
    const long row = get_global_id(0), slot = get_global_id(1), rows = get_global_size(0), slots = get_global_size(1);
    global float *z = logits + (row * slots + slot) * classes;
    global const float *d = steps + (row * slots + slot) * classes;
    global float *r = residuals + (row * slots + slot) * classes;
    const float rate = rates[slot], weight = weights[slot * rows + row], uniform_part = smoothing / (float)classes;
    const int label = labels[row];
    float largest = z[0] + rate * d[0], sum = 0.0f;
    for (int c = 0; c < classes; c++) {
        z[c] += rate * d[c];
        largest = fmax(largest, z[c]);
    }
    for (int c = 0; c < classes; c++)
        sum += exp(z[c] - largest);
    for (int c = 0; c < classes; c++) {
        const float target = uniform_part + (c == label ? 1.0f - smoothing : 0.0f);
        r[c] = weight == 0.0f ? 0.0f : weight * (exp(z[c] - largest) / sum - target);
    }
}
