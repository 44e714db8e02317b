/* to[outer, i, inner] = from[outer, index[i], inner]
 *
 * from  [outer, size, inner], to [outer, count, inner], row-major; index [count], each 0 to size - 1 (checked by the
 * host). Work-items: (inner, count, outer). Any sizes. */
kernel void gather(global const float *from, global const int *index, global float *to, const long size)
{
    const long inner = get_global_id(0), i = get_global_id(1), outer = get_global_id(2);
    const long inners = get_global_size(0), count = get_global_size(1);
    to[(outer * count + i) * inners + inner] = from[(outer * size + index[i]) * inners + inner];
}
