/* Means. One work-item per element of y. Sums are kept in eight parts, so that long ones lose few digits. */
#define PARTS 8

/* x [outputs][terms] -> y [outputs]. */
kernel void mean_rows(global const float *x, global float *y, long terms)
{
    const long i = get_global_id(0);
    global const float *row = x + i * terms;
    float8 parts = 0.0f;
    long k = 0;
    for (; k + PARTS <= terms; k += PARTS)
        parts += vload8(0, row + k);
    float sum = 0.0f;
    for (; k < terms; k++)
        sum += row[k];
    parts.lo += parts.hi;
    parts.lo.lo += parts.lo.hi;
    y[i] = (sum + parts.s0 + parts.s1) / (float)terms;
}

/* layout [2][kept + reduced]: extents, then strides in elements; kept dimensions first. y is in row-major order of these. */
kernel void mean_strided(global const float *x, global float *y, long terms, global const long *layout, int kept,
                         int reduced)
{
    const long i = get_global_id(0);
    global const long *stride = layout + kept + reduced;
    long start = 0, rest = i;
    for (int d = kept - 1; d >= 0; d--) {
        start += rest % layout[d] * stride[d];
        rest /= layout[d];
    }
    float parts[PARTS];
    for (int p = 0; p < PARTS; p++)
        parts[p] = 0.0f;
    for (long k = 0; k < terms; k++) {
        long at = start;
        rest = k;
        for (int d = kept + reduced - 1; d >= kept; d--) {
            at += rest % layout[d] * stride[d];
            rest /= layout[d];
        }
        parts[k % PARTS] += x[at];
    }
    float sum = 0.0f;
    for (int p = 0; p < PARTS; p++)
        sum += parts[p];
    y[i] = sum / (float)terms;
}
