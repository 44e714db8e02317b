/* y[n, k, pixel] = x[n, sources[k], pixel], x being x0 and x1 one behind the other along their channels. An image's
 * elements fit an int, any sizes otherwise.
 *
 * BLOCK: in blocks of so many channels, sources: [output channels up to a whole block], -1 for those that only fill the
 * last one up: zeros are written there. Piece (run of `run` pixels, block, image).
 *
 * Without: row-major, or, with NHWC, [n, pixels, channels]; work-item (place in the output's image, image). */

#ifdef BLOCK
#define LANES_4(i)  from[i][at], from[(i) + 1][at], from[(i) + 2][at], from[(i) + 3][at]
#define LANES_8(i)  LANES_4(i), LANES_4((i) + 4)
#define LANES_16(i) LANES_8(i), LANES_8((i) + 8)
#define LANES       JOIN(LANES_, BLOCK)(0)

kernel void channel_select(global float *restrict y, global const float *x0, global const float *x1,
                           global const int *sources, int channels0, int channels1, int pixels, int run, PIECES)
{
    FOR_EACH_PIECE(piece)
    {
        const size_t plane = (size_t)pixels * BLOCK;
        const int first = piece.x * run, end = min(first + run, pixels);
        const JOIN(int, BLOCK) exists = load_block(piece.y, sources) >= 0;
        global const float *const image0 = x0 + piece.z * ((channels0 + BLOCK - 1) / BLOCK) * plane;
        global const float *const image1 = x1 + piece.z * ((channels1 + BLOCK - 1) / BLOCK) * plane;
        global float *const to = y + ((size_t)piece.z * high + piece.y) * plane;
        global const float *from[BLOCK];
#pragma unroll
        for (int i = 0; i < BLOCK; i++) {
            const int source = max(sources[piece.y * BLOCK + i], 0);
            const int c = source < channels0 ? source : source - channels0;
            from[i] = (source < channels0 ? image0 : image1) + c / BLOCK * plane + c % BLOCK;
        }
        for (int pixel = first; pixel < end; pixel++) {
            const size_t at = (size_t)pixel * BLOCK;
            store_block(exists ? (floatb)(LANES) : (floatb)0.0f, pixel, to);
        }
    }
}

#else
kernel void channel_select(global float *restrict y, global const float *x0, global const float *x1,
                           global const int *sources, int channels0, int channels1, int pixels)
{
    const int place = (int)get_global_id(0);
    const size_t image = get_global_id(1);
#ifdef NHWC
    const int channels = (int)get_global_size(0) / pixels, k = place % channels, pixel = place / channels;
#else
    const int k = place / pixels, pixel = place % pixels;
#endif
    const int source = sources[k];
    const bool second = source >= channels0;
    const int c = second ? source - channels0 : source, count = second ? channels1 : channels0;
#ifdef NHWC
    const size_t at = (image * pixels + pixel) * count + c;
#else
    const size_t at = (image * count + c) * pixels + pixel;
#endif
    y[image * get_global_size(0) + place] = (second ? x1 : x0)[at];
}
#endif
