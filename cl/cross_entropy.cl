/* Cross-entropy of logarithms of probabilities, [images, classes, inner], row-major, for labels [images, inner]; -1
 * ignores a place. Any sizes. */

/* losses[i] = -weight * the label's logarithm, shares[i] = the label's weight (1 where `weights` is NULL). Work-item:
 * image * inner + place in inner. */
kernel void cross_entropy(global float *losses, global float *shares, global const float *logarithms,
                          global const int *labels, global const float *weights, long classes, long inner)
{
    const long i = get_global_id(0), image = i / inner, place = i - image * inner;
    const int label = labels[i];
    const float weight = label < 0 ? 0.0f : weights ? weights[label] : 1.0f;
    losses[i] = label < 0 ? 0.0f : -weight * logarithms[(image * classes + label) * inner + place];
    shares[i] = weight;
}

/* *loss = the sum of all losses, over the sum of shares if `mean` is set. One work-item. */
kernel void cross_entropy_total(global float *loss, global const float *losses, global const float *shares, long count,
                                int mean)
{
    float sum = 0.0f, share = 0.0f;
    for (long first = 0; first < count; first += 32) {
        float run = 0.0f, share_run = 0.0f; /* by parts: less rounding */
        for (long i = first; i < min(first + 32, count); i++) {
            run += losses[i];
            share_run += shares[i];
        }
        sum += run;
        share += share_run;
    }
    *loss = mean ? sum / share : sum;
}
