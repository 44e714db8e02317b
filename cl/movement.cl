/* Copies a box of up to eight dimensions from one strided layout to another:
 *
 *     to[to_offset + sum_d i_d * to_stride_d] = from[from_offset + sum_d i_d * from_stride_d]      (with -DACCUMULATE: +=)
 *
 * Dimensions are counted from the innermost; unused ones have an extent of 1. Offsets and strides are in elements, of
 * any sign; from_stride 0 repeats. No element of `to` is written twice. Nothing is asked of sizes or alignment, save
 * that extent_2 * .. * extent_7 is below 2^31.
 *
 * A work-item does a block of tile_1 x tile_0 places along the inner two dimensions (1 x 1 where work-items are cheap);
 * work-items: (extent_0 / tile_0, extent_1 / tile_1, extent_2 * .. * extent_7), rounded up.
 *
 * move_strided  any strides
 * move_dense    for from_stride_0 = to_stride_0 = 1
 * move_turned   for to_stride_0 = from_stride_1 = 1 (transpositions): with square blocks both what is read and what is
 *               written come in runs */

#ifdef ACCUMULATE
#define STORE(target, value) target += (value)
#else
#define STORE(target, value) target = (value)
#endif

#define DIMENSION(d) const long extent_##d, const long from_stride_##d, const long to_stride_##d
#define PARAMETERS                                                                                                     \
    global const float *restrict from, global float *restrict to, const long from_offset, const long to_offset,        \
        const long tile_0, const long tile_1, DIMENSION(0), DIMENSION(1), DIMENSION(2), DIMENSION(3), DIMENSION(4),    \
        DIMENSION(5), DIMENSION(6), DIMENSION(7)

/* Adds the place along outer dimension `d` to the offsets. The branch is the same for all work-items. */
#define OUTER(d)                                                                                                       \
    if (extent_##d > 1) {                                                                                              \
        const uint next = row / (uint)extent_##d;                                                                      \
        const long place = row - next * (uint)extent_##d;                                                              \
        row = next;                                                                                                    \
        from_at += place * from_stride_##d;                                                                            \
        to_at += place * to_stride_##d;                                                                                \
    }

/* Moves the work-item's block; the strides of dimension 0 in `to`, and of both in `from`, as given. */
#define MOVE(to_step_0, from_step_0, from_step_1)                                                                      \
    const long start_0 = get_global_id(0) * tile_0, start_1 = get_global_id(1) * tile_1;                               \
    const long end_0 = min(start_0 + tile_0, extent_0), end_1 = min(start_1 + tile_1, extent_1);                       \
    uint row = (uint)get_global_id(2);                                                                                 \
    long from_at = from_offset, to_at = to_offset;                                                                     \
    OUTER(2) OUTER(3) OUTER(4) OUTER(5) OUTER(6) OUTER(7)                                                              \
    for (long i1 = start_1; i1 < end_1; i1++)                                                                          \
        for (long i0 = start_0; i0 < end_0; i0++)                                                                      \
            STORE(to[to_at + i1 * to_stride_1 + i0 * (to_step_0)],                                                     \
                  from[from_at + i1 * (from_step_1) + i0 * (from_step_0)]);

kernel void move_strided(PARAMETERS)
{
    MOVE(to_stride_0, from_stride_0, from_stride_1)
}

kernel void move_dense(PARAMETERS)
{
    MOVE(1, 1, from_stride_1)
}

kernel void move_turned(PARAMETERS)
{
    MOVE(1, from_stride_0, 1)
}
