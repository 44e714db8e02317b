/* Squeeze-and-excite's gate, in blocks of channels: y = activation(w2 hidden(w1 mean + b1) + b2) of each image, mean
 * being scale * the sum of x over its parts.
 *
 * x: [n, parts, channel blocks, BLOCK], y: [n, channel blocks, BLOCK]. Weights: [output blocks, inputs up to a whole
 * block, BLOCK], zeros for inputs and outputs that don't exist; biases: [output blocks, BLOCK]. BLOCK is a multiple of
 * 4. Any sizes. What is hidden gets a SiLU with SILU, else min(max(.., hidden_alpha), hidden_beta).
 *
 * Work-item (run of `run` channel blocks of y, image): each computes all that is hidden in the image, in scratch
 * memory [n, runs, channel blocks + hidden blocks, BLOCK]. */
#ifndef BLOCK
#define BLOCK 8
#endif

/* One block of outputs of `count` inputs, in four sums that don't wait for each other. */
static inline floatb product(global const float *x, global const float *weight, int count)
{
    floatb sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < count; i += 4)
#pragma unroll
        for (int j = 0; j < 4; j++)
            sum[j] = fma((floatb)x[i + j], load_block(i + j, weight), sum[j]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline floatb hidden(floatb x, float alpha, float beta)
{
#ifdef SILU
    return x / (1.0f + exp_v(-x));
#else
    x = x < alpha ? alpha : x;
    return x > beta ? beta : x;
#endif
}

kernel void channel_gate(global float *restrict y, global const float *restrict x, global float *scratch,
                         global const float *restrict w1, global const float *restrict b1,
                         global const float *restrict w2, global const float *restrict b2, float hidden_alpha,
                         float hidden_beta, float alpha, float beta, float scale, int parts, int channel_blocks,
                         int hidden_blocks, int run)
{
    const int channels = channel_blocks * BLOCK, hidden_channels = hidden_blocks * BLOCK;
    const int first = (int)get_global_id(0) * run, end = min(first + run, channel_blocks);
    global float *const mean =
        scratch + (get_global_id(1) * get_global_size(0) + get_global_id(0)) * (channels + hidden_channels);
    global float *const between = mean + channels;
    x += get_global_id(1) * parts * channels;
    y += get_global_id(1) * channels;
    for (int i = 0; i < channel_blocks; i++) {
        floatb sum = load_block(i, x);
        for (int part = 1; part < parts; part++)
            sum += load_block(part * channel_blocks + i, x);
        store_block(scale * sum, i, mean);
    }
    for (int i = 0; i < hidden_blocks; i++)
        store_block(
            hidden(product(mean, w1 + i * channels * BLOCK, channels) + load_block(i, b1), hidden_alpha, hidden_beta),
            i, between);
    for (int i = first; i < end; i++)
        store_block(activate_v(product(between, w2 + i * hidden_channels * BLOCK, hidden_channels) + load_block(i, b2),
                               alpha, beta),
                    i, y);
}
