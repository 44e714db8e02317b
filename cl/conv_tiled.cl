/* Convolutions of activations in blocks of channels, [n, channels / BLOCK, h, w, BLOCK], in registers: a tile of TILE
 * neighbouring pixels of the output, in whatever rows and images they lie, by a stack of STACK blocks of its channels
 * is summed up in TILE * STACK vectors, so that STACK vectors of weights and a number of each pixel make TILE * STACK
 * multiply-adds.
 *
 * Weights: [groups, stacks, kernel_h, input blocks, kernel_w, BLOCK (in), STACK * BLOCK (out)], zeros for channels that
 * don't exist, and BLOCK zeros (floats with HALVES too) behind the end: what is read outside the image. The bias,
 * [output channels], is read for whole stacks. Input channels up to a whole block are finite. kernel_w is at most
 * MOST_COLUMNS; the input has fewer than 2^30 elements.
 *
 * POINTWISE: 1x1 kernels without padding; with stride 1 images come as one row of all their pixels, any other is
 * STRIDED. With SCALED, factors[n, channels] are what the input is multiplied by first: a gate's results.
 *
 * Output (h, w) reads input (h * stride_h - pad_h + r * dilation_h, w * stride_w - pad_w + s * dilation_w) for
 * r < kernel_h, s < kernel_w. */

#ifndef BLOCK
#define BLOCK 8
#endif
#ifndef TILE
#define TILE 6
#endif
#ifndef STACK
#define STACK 2
#endif
#ifndef MOST_COLUMNS
#define MOST_COLUMNS 16
#endif

#define GEOMETRY                                                                                                       \
    int in_h, int in_w, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w, int dilation_h,  \
        int dilation_w, int pad_h, int pad_w

#define INSIDE(at, size) ((at) >= 0 && (at) < (size))

/* Stores `blocks` of the sums at most, the first at y[to[]]; what is added, if anything, lies at residual[added[]]. The
 * residual may be y itself: all of it is read before a pixel that stands in for missing ones is stored more than once.
 * A loop with an end of its own would not be unrolled, and its sums would have to lie in memory. */
__attribute__((always_inline)) static inline void finish(floatb sum[STACK][TILE], global float *y, const long to[TILE],
                                                         global const float *residual, const long added[TILE],
                                                         int blocks, long plane, float alpha, float beta)
{
#pragma unroll
    for (int k = 0; k < STACK; k++) {
        if (k < blocks) {
            if (residual)
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    sum[k][i] += load_block(0, residual + k * plane + added[i]);
#pragma unroll
            for (int i = 0; i < TILE; i++)
                store_aligned(activate_v(sum[k][i], alpha, beta), 0, y + k * plane + to[i]);
        }
    }
}

/* Stands for a place outside the image, also where a place inside is added to it. */
#define OUTSIDE (-(1 << 30))

/* A pixel of the output. */
typedef struct place {
    int image, h, w;
} place;

static inline place next(place at, int out_h, int out_w)
{
    at.w++;
    at.h += at.w == out_w;
    at.w = at.w == out_w ? 0 : at.w;
    at.image += at.h == out_h;
    at.h = at.h == out_h ? 0 : at.h;
    return at;
}

/* One kernel position: BLOCK channels of each pixel. Calls would keep the sums in memory. */
__attribute__((always_inline)) static inline void add_products(floatb sum[STACK][TILE],
                                                               global const float *const pixel[TILE],
                                                               global const weight_float *weight)
{
#pragma unroll 4 /* with more, LLVM loads so far ahead that the sums leave the registers */
    for (int c = 0; c < BLOCK; c++) {
        floatb factor[STACK];
#pragma unroll
        for (int k = 0; k < STACK; k++)
            factor[k] = load_weights(c * STACK + k, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const floatb number = pixel[i][c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][i] = fma(number, factor[k], sum[k][i]);
        }
    }
}

#ifdef SCALED
#define FACTORS , global const float *factors

/* The same with pixels of one image, whose channels' factors go into the weights: there are fewer of them. */
__attribute__((always_inline)) static inline void add_scaled(floatb sum[STACK][TILE], global const float *pixels,
                                                             global const weight_float *weight,
                                                             global const float *factors)
{
#pragma unroll 4
    for (int c = 0; c < BLOCK; c++) {
        const floatb scale = factors[c];
        floatb factor[STACK];
#pragma unroll
        for (int k = 0; k < STACK; k++)
            factor[k] = scale * load_weights(c * STACK + k, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const floatb number = pixels[i * BLOCK + c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][i] = fma(number, factor[k], sum[k][i]);
        }
    }
}

/* The same with pixels of any images. */
__attribute__((always_inline)) static inline void add_each_scaled(floatb sum[STACK][TILE],
                                                                  global const float *const pixel[TILE],
                                                                  global const weight_float *weight,
                                                                  global const float *const scale[TILE])
{
    for (int c = 0; c < BLOCK; c++)
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const floatb number = pixel[i][c] * scale[i][c];
#pragma unroll
            for (int k = 0; k < STACK; k++)
                sum[k][i] = fma(number, load_weights(c * STACK + k, weight), sum[k][i]);
        }
}

/* Adds up any tile whose windows are one pixel; scale[] are the factors of its channels. */
__attribute__((always_inline)) static inline void add_pixels(floatb sum[STACK][TILE], global const float *pixel[TILE],
                                                             global const weight_float *weight, int in_blocks,
                                                             long in_plane, global const float *scale[TILE])
{
    for (int c = 0; c < in_blocks; c++, weight += STACK * BLOCK * BLOCK) {
        add_each_scaled(sum, pixel, weight, scale);
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            pixel[i] += in_plane;
            scale[i] += BLOCK;
        }
    }
}
#else
#define FACTORS

/* Adds up any tile whose windows are one pixel. */
__attribute__((always_inline)) static inline void add_pixels(floatb sum[STACK][TILE], global const float *pixel[TILE],
                                                             global const weight_float *weight, int in_blocks,
                                                             long in_plane)
{
    for (int c = 0; c < in_blocks; c++, weight += STACK * BLOCK * BLOCK) {
        add_products(sum, pixel, weight);
#pragma unroll
        for (int i = 0; i < TILE; i++)
            pixel[i] += in_plane;
    }
}
#endif

/* A hint to have a line in the second-level cache soon. Compilers for CPUs name the CPU; elsewhere it is no use. */
#if defined(__x86_64__) || defined(__aarch64__)
#define FETCH_AHEAD(at) __builtin_prefetch((const void *)(size_t)(at), 0, 2)
#else
#define FETCH_AHEAD(at) (void)(at)
#endif
#ifdef HALVES
#define LINE 32 /* weights */
#else
#define LINE 16
#endif

/* Adds up a tile whose pixels are neighbours in one row, windows of one pixel: x points to the first. The tile after the
 * next is fetched meanwhile, and with each input block `lines` more lines from `ahead` on. */
__attribute__((always_inline)) static inline void add_row(floatb sum[STACK][TILE], global const float *x,
                                                          global const weight_float *weight, int in_blocks,
                                                          long in_plane, global const weight_float *ahead,
                                                          int lines FACTORS)
{
    for (int c = 0; c < in_blocks; c++, x += in_plane, weight += STACK * BLOCK * BLOCK) {
        for (int i = 0; i < lines; i++, ahead += LINE)
            FETCH_AHEAD(ahead);
#ifdef SCALED
        add_scaled(sum, x, weight, factors + c * BLOCK);
#else
        global const float *pixel[TILE];
#pragma unroll
        for (int i = 0; i < TILE; i++)
            pixel[i] = x + i * BLOCK;
#pragma unroll
        for (int i = 0; i < TILE; i++)
            FETCH_AHEAD(x + (2 * TILE + i) * BLOCK);
        add_products(sum, pixel, weight);
#endif
    }
}

/* Adds up any tile. Its windows begin in rows h[], and in_column[s][] is where their column s lies in row 0. */
__attribute__((always_inline)) static inline void add_windows(floatb sum[STACK][TILE], global const float *x,
                                                              global const weight_float *weight,
                                                              global const float *zeros, const int h[TILE],
                                                              const int in_column[MOST_COLUMNS][TILE], int in_blocks,
                                                              long in_plane, int in_h, int in_w, int kernel_h,
                                                              int kernel_w, int dilation_h)
{
    for (int r = 0; r < kernel_h; r++, weight += in_blocks * kernel_w * (STACK * BLOCK * BLOCK)) {
        int in_row[TILE];
        bool any = false;
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            const int row = h[i] + r * dilation_h;
            any = any || INSIDE(row, in_h);
            in_row[i] = INSIDE(row, in_h) ? row * in_w * BLOCK : OUTSIDE;
        }
        if (!any)
            continue;
        global const float *plane = x;
        global const weight_float *factors = weight;
        for (int c = 0; c < in_blocks; c++, plane += in_plane)
            for (int s = 0; s < kernel_w; s++, factors += STACK * BLOCK * BLOCK) {
                global const float *pixel[TILE];
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    const int at = in_row[i] + in_column[s][i];
                    pixel[i] = at < 0 ? zeros : plane + (uint)at;
                }
                add_products(sum, pixel, factors);
            }
    }
}

/* Piece (stack, run of `run` pixels out of `pixel_count` in all images; a multiple of TILE). Blocks and stacks are
 * counted per group; image i of the output begins at y_offset + i * y_image. */
kernel void conv_tiled(global float *output, global const float *restrict input,
                       global const weight_float *restrict weights, global const float *restrict biases,
                       global const float *residuals, float alpha, float beta, long y_offset, long y_image,
                       int pixel_count, int run, int in_blocks, int out_blocks, GEOMETRY FACTORS, PIECES)
{
    const int stacks = (out_blocks + STACK - 1) / STACK, groups = wide / stacks;
    const long in_plane = (long)in_h * in_w * BLOCK, out_plane = (long)out_h * out_w * BLOCK;
    const long in_image = groups * in_blocks * in_plane, out_image = groups * out_blocks * out_plane;
    const long weight_count = (long)kernel_h * in_blocks * kernel_w * (STACK * BLOCK * BLOCK);
    global const float *const zeros = (global const float *)(weights + wide * weight_count);
    FOR_EACH_PIECE(piece)
    {
        const int group = piece.x / stacks, block = piece.x % stacks * STACK;
        global const float *const x = input + group * in_blocks * in_plane;
        global const weight_float *const weight = weights + piece.x * weight_count;
        global const float *const bias = biases + (group * out_blocks + block) * BLOCK;
        global float *const y = output + y_offset + (group * out_blocks + block) * out_plane;
        global const float *const residual =
            residuals ? residuals + (group * out_blocks + block) * out_plane : residuals;
        const int begin = piece.y * run, end = min(begin + run, pixel_count);
        place at = {begin / (out_h * out_w), begin / out_w % out_h, begin % out_w};
#ifdef POINTWISE
#ifndef STRIDED
        /* The next stack's weights, which this core is likely to need next, are fetched little by little: on small
         * images memory would be idle while weights are used, and everything would wait for it before. */
        const int tiles = (end - begin + TILE - 1) / TILE;
        const int lines = (STACK * BLOCK * BLOCK / LINE + tiles - 1) / tiles;
#endif
        for (int tile = begin; tile < end; tile += TILE) {
            floatb sum[STACK][TILE];
            long to[TILE], added[TILE];
            global const float *in[TILE];
#ifdef SCALED
            global const float *scale[TILE];
#endif
#pragma unroll
            for (int k = 0; k < STACK; k++)
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    sum[k][i] = load_block(k, bias);

#ifndef STRIDED
            if (at.w + TILE <= out_w) {
                if (residual)
#pragma unroll
                    for (int k = 0; k < STACK; k++)
#pragma unroll
                        for (int i = 0; i < TILE; i++)
                            FETCH_AHEAD(residual + k * out_plane + at.image * out_image + (at.w + 3 * TILE + i) * BLOCK);
                global const weight_float *const ahead =
                    weight + weight_count + (tile - begin) / TILE * lines * in_blocks * LINE;
#ifdef SCALED
                add_row(sum, x + at.image * in_image + at.w * BLOCK, weight, in_blocks, in_plane, ahead, lines,
                        factors + at.image * in_blocks * BLOCK);
#else
                add_row(sum, x + at.image * in_image + at.w * BLOCK, weight, in_blocks, in_plane, ahead, lines);
#endif
#pragma unroll
                for (int i = 0; i < TILE; i++) {
                    to[i] = at.image * y_image + (at.w + i) * BLOCK;
                    added[i] = at.image * out_image + (at.w + i) * BLOCK;
                }
                finish(sum, y, to, residual, added, out_blocks - block, out_plane, alpha, beta);
                at.w += TILE - 1;
                at = next(at, out_h, out_w);
                continue;
            }
#endif
            /* In the last tile, the last pixel stands in for those that are missing. */
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                const int pixel = (at.h * out_w + at.w) * BLOCK;
                to[i] = at.image * y_image + pixel;
                added[i] = at.image * out_image + pixel;
                in[i] = x + at.image * in_image + (at.h * stride_h * in_w + at.w * stride_w) * BLOCK;
#ifdef SCALED
                scale[i] = factors + at.image * in_blocks * BLOCK;
#endif
                if (tile + i + 1 < pixel_count)
                    at = next(at, out_h, out_w);
            }
#ifdef SCALED
            add_pixels(sum, in, weight, in_blocks, in_plane, scale);
#else
            add_pixels(sum, in, weight, in_blocks, in_plane);
#endif
            finish(sum, y, to, residual, added, out_blocks - block, out_plane, alpha, beta);
        }
#else
        for (int tile = begin; tile < end; tile += TILE) {
            floatb sum[STACK][TILE];
            place places[TILE];
            int h[TILE], in_column[MOST_COLUMNS][TILE];
            long to[TILE], added[TILE];
            for (int i = 0; i < TILE; i++) {
                places[i] = at;
                h[i] = at.h * stride_h - pad_h;
                for (int s = 0; s < kernel_w; s++) {
                    const int column = at.w * stride_w - pad_w + s * dilation_w;
                    in_column[s][i] = INSIDE(column, in_w) ? at.image * (int)in_image + column * BLOCK : OUTSIDE;
                }
                if (tile + i + 1 < pixel_count)
                    at = next(at, out_h, out_w);
            }
#pragma unroll
            for (int k = 0; k < STACK; k++)
#pragma unroll
                for (int i = 0; i < TILE; i++)
                    sum[k][i] = load_block(k, bias);
            add_windows(sum, x, weight, zeros, h, in_column, in_blocks, in_plane, in_h, in_w, kernel_h, kernel_w,
                        dilation_h);
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                const int pixel = (places[i].h * out_w + places[i].w) * BLOCK;
                to[i] = places[i].image * y_image + pixel;
                added[i] = places[i].image * out_image + pixel;
            }
            finish(sum, y, to, residual, added, out_blocks - block, out_plane, alpha, beta);
        }
#endif
    }
}
