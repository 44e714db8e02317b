/* Weights [groups * group_out, group_in, kernel_h, kernel_w] as kernels over blocks of channels read them:
 *
 *     [groups, stacks, kernel_h, input blocks, kernel_w, in_block, width], and `spare` zeros behind the end
 *
 * `width` output channels make a stack; zeros stand for channels that don't exist. Where weight (output channel k,
 * input channel c, position i) of a group lies is
 *
 *     weight[offset + group * group_stride + k * out_stride + c * in_stride + i * tap_stride]
 *
 * so that those of the convolution which computes a gradient, flipped and with their channels exchanged, are packed
 * from the same ones. HALVES: what is packed are 16-bit floats, rounded to the nearest, ties to even. Work-item (input
 * block, group and stack). */
#ifdef HALVES
#define STORE(place, x) vstore_half_rte(x, 0, &place)
#else
#define STORE(place, x) place = x
#endif

kernel void pack_weights(global weight_float *restrict packed, global const float *restrict weight, int stacks,
                         int kernel_h, int kernel_w, int in_block, int width, int group_in, int group_out, long offset,
                         long group_stride, long out_stride, long in_stride, long tap_stride, int spare)
{
    const size_t block = get_global_id(0), blocks = get_global_size(0), stack = get_global_id(1);
    const int first_in = (int)block * in_block, first_out = (int)stack % stacks * width;
    const int ins = min(in_block, group_in - first_in), outs = min(width, group_out - first_out);
    weight += offset + (long)(stack / stacks) * group_stride + first_out * out_stride + first_in * in_stride;
    for (int i = 0; i < kernel_h * kernel_w; i++) {
        const size_t row = ((stack * kernel_h + i / kernel_w) * blocks + block) * kernel_w + i % kernel_w;
        global weight_float *to = packed + row * in_block * width;
        for (int c = 0; c < in_block; c++, to += width) {
            global const float *from = weight + c * in_stride + i * tap_stride;
            const int count = c < ins ? outs : 0;
            for (int k = 0; k < count; k++)
                STORE(to[k], from[k * out_stride]);
            for (int k = count; k < width; k++)
                STORE(to[k], 0.0f);
        }
    }
    if (block == 0 && stack == 0)
        for (int i = 0; i < spare; i++)
            STORE(packed[get_global_size(1) * kernel_h * blocks * kernel_w * in_block * width + i], 0.0f);
}
