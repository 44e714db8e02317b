/* Along the middle of [outer, length, inner], row-major, any sizes:
 *
 *     dx += y * (dy - the sum of dy * y)            LOG: dx += dy - exp(y) * the sum of dy */
#ifndef LANES
#define LANES 1
#endif
#define RUN 32
#ifndef LANES
#define LANES 1
#endif

#ifdef LOG
#define SUMMED(dy, y)      (dy)
#define SLOPE(dy, y, sum)  ((dy)-exp(y) * (sum))
#define SLOPES(dy, y, sum) ((dy)-exp_v(y) * (sum))
#else
#define SUMMED(dy, y)      ((dy) * (y))
#define SLOPE(dy, y, sum)  ((y) * ((dy) - (sum)))
#define SLOPES(dy, y, sum) ((y) * ((dy) - (sum)))
#endif

/* Any inner. Work-item (place in inner, place in outer). */
kernel void softmax_backward(global float *dx, global const float *dy, global const float *y, long length)
{
    const size_t inner = get_global_size(0);
    const size_t offset = get_global_id(1) * ((size_t)length * inner) + get_global_id(0);
    dx += offset;
    dy += offset;
    y += offset;
    float sum = 0.0f;
    for (long first = 0; first < length; first += RUN) {
        const long end = min(first + RUN, length);
        float run = 0.0f; /* by parts: less rounding */
        for (long i = first; i < end; i++)
            run += SUMMED(dy[i * inner], y[i * inner]);
        sum += run;
    }
    for (long i = 0; i < length; i++)
        dx[i * inner] += SLOPE(dy[i * inner], y[i * inner], sum);
}

#ifdef BLOCK
/* The sum over a group's vectors and other numbers; all work-items get it. `shared` is [LANES], and free again behind
 * it. */
inline float sum_of_all(floatb value, float rest, local float *shared)
{
    float some[BLOCK], all = rest;
    store_block(value, 0, some);
    for (int i = 0; i < BLOCK; i++)
        all += some[i];
    shared[get_local_id(0)] = all;
    barrier(CLK_LOCAL_MEM_FENCE);
    all = 0.0f;
    for (int lane = 0; lane < LANES; lane++)
        all += shared[lane];
    barrier(CLK_LOCAL_MEM_FENCE);
    return all;
}

/* inner = 1, length below 2^31. A work-group of LANES work-items does `each` rows, in vectors of BLOCK. */
kernel void softmax_backward_rows(global float *dx, global const float *dy, global const float *y, long rows,
                                  int length, int each)
{
    local float shared[LANES];
    const int lane = (int)get_local_id(0), whole = length / BLOCK * BLOCK, step = LANES * BLOCK;
    const long first = (long)get_group_id(0) * each, end = min(first + each, rows);
    for (long row = first; row < end; row++) {
        const long at = row * length;
        floatb sums = 0.0f;
        for (int i = lane * BLOCK; i < whole; i += step)
            sums += SUMMED(load_block(0, dy + at + i), load_block(0, y + at + i));
        float rest = 0.0f;
        for (int i = whole + lane; i < length; i += LANES)
            rest += SUMMED(dy[at + i], y[at + i]);
        const float sum = sum_of_all(sums, rest, shared);
        for (int i = lane * BLOCK; i < whole; i += step) {
            const floatb slopes = SLOPES(load_block(0, dy + at + i), load_block(0, y + at + i), sum);
            store_block(load_block(0, dx + at + i) + slopes, 0, dx + at + i);
        }
        for (int i = whole + lane; i < length; i += LANES)
            dx[at + i] += SLOPE(dy[at + i], y[at + i], sum);
    }
}
#endif
