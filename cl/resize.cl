/* Along one axis, from [outer, size, inner] to [outer, places, inner], row-major, any sizes:
 *
 *     to[o, p, i] = added[p] + the sum of weight[t] * from[o, index[t], i] for t from begin[p] to begin[p + 1] - 1
 *
 * added may be NULL. ACCUMULATE: what is in `to` is added to. from and to begin at from_offset and to_offset, in
 * elements. Work-item (p * inner + i, o). */
kernel void resize(global float *to, global const float *from, global const int *begin, global const int *index,
                   global const float *weight, global const float *added, long to_offset, long from_offset, long size,
                   long inner)
{
    const long at = get_global_id(0), outer = get_global_id(1), place = at / inner, i = at - place * inner;
    float sum = added ? added[place] : 0.0f;
    from += from_offset + outer * size * inner + i;
    to += to_offset + outer * (long)get_global_size(0);
    for (int t = begin[place]; t < begin[place + 1]; t++)
        sum += weight[t] * from[index[t] * inner];
#ifdef ACCUMULATE
    sum += to[at];
#endif
    to[at] = sum;
}
