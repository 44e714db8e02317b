/* y = softmax(scale * q k + bias) v, for each matrix of a stack: q [rows, depth], k [depth, keys], v [keys, width], y
 * [rows, width], of any sizes. BIAS: defined where there is one, [period, rows, keys], of which matrix i reads i % period.
 *
 * The stack is one of groups of `inner` matrices. Each operand begins at its offset and has strides, in elements, from
 * group to group, from matrix to matrix and from row to row; columns lie side by side. For k, `row` is the stride from
 * key to key, and `step` the one along the depth.
 *
 * A work-item does `part` rows of one matrix, ROWS of them at a time, and packs k and v for that into panels of STEP
 * columns, a multiple of BLOCK: work-items (rows / part, rounded up; stack). Scores stay with it. DEPTH: as `depth`;
 * KEY_STRIPS, WIDTH_STRIPS: keys and width / STEP, rounded up. */
#ifndef STEP
#define ROWS         8
#define STEP         BLOCK
#define KEY_STRIPS   1
#define WIDTH_STRIPS 1
#define DEPTH        1
#endif
#define ABREAST (STEP / BLOCK)
#define KEYS (KEY_STRIPS * STEP)

#define PLACE(name) long name##_offset, long name##_outer, long name##_inner, long name##_row

/* Columns [0, lanes) of a strip of k; zeros behind. By four keys and four steps at a time where these lie side by side.
 */
inline void pack_keys(float *panel, global const float *k, long key, long step, int lanes, int depth)
{
    for (int lane = 0; lane < STEP; lane += 4, k += 4 * key) {
        int p = 0;
        if (step == 1 && lane + 4 <= lanes)
            for (; p + 4 <= depth; p += 4) {
                const float4 x = vload4(0, k + p), y = vload4(0, k + key + p);
                const float4 z = vload4(0, k + 2 * key + p), w = vload4(0, k + 3 * key + p);
                float *to = panel + p * STEP + lane;
                vstore4((float4)(x.s0, y.s0, z.s0, w.s0), 0, to);
                vstore4((float4)(x.s1, y.s1, z.s1, w.s1), 0, to + STEP);
                vstore4((float4)(x.s2, y.s2, z.s2, w.s2), 0, to + 2 * STEP);
                vstore4((float4)(x.s3, y.s3, z.s3, w.s3), 0, to + 3 * STEP);
            }
        else if (key == 1 && lane + 4 <= lanes)
            for (; p < depth; p++)
                vstore4(vload4(0, k + p * step), 0, panel + p * STEP + lane);
        for (; p < depth; p++)
            for (int i = 0; i < 4; i++)
                panel[p * STEP + lane + i] = lane + i < lanes ? k[i * key + p * step] : 0.0f;
    }
}

/* The same of v, whose rows begin `row` elements after each other. */
inline void pack_values(float *panel, global const float *v, long row, int lanes, int keys)
{
    for (int p = 0; p < keys; p++, v += row)
        for (int j = 0; j < ABREAST; j++)
            store_block(load_some(v + j * BLOCK, lanes - j * BLOCK), p * ABREAST + j, panel);
}

/* sum[r][j] += rows[r][p] * vector j of step p of a panel: ROWS rows of a product, STEP columns. */
#define DEFINE_STEP(name, space)                                                                                       \
    inline void name(floatb sum[ROWS][ABREAST], space const float *const rows[ROWS], int p, const float *panel)        \
    {                                                                                                                  \
        floatb factor[ABREAST];                                                                                        \
        _Pragma("unroll") for (int j = 0; j < ABREAST; j++) factor[j] = load_block(p * ABREAST + j, panel);            \
        _Pragma("unroll") for (int r = 0; r < ROWS; r++) _Pragma("unroll") for (int j = 0; j < ABREAST; j++)           \
            sum[r][j] = fma((floatb)(rows[r][p]), factor[j], sum[r][j]);                                               \
    }
DEFINE_STEP(add_step, global)
DEFINE_STEP(add_score_step, private)

inline void clear(floatb sum[ROWS][ABREAST])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int j = 0; j < ABREAST; j++)
            sum[r][j] = 0.0f;
}

/* Makes a row of scores their exponentials, less the largest, and gives 1 / their sum. */
inline float exponentials(float *scores)
{
    floatb largest = load_block(0, scores), all = 0.0f;
    float some[BLOCK], top, sum = 0.0f;
    for (int i = 1; i < KEYS / BLOCK; i++) {
        const floatb next = load_block(i, scores);
        largest = next > largest ? next : largest;
    }
    store_block(largest, 0, some);
    top = some[0];
    for (int i = 1; i < BLOCK; i++)
        top = some[i] > top ? some[i] : top;
    for (int i = 0; i < KEYS / BLOCK; i++) {
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
                      global const float *bias, float scale, int rows, int depth, int keys, int width, int period,
                      int inner, int part, PLACE(q), PLACE(k), long k_step, PLACE(v), PLACE(y))
{
    float key_panels[KEY_STRIPS * DEPTH * STEP], value_panels[WIDTH_STRIPS * KEYS * STEP];
    float scores[ROWS * KEYS], inverse[ROWS];
    global const float *rows_of_q[ROWS];
    const float *rows_of_scores[ROWS];
    const long matrix = get_global_id(1), group = matrix / inner, member = matrix % inner;
    const int start = (int)get_global_id(0) * part, end = min(start + part, rows);
    k += k_offset + group * k_outer + member * k_inner;
    v += v_offset + group * v_outer + member * v_inner;
    q += q_offset + group * q_outer + member * q_inner;
    y += y_offset + group * y_outer + member * y_inner;
#ifdef BIAS
    bias += matrix % period * rows * keys;
#endif
    for (int strip = 0; strip < KEY_STRIPS; strip++)
        pack_keys(key_panels + strip * DEPTH * STEP, k + strip * STEP * k_row, k_row, k_step,
                  min(STEP, keys - strip * STEP), depth);
    for (int strip = 0; strip < WIDTH_STRIPS; strip++)
        pack_values(value_panels + strip * KEYS * STEP, v + strip * STEP, v_row, min(STEP, width - strip * STEP), keys);
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        rows_of_scores[r] = scores + r * KEYS;
    for (int first = start; first < end; first += ROWS) {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            rows_of_q[r] = q + min(first + r, rows - 1) * q_row;
        for (int strip = 0; strip < KEY_STRIPS; strip++) {
            const float *panel = key_panels + strip * DEPTH * STEP;
            floatb sum[ROWS][ABREAST];
            clear(sum);
            for (int p = 0; p < depth; p++)
                add_step(sum, rows_of_q, p, panel);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int j = 0; j < ABREAST; j++)
                    store_block(sum[r][j] * scale, j, scores + r * KEYS + strip * STEP);
        }
        for (int r = 0; r < ROWS; r++) {
            float *row = scores + r * KEYS;
#ifdef BIAS
            global const float *added = bias + (long)min(first + r, rows - 1) * keys;
            for (int i = 0; i < keys; i += BLOCK)
                store_block(load_block(0, row + i) + load_some(added + i, keys - i), 0, row + i);
#endif
            for (int i = keys; i < KEYS; i++)
                row[i] = -INFINITY;
            inverse[r] = exponentials(row);
        }
        for (int strip = 0; strip < WIDTH_STRIPS; strip++) {
            const float *panel = value_panels + strip * KEYS * STEP;
            floatb sum[ROWS][ABREAST];
            clear(sum);
            for (int p = 0; p < keys; p++)
                add_score_step(sum, rows_of_scores, p, panel);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int j = 0; j < ABREAST; j++)
                    if (first + r < end)
                        store_some(sum[r][j] * inverse[r], y + (first + r) * y_row + strip * STEP + j * BLOCK,
                                   width - strip * STEP - j * BLOCK);
        }
    }
}
