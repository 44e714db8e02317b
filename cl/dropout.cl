/* y[i] = x[i] * scale where a random number of 24 bits is at least `threshold`, else 0; ACCUMULATE: y[i] += that, for the
 * gradient, with the same numbers. Any number of elements; a work-item does 32 side by side, the last one what is left.
 *
 * The numbers are Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a
 * function of key and counter, so that nothing is kept. Key: the seed. Counter: the place of the four, node, step. Eight
 * counters at once: element 8 w + c of the 32 has word w of counter c. */
#ifdef ACCUMULATE
#define STORE(old, value) (old) + (value)
#else
#define STORE(old, value) (value)
#endif
#define LOW 0xfffffffful

/* Words are in the lower halves of 64 bits, which hold their products: mul_hi() is one number at a time on CPUs. */
inline void philox(ulong8 word[4], ulong key0, ulong key1)
{
    for (int round = 0; round < 10; round++) {
        const ulong8 product0 = word[0] * 0xd2511f53ul, product1 = word[2] * 0xcd9e8d57ul;
        word[0] = product1 >> 32 ^ word[1] ^ key0;
        word[1] = product1 & LOW;
        word[2] = product0 >> 32 ^ word[3] ^ key1;
        word[3] = product0 & LOW;
        key0 = (key0 + 0x9e3779b9ul) & LOW;
        key1 = (key1 + 0xbb67ae85ul) & LOW;
    }
}

kernel void dropout(global float *y, global const float *x, long count, int threshold, float scale, long seed, int node,
                    int step)
{
    const long first = 32 * (long)get_global_id(0);
    const ulong8 place = (ulong)first / 4 + (ulong8)(0, 1, 2, 3, 4, 5, 6, 7);
    ulong8 word[4] = {place & LOW, place >> 32, (uint)node, (uint)step};
    philox(word, (ulong)seed & LOW, (ulong)seed >> 32);
    for (int w = 0; w < 4; w++) {
        const int8 kept = as_int16(word[w] >> 8 >= (ulong)threshold).even;
        const long at = first + 8 * w;
        if (at + 8 <= count) {
            vstore8(STORE(vload8(0, y + at), kept ? vload8(0, x + at) * scale : 0.0f), 0, y + at);
            continue;
        }
        float scales[8];
        vstore8(kept ? scale : 0.0f, 0, scales);
        for (long i = at; i < count; i++)
            y[i] = STORE(y[i], scales[i - at] != 0.0f ? x[i] * scale : 0.0f);
    }
}
