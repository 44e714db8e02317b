/* Copies a box of up to eight dimensions from one strided layout to another:
 *
 *     to[to_offset + sum_d i_d * to_stride_d] = from[from_offset + sum_d i_d * from_stride_d]      (with -DACCUMULATE: +=)
 *
 * Dimensions are counted from the innermost; unused ones have an extent of 1. Offsets and strides are in elements, of
 * any sign; from_stride 0 repeats. No element of `to` is written twice. Nothing is asked of sizes or alignment, save
 * that extent_2 * .. * extent_7 is below 2^31.
 *
 * move_strided  any strides; work-items (extent_0, extent_1, extent_2 * .. * extent_7)
 * move_dense    the same for from_stride_0 = to_stride_0 = 1
 * move_tiles    for to_stride_0 = from_stride_1 = 1 (transpositions): each work-item does a square of TILE x TILE, so
 *               that what it reads and what it writes both come in runs; work-items (extent_0 / TILE, extent_1 / TILE,
 *               extent_2 * .. * extent_7), rounded up */
#define TILE 8

#ifdef ACCUMULATE
#define STORE(target, value) target += (value)
#else
#define STORE(target, value) target = (value)
#endif

#define DIMENSION(d) const long extent_##d, const long from_stride_##d, const long to_stride_##d
#define PARAMETERS                                                                                                     \
    global const float *from, global float *to, const long from_offset, const long to_offset, DIMENSION(0),            \
        DIMENSION(1), DIMENSION(2), DIMENSION(3), DIMENSION(4), DIMENSION(5), DIMENSION(6), DIMENSION(7)

/* Adds the place along outer dimension `d` to the offsets. The branch is the same for all work-items. */
#define OUTER(d)                                                                                                       \
    if (extent_##d > 1) {                                                                                              \
        const uint next = row / (uint)extent_##d;                                                                      \
        const long place = row - next * (uint)extent_##d;                                                              \
        row = next;                                                                                                    \
        from_at += place * from_stride_##d;                                                                            \
        to_at += place * to_stride_##d;                                                                                \
    }
#define OUTER_OFFSETS                                                                                                  \
    uint row = (uint)get_global_id(2);                                                                                 \
    long from_at = from_offset, to_at = to_offset;                                                                     \
    OUTER(2) OUTER(3) OUTER(4) OUTER(5) OUTER(6) OUTER(7)

kernel void move_strided(PARAMETERS)
{
    const long i0 = get_global_id(0), i1 = get_global_id(1);
    OUTER_OFFSETS
    STORE(to[to_at + i1 * to_stride_1 + i0 * to_stride_0], from[from_at + i1 * from_stride_1 + i0 * from_stride_0]);
}

kernel void move_dense(PARAMETERS)
{
    const long i0 = get_global_id(0), i1 = get_global_id(1);
    OUTER_OFFSETS
    STORE(to[to_at + i1 * to_stride_1 + i0], from[from_at + i1 * from_stride_1 + i0]);
}

kernel void move_tiles(PARAMETERS)
{
    const long start_0 = get_global_id(0) * TILE, start_1 = get_global_id(1) * TILE;
    const long end_0 = min(start_0 + TILE, extent_0), end_1 = min(start_1 + TILE, extent_1);
    OUTER_OFFSETS
    for (long i1 = start_1; i1 < end_1; i1++)
        for (long i0 = start_0; i0 < end_0; i0++)
            STORE(to[to_at + i1 * to_stride_1 + i0], from[from_at + i1 + i0 * from_stride_0]);
}
