/* y[i] = x[i] * scale where a random number of 24 bits is at least `threshold`, else 0; ACCUMULATE: y[i] += that, for the
 * gradient, with the same numbers. Any number of elements; a work-item does four side by side, the last one what is left.
 *
 * The numbers are Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a
 * function of key and counter, so that nothing is kept. Key: the seed. Counter: the place of the four, node, step. */
#ifdef ACCUMULATE
#define STORE(target, value) target += (value)
#else
#define STORE(target, value) target = (value)
#endif

inline uint4 philox(uint4 counter, uint2 key)
{
    for (int round = 0; round < 10; round++) {
        const uint low0 = counter.x * 0xd2511f53u, high0 = mul_hi(counter.x, 0xd2511f53u);
        const uint low1 = counter.z * 0xcd9e8d57u, high1 = mul_hi(counter.z, 0xcd9e8d57u);
        counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key += (uint2)(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

kernel void dropout(global float *y, global const float *x, long count, int threshold, float scale, long seed, int node,
                    int step)
{
    const ulong group = get_global_id(0);
    const uint4 bits = philox((uint4)((uint)group, (uint)(group >> 32), (uint)node, (uint)step),
                              (uint2)((uint)seed, (uint)((ulong)seed >> 32)));
    const int4 kept = convert_int4(bits >> 8) >= threshold;
    const int of_four[4] = {kept.x, kept.y, kept.z, kept.w};
    const long first = 4 * (long)group, end = min(first + 4, count);
    for (long i = first; i < end; i++)
        STORE(y[i], of_four[i - first] ? x[i] * scale : 0.0f);
}
