/* dx[i] = dy[i] * (the slope of the activation at i), any number of elements; work-item i. ACTIVATION, alpha and beta:
 * see common.clh. ADD: defined where dx is to be added to; else dx may be dy.
 *
 * kept: the result y where it tells the slope (so that x need not be kept), else x. At a kink: as PyTorch. */
#if ACTIVATION == 1
#define SLOPED(dy, y) ((y) <= 0.0f ? 0.0f : (dy)) /* NaN must stay visible */
#elif ACTIVATION == 2
#define SLOPED(dy, x) ((x) > 0.0f ? (dy) : alpha * (dy))
#elif ACTIVATION == 3
#define SLOPED(dy, y) ((y) > alpha && (y) < beta ? (dy) : 0.0f)
#elif ACTIVATION == 4
#define SLOPED(dy, y) ((dy) * (y) * (1.0f - (y)))
#elif ACTIVATION == 5
#define SLOPED(dy, y) ((y) > 0.0f && (y) < 1.0f ? alpha * (dy) : 0.0f)
#elif ACTIVATION == 6
#define SLOPED(dy, x) ((x) <= -3.0f ? 0.0f : (x) >= 3.0f ? (dy) : (dy) * ((x) * (1.0f / 3.0f) + 0.5f))
#endif

kernel void activation_backward(global float *dx, global const float *dy, global const float *kept, float alpha,
                                float beta)
{
    const size_t i = get_global_id(0);
#ifdef ADD
    dx[i] += SLOPED(dy[i], kept[i]);
#else
    dx[i] = SLOPED(dy[i], kept[i]);
#endif
}

#ifdef BLOCK
/* The same in place on blocks of channels, [images, blocks, pixels, BLOCK], with parts[image, block, BLOCK]: the sums of
 * what comes of it over the pixels, `width` of which make a row of the sum. Work-item (block, image). */
kernel void activation_backward_sums(global float *restrict parts, global float *restrict dy,
                                     global const float *restrict kept, float alpha, float beta, int pixels, int width)
{
    const size_t plane = get_global_id(1) * get_global_size(0) + get_global_id(0);
    floatb sum = 0.0f;
    dy += plane * pixels * BLOCK;
    kept += plane * pixels * BLOCK;
    for (int row = 0; row < pixels; row += width) {
        floatb part = 0.0f;
        for (int i = row; i < min(row + width, pixels); i++) {
            const floatb sloped = SLOPED(load_block(i, dy), load_block(i, kept));
            store_block(sloped, i, dy);
            part += sloped;
        }
        sum += part;
    }
    store_block(sum, plane, parts);
}
#endif
