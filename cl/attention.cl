/* y = softmax(scale * q k + bias) v, for each matrix of a stack: q [stack, rows, depth], k [stack, depth, keys], v
 * [stack, keys, width], y [stack, rows, width], row-major. BIAS: defined where there is one, [period, rows, keys], of
 * which matrix i reads i % period.
 *
 * keys and width at least BLOCK, the others at least 1; KEY_BLOCKS: keys / BLOCK, rounded up. A work-item does ROWS
 * rows of q, those behind the last being the last one again: work-items (rows / ROWS, rounded up; stack). Scores stay
 * with it. Where a row does not end with a vector, the last one overlaps the one before. */
#define ROWS 4
#ifndef KEY_BLOCKS
#define KEY_BLOCKS 1
#endif
#define KEYS (KEY_BLOCKS * BLOCK)

/* sum[r] = the sum over i of a[r][i] * b[i], b's vectors lying `stride` floats apart; a's rows start at place[r]. */
#define SUM_PRODUCTS(a, place, b, count, stride)                                                                       \
    floatb sum[ROWS];                                                                                                  \
    for (int r = 0; r < ROWS; r++)                                                                                     \
        sum[r] = 0.0f;                                                                                                 \
    for (int i = 0; i < (count); i++) {                                                                                \
        const floatb factor = load_block(0, (b) + (long)i * (stride));                                                 \
        for (int r = 0; r < ROWS; r++)                                                                                 \
            sum[r] += (a)[(place)[r] + i] * factor;                                                                    \
    }

/* Makes a row of scores their exponentials, less the largest, and gives 1 / their sum. */
inline float exponentials(float *scores)
{
    floatb largest = load_block(0, scores), all = 0.0f;
    float some[BLOCK], top, sum = 0.0f;
    for (int i = 1; i < KEY_BLOCKS; i++) {
        const floatb next = load_block(i, scores);
        largest = next > largest ? next : largest;
    }
    store_block(largest, 0, some);
    top = some[0];
    for (int i = 1; i < BLOCK; i++)
        top = some[i] > top ? some[i] : top;
    for (int i = 0; i < KEY_BLOCKS; i++) {
        const floatb power = exp_v(load_block(i, scores) - top);
        store_block(power, i, scores);
        all += power;
    }
    store_block(all, 0, some);
    for (int i = 0; i < BLOCK; i++)
        sum += some[i];
    return 1.0f / sum;
}

kernel void attention(global float *y, global const float *q, global const float *k, global const float *v,
                      global const float *bias, float scale, int rows, int depth, int keys, int width, int period)
{
    float scores[ROWS * KEYS], inverse[ROWS];
    int place[ROWS];
    const long matrix = get_global_id(1);
    const int first = (int)get_global_id(0) * ROWS;
    k += matrix * depth * keys;
    v += matrix * keys * width;
    q += matrix * rows * depth;
    y += matrix * rows * width;
#ifdef BIAS
    bias += matrix % period * rows * keys;
#endif
    for (int r = 0; r < ROWS; r++)
        place[r] = min(first + r, rows - 1) * depth;
    for (int block = 0; block < KEY_BLOCKS; block++) {
        const int start = min(block * BLOCK, keys - BLOCK);
        SUM_PRODUCTS(q, place, k + start, depth, keys)
        for (int r = 0; r < ROWS; r++) {
            floatb score = sum[r] * scale;
#ifdef BIAS
            score += load_block(0, bias + (long)min(first + r, rows - 1) * keys + start);
#endif
            store_block(score, 0, scores + r * KEYS + start);
        }
    }
    for (int r = 0; r < ROWS; r++) {
        for (int i = keys; i < KEYS; i++)
            scores[r * KEYS + i] = -INFINITY;
        inverse[r] = exponentials(scores + r * KEYS);
        place[r] = r * KEYS;
    }
    for (int block = 0; block * BLOCK < width; block++) {
        const int start = min(block * BLOCK, width - BLOCK);
        SUM_PRODUCTS(scores, place, v + start, keys, width)
        for (int r = 0; r < ROWS; r++)
            store_block(sum[r] * inverse[r], 0, y + (long)min(first + r, rows - 1) * width + start);
    }
}
