/* What gradients of element by element arithmetic are made of: to += scale * term over a box of up to eight dimensions,
 * where `to` may repeat, and then gets the sum.
 *
 * TERM  0: from        1: from * q        2: from / q        3: -from * p / (q * q)
 *       4: from where p > q, half of it where p == q      5: from * q * p^(q - 1)      6: from * p^q * log(p)
 *       7: from where p > 0, else from * q                8: from * p where p <= 0
 *       9: from where q != 0      10: from where q == 0
 *
 * Each operand has a stride for each dimension, in elements; 0 repeats. What a TERM does not use is not touched.
 * `table` holds where to, from, p and q begin, then five numbers for each dimension that is not an argument, the
 * innermost first: extent, strides of to, from, p, q. Any extents. No sum depends on the order in which work-items run.
 */
#ifndef TERM
#define TERM 0
#endif

#if TERM == 0
#define VALUE(from, p, q) (from)
#elif TERM == 1
#define VALUE(from, p, q) ((from) * (q))
#elif TERM == 2
#define VALUE(from, p, q) ((from) / (q))
#elif TERM == 3
#define VALUE(from, p, q) (-(from) * ((p) / (q)) / (q))
#elif TERM == 4
#define VALUE(from, p, q) ((p) > (q) ? (from) : (p) == (q) ? 0.5f * (from) : 0.0f)
#elif TERM == 5
#define VALUE(from, p, q) ((q) == 0.0f ? 0.0f : (from) * (q)*pow(p, (q)-1.0f))
#elif TERM == 6
#define VALUE(from, p, q) ((p) > 0.0f ? (from)*pow(p, q) * log(p) : 0.0f)
#elif TERM == 7
#define VALUE(from, p, q) ((p) > 0.0f ? (from) : (from) * (q))
#elif TERM == 8
#define VALUE(from, p, q) ((p) > 0.0f ? 0.0f : (from) * (p))
#elif TERM == 9
#define VALUE(from, p, q) ((q) != 0.0f ? (from) : 0.0f)
#else
#define VALUE(from, p, q) ((q) == 0.0f ? (from) : 0.0f)
#endif

/* The number at an operand's place, or nothing where TERM does without it. */
#if TERM >= 3 && TERM < 9
#define P(load) load
#else
#define P(load) 0.0f
#endif
#if TERM > 0
#define Q(load) load
#else
#define Q(load) 0.0f
#endif

/* TO_0, FROM_0, P_0, Q_0: strides of the innermost dimension (sums: 0 or not). OUTER: how many dimensions are in the
 * table. */
#ifndef OUTER
#define OUTER 0
#endif
#ifndef FROM_0
#define TO_0   1
#define FROM_0 1
#define P_0    1
#define Q_0    1
#endif

typedef struct places {
    long to, from, p, q;
} places;

/* Moves `at` by the place that `row` names in `rank` dimensions of a table. */
static inline void advance(places *at, long row, global const long *table, int rank)
{
    for (int d = 0; d < rank; d++, table += 5) {
        const long place = row % table[0];
        row /= table[0];
        at->to += place * table[1];
        at->from += place * table[2];
        at->p += place * table[3];
        at->q += place * table[4];
    }
}

/* Nothing in `to` repeats; with an `add` of 0 it is replaced. Work-items (extent_0, extent_1, the others together). */
kernel void add_terms(global float *to, global const float *from, global const float *p, global const float *q,
                      float scale, global const long *table, long to_1, long from_1, long p_1, long q_1, int add)
{
    const long i = (long)get_global_id(0), j = (long)get_global_id(1);
    places at = {table[0] + j * to_1, table[1] + j * from_1, table[2] + j * p_1, table[3] + j * q_1};
#if OUTER
    advance(&at, (long)get_global_id(2), table + 4, OUTER);
#endif
    const float value = scale * VALUE(from[at.from + i * FROM_0], P(p[at.p + i * P_0]), Q(q[at.q + i * Q_0]));
    if (add)
        to[at.to + i * TO_0] += value;
    else
        to[at.to + i * TO_0] = value;
}

/* The sum over a piece of a line. DENSE: its elements lie side by side, save that P_0 or Q_0 may be 0. */
static inline float line_sum(global const float *from, global const float *p, global const float *q, long count,
                             long from_step, long p_step, long q_step)
{
    float sum = 0.0f;
    long i = 0;
#ifdef DENSE
#if P_0
#define P_8 vload8(0, p + i)
#else
#define P_8 (float8)(p[0])
#endif
#if Q_0
#define Q_8 vload8(0, q + i)
#else
#define Q_8 (float8)(q[0])
#endif
    float8 sums = 0.0f;
    for (; i + 8 <= count; i += 8)
        sums += VALUE(vload8(0, from + i), P(P_8), Q(Q_8));
    const float4 half_sums = sums.lo + sums.hi;
    sum = (half_sums.x + half_sums.y) + (half_sums.z + half_sums.w);
#endif
    while (i < count) {
        const long end = min(i + 32, count);
        float run = 0.0f; /* by parts: less rounding */
        for (; i < end; i++)
            run += VALUE(from[i * from_step], P(p[i * p_step]), Q(q[i * q_step]));
        sum += run;
    }
    return sum;
}

/* `to` repeats along a line and other dimensions: `kept` of them, then `summed` ones, are in the table. Lines are cut
 * into segments; all that is to be summed makes `units` segments. Work-item (place in `to`, piece of the units). */
kernel void sum_terms(global float *to, global const float *from, global const float *p, global const float *q,
                      float scale, global const long *table, int kept, int summed, long line, long segment,
                      long from_step, long p_step, long q_step, long units, global float *pieces)
{
    const long place = (long)get_global_id(0), piece = (long)get_global_id(1), count = (long)get_global_size(1);
    places start = {table[0], table[1], table[2], table[3]};
    advance(&start, place, table + 4, kept);
    const long segments = (line + segment - 1) / segment, end = units * (piece + 1) / count;
    float sum = 0.0f;
    for (long unit = units * piece / count; unit < end; unit++) {
        const long first = unit % segments * segment;
        places at = start;
        advance(&at, unit / segments, table + 4 + 5 * kept, summed);
        sum += line_sum(from + at.from + first * from_step, p + at.p + first * p_step, q + at.q + first * q_step,
                        min(segment, line - first), from_step, p_step, q_step);
    }
    if (count == 1)
        to[start.to] += scale * sum;
    else
        pieces[piece * (long)get_global_size(0) + place] = sum;
}

/* The last stage of sum_terms in several pieces. Work-item: place in `to`. */
kernel void finish_sum(global float *to, global const float *pieces, float scale, global const long *table, int kept,
                       int count)
{
    const long place = (long)get_global_id(0);
    float sum = 0.0f;
    for (int i = 0; i < count; i++)
        sum += pieces[i * (long)get_global_size(0) + place];
    places at = {table[0], 0, 0, 0};
    advance(&at, place, table + 4, kept);
    to[at.to] += scale * sum;
}

#ifdef BLOCK
/* Activations in blocks of channels, [images, blocks, pixels, BLOCK]. An operand's channels for one pixel: a block, or
 * the same number for all (stride 0 along them). */
#if FROM_0
#define FROM_BLOCK(at) load_block(0, from + (at))
#else
#define FROM_BLOCK(at) ((floatb)from[at])
#endif
#if Q_0
#define Q_BLOCK(at) load_block(0, q + (at))
#else
#define Q_BLOCK(at) ((floatb)q[at])
#endif

/* add_terms where `to` has every pixel of every block; a TERM of 3 or more is none of these. Work-item (run of `run`
 * pixels, block, image). */
kernel void add_terms_blocked(global float *to, global const float *from, global const float *q, float scale,
                              int pixels, int run, long from_image, long from_block, int from_pixel, long q_image,
                              long q_block, int q_pixel, int add)
{
    const int first = (int)get_global_id(0) * run, end = min(first + run, pixels);
    to += (get_global_id(2) * get_global_size(1) + get_global_id(1)) * pixels * BLOCK;
    from += (long)get_global_id(2) * from_image + (long)get_global_id(1) * from_block;
    q += (long)get_global_id(2) * q_image + (long)get_global_id(1) * q_block;
    for (int i = first; i < end; i++) {
        const floatb value = VALUE(FROM_BLOCK((size_t)i * from_pixel), 0.0f, Q(Q_BLOCK((size_t)i * q_pixel)));
        store_block((add ? load_block(i, to) : 0.0f) + scale * value, i, to);
    }
}

/* `to` has one element for all pixels of an image's channel: to[image * to_image + block * BLOCK + lane], either added
 * to or, with `fresh`, written. Work-item (block, image). */
kernel void sum_pixels_blocked(global float *to, global const float *from, global const float *q, float scale,
                               int pixels, long to_image, long from_image, long from_block, int from_pixel,
                               long q_image, long q_block, int q_pixel, int fresh)
{
    to += (long)get_global_id(1) * to_image + (long)get_global_id(0) * BLOCK;
    from += (long)get_global_id(1) * from_image + (long)get_global_id(0) * from_block;
    q += (long)get_global_id(1) * q_image + (long)get_global_id(0) * q_block;
    floatb sum = 0.0f;
    for (int first = 0; first < pixels; first += 32) {
        const int end = min(first + 32, pixels);
        floatb even = 0.0f, odd = 0.0f;
        for (int i = first; i < end; i += 2) {
            even += VALUE(FROM_BLOCK((size_t)i * from_pixel), 0.0f, Q(Q_BLOCK((size_t)i * q_pixel)));
            if (i + 1 < end)
                odd += VALUE(FROM_BLOCK((size_t)(i + 1) * from_pixel), 0.0f, Q(Q_BLOCK((size_t)(i + 1) * q_pixel)));
        }
        sum += even + odd;
    }
    store_block((fresh ? 0.0f : load_block(0, to)) + scale * sum, 0, to);
}
#endif
