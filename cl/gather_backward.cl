/* dfrom[outer, s, inner] += the sum of dto[outer, i, inner] over the places i that took slice s, in their order.
 *
 * dfrom [outer, size, inner], dto [outer, count, inner], row-major. begin [size + 1]: slice s was taken by the places
 * taker[begin[s]] to taker[begin[s + 1] - 1]. Work-items: (inner, size, outer). Any sizes. */
kernel void gather_backward(global float *dfrom, global const float *dto, global const int *begin,
                            global const int *taker, const long count)
{
    const long inner = get_global_id(0), slice = get_global_id(1), outer = get_global_id(2);
    const long inners = get_global_size(0), size = get_global_size(1);
    float sum = 0.0f;
    for (int i = begin[slice]; i < begin[slice + 1]; i++)
        sum += dto[(outer * count + taker[i]) * inners + inner];
    dfrom[(outer * size + slice) * inners + inner] += sum;
}
