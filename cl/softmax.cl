/* y = exp(x) / sum of exp(x) along the middle of [outer, length, inner], row-major, any sizes but length 0; LOG: the
 * logarithm of that. The largest element is taken off first, so that nothing overflows; a line with NaN, +inf or
 * nothing but -inf becomes NaN. */
#define RUN 32
#ifndef LANES
#define LANES 1
#endif

/* Any inner. Work-item (place in inner, place in outer). */
kernel void softmax(global float *y, global const float *x, long length)
{
    const size_t inner = get_global_size(0);
    const size_t offset = get_global_id(1) * ((size_t)length * inner) + get_global_id(0);
    x += offset;
    y += offset;
    float largest = x[0];
    for (long i = 1; i < length; i++)
        largest = x[i * inner] > largest ? x[i * inner] : largest;
    float sum = 0.0f;
    for (long first = 0; first < length; first += RUN) {
        const long end = min(first + RUN, length);
        float run = 0.0f; /* by parts: less rounding */
        for (long i = first; i < end; i++) {
            const float power = exp(x[i * inner] - largest);
            y[i * inner] = power;
            run += power;
        }
        sum += run;
    }
#ifdef LOG
    sum = log(sum);
    for (long i = 0; i < length; i++)
        y[i * inner] = x[i * inner] - largest - sum;
#else
    for (long i = 0; i < length; i++)
        y[i * inner] /= sum;
#endif
}

#ifdef BLOCK
/* The elements from i on, -inf behind the row's end. */
inline floatb load_end(global const float *x, int i, int length)
{
    float some[BLOCK];
    for (int lane = 0; lane < BLOCK; lane++)
        some[lane] = i + lane < length ? x[i + lane] : -INFINITY;
    return load_block(0, some);
}

inline void store_end(floatb value, global float *y, int i, int length)
{
    float some[BLOCK];
    store_block(value, 0, some);
    for (int lane = 0; lane < BLOCK && i + lane < length; lane++)
        y[i + lane] = some[lane];
}

/* The largest number of a group's vectors, or their sum; all work-items get it. `shared` is [LANES], and free again
 * behind it. */
#define DEFINE_TOGETHER(name, join)                                                                                    \
    inline float name(floatb value, local float *shared)                                                               \
    {                                                                                                                  \
        float some[BLOCK], all;                                                                                        \
        store_block(value, 0, some);                                                                                   \
        all = some[0];                                                                                                 \
        for (int i = 1; i < BLOCK; i++)                                                                                \
            all = join(all, some[i]);                                                                                  \
        shared[get_local_id(0)] = all;                                                                                 \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        all = shared[0];                                                                                               \
        for (int lane = 1; lane < LANES; lane++)                                                                       \
            all = join(all, shared[lane]);                                                                             \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        return all;                                                                                                    \
    }
#define LARGER(a, b) ((b) > (a) ? (b) : (a))
#define SUM(a, b)    ((a) + (b))
DEFINE_TOGETHER(largest_of_all, LARGER)
DEFINE_TOGETHER(sum_of_all, SUM)

/* inner = 1, length below 2^31. A work-group of LANES work-items does `each` rows, in vectors of BLOCK. */
kernel void softmax_rows(global float *y, global const float *x, long rows, int length, int each)
{
    local float shared[LANES];
    const int lane = (int)get_local_id(0), whole = length / BLOCK * BLOCK, step = LANES * BLOCK;
    const long first = (long)get_group_id(0) * each, end = min(first + each, rows);
    for (long row = first; row < end; row++) {
        global const float *from = x + row * length;
        global float *to = y + row * length;
        floatb largest = -INFINITY, sum = 0.0f;
        const bool ends = whole < length && whole / BLOCK % LANES == lane;
        const floatb last = ends ? load_end(from, whole, length) : (floatb)(-INFINITY);
        for (int i = lane * BLOCK; i < whole; i += step) {
            const floatb some = load_block(0, from + i);
            largest = some > largest ? some : largest;
        }
        largest = last > largest ? last : largest;
        const float top = largest_of_all(largest, shared);
        for (int i = lane * BLOCK; i < whole; i += step) {
            const floatb power = exp_v(load_block(0, from + i) - top);
            sum += power;
#ifndef LOG
            store_block(power, 0, to + i);
#endif
        }
        const floatb last_power = exp_v(last - top);
        sum += last_power;
#ifdef LOG
        const float log_sum = log(sum_of_all(sum, shared));
        for (int i = lane * BLOCK; i < whole; i += step)
            store_block(load_block(0, from + i) - top - log_sum, 0, to + i);
        if (ends)
            store_end(last - top - log_sum, to, whole, length);
#else
        const float all = sum_of_all(sum, shared);
        for (int i = lane * BLOCK; i < whole; i += step)
            store_block(load_block(0, to + i) / all, 0, to + i);
        if (ends)
            store_end(last_power / all, to, whole, length);
#endif
    }
}
#endif
