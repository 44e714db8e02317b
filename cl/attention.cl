/* y = softmax(scale * q k + bias) v, for each matrix of a stack: q [stack, rows, depth], k [stack, depth, keys], v
 * [stack, keys, width], y [stack, rows, width], row-major. BIAS: defined where there is one, [period, rows, keys], of
 * which matrix i reads i % period.
 *
 * keys and width at least VECTORS * BLOCK, the others at least 1; KEY_BLOCKS: keys / BLOCK, rounded up. A work-item
 * does ROWS rows of q, those behind the last being the last one again: work-items (rows / ROWS, rounded up; stack).
 * Scores stay with it. Where a row does not end with a vector, the last one overlaps the one before. */
#define ROWS 4
#ifndef KEY_BLOCKS
#define KEY_BLOCKS 1
#endif
#ifndef VECTORS
#define VECTORS 1
#endif
#define KEYS (KEY_BLOCKS * BLOCK)
#define STEP (VECTORS * BLOCK)

/* sum[r][j] += rows[r][p] * vector j at b: a step of a product's ROWS rows, STEP columns. */
#define DEFINE_STEP(name, space)                                                                                       \
    inline void name(floatb sum[ROWS][VECTORS], space const float *const rows[ROWS], int p, global const float *b)     \
    {                                                                                                                  \
        floatb factor[VECTORS];                                                                                        \
        _Pragma("unroll") for (int j = 0; j < VECTORS; j++) factor[j] = load_block(j, b);                              \
        _Pragma("unroll") for (int r = 0; r < ROWS; r++) _Pragma("unroll") for (int j = 0; j < VECTORS; j++)           \
            sum[r][j] = fma((floatb)(rows[r][p]), factor[j], sum[r][j]);                                               \
    }
DEFINE_STEP(add_step, global)
DEFINE_STEP(add_score_step, private)

inline void clear(floatb sum[ROWS][VECTORS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int j = 0; j < VECTORS; j++)
            sum[r][j] = 0.0f;
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
    global const float *rows_of_q[ROWS];
    const float *rows_of_scores[ROWS];
    const long matrix = get_global_id(1);
    const int first = (int)get_global_id(0) * ROWS;
    k += matrix * depth * keys;
    v += matrix * keys * width;
    q += matrix * rows * depth;
    y += matrix * rows * width;
#ifdef BIAS
    bias += matrix % period * rows * keys;
#endif
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        rows_of_q[r] = q + (long)min(first + r, rows - 1) * depth;
        rows_of_scores[r] = scores + r * KEYS;
    }
    for (int from = 0; from < keys; from += STEP) {
        const int start = min(from, keys - STEP);
        floatb sum[ROWS][VECTORS];
        clear(sum);
        for (int p = 0; p < depth; p++)
            add_step(sum, rows_of_q, p, k + (long)p * keys + start);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int j = 0; j < VECTORS; j++) {
                floatb score = sum[r][j] * scale;
#ifdef BIAS
                score += load_block(j, bias + (long)min(first + r, rows - 1) * keys + start);
#endif
                store_block(score, j, scores + r * KEYS + start);
            }
    }
    for (int r = 0; r < ROWS; r++) {
        for (int i = keys; i < KEYS; i++)
            scores[r * KEYS + i] = -INFINITY;
        inverse[r] = exponentials(scores + r * KEYS);
    }
    for (int from = 0; from < width; from += STEP) {
        const int start = min(from, width - STEP);
        floatb sum[ROWS][VECTORS];
        clear(sum);
        for (int p = 0; p < keys; p++)
            add_score_step(sum, rows_of_scores, p, v + (long)p * width + start);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int j = 0; j < VECTORS; j++)
                store_block(sum[r][j] * inverse[r], j, y + (long)min(first + r, rows - 1) * width + start);
    }
}
