/* y = activation(a <op> b), a and b broadcast to y: a row-major box of up to eight dimensions, counted from the
 * innermost; unused ones have an extent of 1.
 *
 * Operand a's element for place (i_0, i_1, ..) is a[i_0 * A_INNER + i_1 * a_stride_1 + ..], b's alike; a stride of 0
 * repeats. Any extents. Work-items (extent_0, extent_1, extent_2 * .. * extent_7).
 *
 * ARITHMETIC: 0 adds, 1 subtracts, 2 multiplies, 3 divides, 4 is the smaller, 5 the larger of both (NaN where one is
 * NaN), 6 a to the power of b, 7 adds and multiplies by alpha, 8 multiplies
 * negative a by b; 1 where the answer is yes, 0 where it is no: 11 a = b, 12 a < b, 13 a <= b, 14 a > b, 15 a >= b, and
 * for a and b that are answers themselves 16 both, 17 at least one, 18 one of them. A_INNER, B_INNER: 0 or 1.
 * ACTIVATION: see common.clh. */
#ifndef ARITHMETIC
#define ARITHMETIC 0
#endif
#ifndef A_INNER
#define A_INNER 1
#endif
#ifndef B_INNER
#define B_INNER 1
#endif

#define DIMENSION(d) long extent_##d, long a_stride_##d, long b_stride_##d

/* Adds the place along dimension `d` to the operands' offsets. The branch is the same for all work-items. */
#define OUTER(d)                                                                                                       \
    if (extent_##d > 1) {                                                                                              \
        const long place = (long)(row % (size_t)extent_##d);                                                           \
        row /= (size_t)extent_##d;                                                                                     \
        a_at += place * a_stride_##d;                                                                                  \
        b_at += place * b_stride_##d;                                                                                  \
    }

#if ARITHMETIC == 0
#define COMBINED(a, b) ((a) + (b))
#elif ARITHMETIC == 1
#define COMBINED(a, b) ((a) - (b))
#elif ARITHMETIC == 2
#define COMBINED(a, b) ((a) * (b))
#elif ARITHMETIC == 3
#define COMBINED(a, b) ((a) / (b))
#elif ARITHMETIC == 4
#define COMBINED(a, b) ((a) > (b) ? (b) : (b) == (b) ? (a) : (b))
#elif ARITHMETIC == 5
#define COMBINED(a, b) ((a) < (b) ? (b) : (b) == (b) ? (a) : (b))
#elif ARITHMETIC == 6
#define COMBINED(a, b) pow(a, b)
#elif ARITHMETIC == 7
#define COMBINED(a, b) (((a) + (b)) * alpha)
#elif ARITHMETIC == 8
#define COMBINED(a, b) ((a) < 0.0f ? (a) * (b) : (a))
#elif ARITHMETIC == 11
#define COMBINED(a, b) ((a) == (b) ? 1.0f : 0.0f)
#elif ARITHMETIC == 12
#define COMBINED(a, b) ((a) < (b) ? 1.0f : 0.0f)
#elif ARITHMETIC == 13
#define COMBINED(a, b) ((a) <= (b) ? 1.0f : 0.0f)
#elif ARITHMETIC == 14
#define COMBINED(a, b) ((a) > (b) ? 1.0f : 0.0f)
#elif ARITHMETIC == 15
#define COMBINED(a, b) ((a) >= (b) ? 1.0f : 0.0f)
#elif ARITHMETIC == 16
#define COMBINED(a, b) ((a) * (b))
#elif ARITHMETIC == 17
#define COMBINED(a, b) ((a) > (b) ? (a) : (b))
#else
#define COMBINED(a, b) ((a) == (b) ? 0.0f : 1.0f)
#endif

kernel void binary(global float *y, global const float *a, global const float *b, float alpha, float beta, DIMENSION(1),
                   DIMENSION(2), DIMENSION(3), DIMENSION(4), DIMENSION(5), DIMENSION(6), DIMENSION(7))
{
    const long i = (long)get_global_id(0);
    size_t row = get_global_id(2);
    const size_t y_at = (row * get_global_size(1) + get_global_id(1)) * get_global_size(0) + get_global_id(0);
    long a_at = (long)get_global_id(1) * a_stride_1, b_at = (long)get_global_id(1) * b_stride_1;
    OUTER(2)
    OUTER(3) OUTER(4) OUTER(5) OUTER(6) OUTER(7) y[y_at] =
        activate(COMBINED(a[a_at + i * A_INNER], b[b_at + i * B_INNER]), alpha, beta);
}

#ifdef BLOCK
/* An operand's channels for one pixel: a block, or the same number for all. */
#if A_INNER
#define LOAD_A(at) load_block(0, a + (at))
#else
#define LOAD_A(at) ((floatb)a[at])
#endif
#if B_INNER
#define LOAD_B(at) load_block(0, b + (at))
#else
#define LOAD_B(at) ((floatb)b[at])
#endif

/* The same in runs: a work-item does `run` elements of each of `rows` neighbours along dimension 1, in vectors as far as
 * they go. Work-items (extent_0 / run, extent_1 / rows, both rounded up, extent_2 * .. * extent_7). */
kernel void binary_runs(global float *y, global const float *a, global const float *b, float alpha, float beta,
                        DIMENSION(1), DIMENSION(2), DIMENSION(3), DIMENSION(4), DIMENSION(5), DIMENSION(6),
                        DIMENSION(7), long extent_0, long run, long rows)
{
    const long first = (long)get_global_id(0) * run, end = min(first + run, extent_0);
    const long first_row = (long)get_global_id(1) * rows, end_row = min(first_row + rows, extent_1);
    size_t row = get_global_id(2);
    long a_at = first_row * a_stride_1, b_at = first_row * b_stride_1;
    y += (row * extent_1 + first_row) * extent_0;
    OUTER(2)
    OUTER(3)
    OUTER(4)
    OUTER(5)
    OUTER(6)
    OUTER(7)
    for (long r = first_row; r < end_row; r++, y += extent_0, a_at += a_stride_1, b_at += b_stride_1) {
        long i = first;
        for (; i + BLOCK <= end; i += BLOCK) {
            const floatb left = LOAD_A(a_at + i * A_INNER), right = LOAD_B(b_at + i * B_INNER);
            store_block(activate_v(COMBINED(left, right), alpha, beta), 0, y + i);
        }
        for (; i < end; i++)
            y[i] = activate(COMBINED(a[a_at + i * A_INNER], b[b_at + i * B_INNER]), alpha, beta);
    }
}

/* The same for y in blocks of channels, [n, blocks, pixels, BLOCK]. Strides in elements; 0 repeats.
 * Work-item (run of `run` pixels, block, image). */
kernel void binary_blocked(global float *y, global const float *a, global const float *b, float alpha, float beta,
                           int pixels, int run, long a_image, long a_block, int a_pixel, long b_image, long b_block,
                           int b_pixel)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    y += (get_global_id(2) * get_global_size(1) + get_global_id(1)) * pixels * BLOCK;
    a += (long)get_global_id(2) * a_image + (long)get_global_id(1) * a_block;
    b += (long)get_global_id(2) * b_image + (long)get_global_id(1) * b_block;
    for (int i = first; i < end; i++)
        store_block(activate_v(COMBINED(LOAD_A((size_t)i * a_pixel), LOAD_B((size_t)i * b_pixel)), alpha, beta), i, y);
}
#endif
