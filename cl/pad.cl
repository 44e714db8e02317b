/* Every element of the output comes from one of the input, or is the constant:
 *
 *     to[i_7, .., i_1, i_0] = from[table_7[i_7] + .. + table_1[i_1] + table_0[i_0]],   value[0] where an entry is negative
 *
 * `to` is row-major, of dimensions counted from the innermost; unused ones have an extent of 1. `table` holds the
 * tables one behind the other, that of dimension 0 first, extent_d entries each: what place i_d adds to the offset in
 * `from`, in elements, or a negative number. A work-item does `tile` places along dimension 0; work-items:
 * (extent_0 / tile, extent_1, extent_2 * .. * extent_7), the last below 2^31. */
#define OUTER(d)                                                                                                       \
    {                                                                                                                  \
        const uint extent = (uint)extent_##d;                                                                          \
        const uint next = extent > 1 ? row / extent : row; /* the same branch for all: divisions cost more */          \
        from_at = advance(from_at, table[extent > 1 ? row - next * extent : 0]);                                       \
        row = next;                                                                                                    \
        table += extent;                                                                                               \
    }

inline long advance(long at, long entry)
{
    return at < 0 || entry < 0 ? -1 : at + entry;
}

kernel void pad(global const float *restrict from, global float *restrict to, global const long *table,
                global const float *value, const long tile, const long extent_0, const long extent_1,
                const long extent_2, const long extent_3, const long extent_4, const long extent_5, const long extent_6,
                const long extent_7)
{
    const long start = get_global_id(0) * tile, end = min(start + tile, extent_0);
    const long i1 = get_global_id(1), i2 = get_global_id(2);
    global const long *inner_table = table;
    global float *line = to + (i2 * extent_1 + i1) * extent_0;
    uint row = (uint)i2;
    long from_at = table[extent_0 + i1];
    table += extent_0 + extent_1;
    OUTER(2) OUTER(3) OUTER(4) OUTER(5) OUTER(6) OUTER(7)
    for (long i0 = start; i0 < end; i0++) {
        const long at = advance(from_at, inner_table[i0]);
        line[i0] = at < 0 ? value[0] : from[at];
    }
}
