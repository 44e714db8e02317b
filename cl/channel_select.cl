/* y[n, k, pixel] = x[n, sources[k], pixel], x being x0 and x1 one behind the other along their channels. An image's
 * elements fit an int, any sizes otherwise.
 *
 * BLOCK: in blocks of so many channels, sources: [output channels up to a whole block], -1 for those that only fill the
 * last one up: zeros are written there. Piece (run of `run` pixels, block, image).
 *
 * PAIRS, for a shuffle of two groups: in each block the even lanes are channels of one input that follow each other,
 * and so are the odd ones; BLOCK / 2 channels from the first of them on lie within the input's blocks. They may begin
 * in one block and end in the next: two vectors are read, and what these hold beside them is in the same input too.
 *
 * Without: row-major, or, with NHWC, [n, pixels, channels]; work-item (place in the output's image, image). */

#ifdef BLOCK

/* How many of the channels from the first on are looked up. */
#ifdef PAIRS
#define STARTS 2
#else
#define STARTS BLOCK
#endif

#define LANES_4(i)  from[i][at], from[(i) + 1][at], from[(i) + 2][at], from[(i) + 3][at]
#define LANES_8(i)  LANES_4(i), LANES_4((i) + 4)
#define LANES_16(i) LANES_8(i), LANES_8((i) + 8)

#define HALF_4     2
#define HALF_8     4
#define HALF_16    8
#define NUMBERS_4  0, 1
#define NUMBERS_8  0, 1, 2, 3
#define NUMBERS_16 0, 1, 2, 3, 4, 5, 6, 7
#define HALF       JOIN(HALF_, BLOCK)
#define INTS       JOIN(int, HALF)
#define RUN(i)     (within[i] ? JOIN(vload, HALF)(0, from[i] + at) : JOIN(vload, HALF)(0, beyond[i] + at))

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
        global const float *from[STARTS];
#ifdef PAIRS
        global const float *beyond[STARTS];
        INTS within[STARTS];
#endif
#pragma unroll
        for (int i = 0; i < STARTS; i++) {
            const int source = max(sources[piece.y * BLOCK + i], 0);
            const int c = source < channels0 ? source : source - channels0;
            from[i] = (source < channels0 ? image0 : image1) + c / BLOCK * plane + c % BLOCK;
#ifdef PAIRS
            const int left = BLOCK - c % BLOCK;
            within[i] = (INTS)(JOIN(NUMBERS_, BLOCK)) < left;
            beyond[i] = left < HALF ? from[i] + plane - BLOCK : from[i]; /* the rest begins the next block */
#endif
        }
        for (int pixel = first; pixel < end; pixel++) {
            const size_t at = (size_t)pixel * BLOCK;
#ifdef PAIRS
            floatb value;
            value.even = RUN(0);
            value.odd = RUN(1);
#else
            const floatb value = (floatb)(JOIN(LANES_, BLOCK)(0));
#endif
            store_block(exists ? value : (floatb)0.0f, pixel, to);
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
