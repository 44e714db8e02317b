/* Masks are float32: 1 where something holds, 0 elsewhere. Any number of elements; work-item: one of them. */

kernel void mask_not(global const float *x, global float *y)
{
    y[get_global_id(0)] = x[get_global_id(0)] != 0.0f ? 0.0f : 1.0f;
}

/* Where x is not 0. */
kernel void mask_of(global const float *x, global float *y)
{
    y[get_global_id(0)] = x[get_global_id(0)] != 0.0f ? 1.0f : 0.0f;
}

/* y = a where the mask holds, else b, all three broadcast to y. `table` has four numbers for each of `rank` dimensions,
 * the innermost first: extent, strides of mask, a and b in elements, 0 where they repeat. */
kernel void mask_choose(global float *y, global const float *mask, global const float *a, global const float *b,
                        global const long *table, int rank)
{
    long rest = get_global_id(0), mask_at = 0, a_at = 0, b_at = 0;
    for (int d = 0; d < rank; d++, table += 4) {
        const long place = rest % table[0];
        rest /= table[0];
        mask_at += place * table[1];
        a_at += place * table[2];
        b_at += place * table[3];
    }
    y[get_global_id(0)] = mask[mask_at] != 0.0f ? a[a_at] : b[b_at];
}
