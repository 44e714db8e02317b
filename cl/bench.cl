/* What `thaw bench` measures of a device itself, besides cl/peak.cl: bandwidths, local memory, half and int8 arithmetic,
 * and a kernel that does nothing.
 *
 * WIDTH: floats (or halves) side by side, 1, 4, 8 or 16. GROUP, ROWS: work-items in a group of bench_local, and eighths of its tile. HALF, DOT: the
 * kernels of these only, which need extensions. */
#ifndef WIDTH
#define WIDTH 8
#endif
#ifndef GROUP
#define GROUP 16
#endif
#ifndef ROWS
#define ROWS 16
#endif

#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define NUMBER half
#else
#define NUMBER float
#endif

#define JOINED_(a, b) a##b
#define JOINED(a, b)  JOINED_(a, b)
#if WIDTH == 1
typedef NUMBER vector;
#else
typedef JOINED(NUMBER, WIDTH) vector;
#endif

#if WIDTH == 1
#define SUM(v) ((float)(v))
#elif WIDTH == 4
#define SUM(v) ((float)(v).x + (float)(v).y + (float)(v).z + (float)(v).w)
#elif WIDTH == 8
#define SUM4(v) ((float)(v).x + (float)(v).y + (float)(v).z + (float)(v).w)
#define SUM(v)  (SUM4((v).lo) + SUM4((v).hi))
#else
#define SUM4(v) ((float)(v).x + (float)(v).y + (float)(v).z + (float)(v).w)
#define SUM(v)  (SUM4((v).lo.lo) + SUM4((v).lo.hi) + SUM4((v).hi.lo) + SUM4((v).hi.hi))
#endif

#ifdef HALF
/* As peak_fma in cl/peak.cl, in half precision. */
kernel void bench_half(global float *out, int steps, float factor, float term)
{
    const vector f = (vector)((half)factor), t = (vector)((half)term), x = (vector)((half)(get_global_id(0) % 8));
    vector a = x, b = x + (half)1, c = x + (half)2, d = x + (half)3, e = x + (half)4, g = x + (half)5;
    vector h = x + (half)6, i = x + (half)7, j = x + (half)8, k = x + (half)9, l = x + (half)10, m = x + (half)11;
    for (int step = 0; step < steps; step++) {
        a = fma(a, f, t);
        b = fma(b, f, t);
        c = fma(c, f, t);
        d = fma(d, f, t);
        e = fma(e, f, t);
        g = fma(g, f, t);
        h = fma(h, f, t);
        i = fma(i, f, t);
        j = fma(j, f, t);
        k = fma(k, f, t);
        l = fma(l, f, t);
        m = fma(m, f, t);
    }
    out[get_global_id(0)] = SUM(a) + SUM(b) + SUM(c) + SUM(d) + SUM(e) + SUM(g) + SUM(h) + SUM(i) + SUM(j) + SUM(k) +
                            SUM(l) + SUM(m);
}
#elif defined(DOT)
#define DOT_STEP(x) x = dot_4x8packed_ss_int(as_uint(x), factor) + term

/* Chains of x = dot(the four bytes of x, those of factor) + term, twelve of them: per work-item steps * 12 * 8
 * operations. */
kernel void bench_dot(global int *out, int steps, uint factor, int term)
{
    const int x = (int)get_global_id(0);
    int a = x, b = x + 1, c = x + 2, d = x + 3, e = x + 4, g = x + 5;
    int h = x + 6, i = x + 7, j = x + 8, k = x + 9, l = x + 10, m = x + 11;
    for (int step = 0; step < steps; step++) {
        DOT_STEP(a);
        DOT_STEP(b);
        DOT_STEP(c);
        DOT_STEP(d);
        DOT_STEP(e);
        DOT_STEP(g);
        DOT_STEP(h);
        DOT_STEP(i);
        DOT_STEP(j);
        DOT_STEP(k);
        DOT_STEP(l);
        DOT_STEP(m);
    }
    out[get_global_id(0)] = a ^ b ^ c ^ d ^ e ^ g ^ h ^ i ^ j ^ k ^ l ^ m;
}
#else

kernel void bench_nothing(global float *out, int wanted)
{
    if (wanted)
        out[get_global_id(0)] = 1.0f;
}

/* x[i] = i mod 2^16: what is copied from the wrong place is seen. */
kernel void bench_ramp(global float *x)
{
    x[get_global_id(0)] = (float)(get_global_id(0) & 0xffff);
}

/* `steps` vectors for each work-item, a multiple of 4: `item_step` vectors from one work-item's first to the next one's,
 * `step` from one of its vectors to the next. out: a float per work-item, its vectors' sum. */
kernel void bench_read(global float *out, global const vector *from, int steps, int item_step, int step)
{
    size_t at = get_global_id(0) * (size_t)item_step;
    vector a = (vector)(0.0f), b = a, c = a, d = a;
    for (int i = 0; i < steps; i += 4, at += 4 * (size_t)step) {
        a += from[at];
        b += from[at + step];
        c += from[at + 2 * step];
        d += from[at + 3 * step];
    }
    const vector sum = a + b + c + d;
    out[get_global_id(0)] = SUM(sum);
}

/* to = from + factor * other; laid out in the same way. */
kernel void bench_triad(global vector *to, global const vector *from, global const vector *other, float factor,
                        int steps, int item_step, int step)
{
    size_t at = get_global_id(0) * (size_t)item_step;
    for (int i = 0; i < steps; i++, at += step)
        to[at] = from[at] + factor * other[at];
}

/* Per work-item steps * 8 vectors out of local memory, which holds 8 * ROWS of them: vector i is all i mod 8. Each
 * work-item begins at its own row, and goes around. ROWS is a multiple of GROUP. */
kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void bench_local(global float *out, int steps)
{
    local vector tile[8 * ROWS];
    const int item = get_local_id(0);
    for (int i = item; i < 8 * ROWS; i += GROUP)
        tile[i] = (vector)((float)(i % 8));
    barrier(CLK_LOCAL_MEM_FENCE);
    vector a = (vector)(0.0f), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (int step = 0; step < steps; step++) {
        const int at = (item + step) % ROWS;
        a += tile[at];
        b += tile[at + ROWS];
        c += tile[at + 2 * ROWS];
        d += tile[at + 3 * ROWS];
        e += tile[at + 4 * ROWS];
        f += tile[at + 5 * ROWS];
        g += tile[at + 6 * ROWS];
        h += tile[at + 7 * ROWS];
    }
    const vector sum = a + b + c + d + e + f + g + h;
    out[get_global_id(0)] = SUM(sum);
}
#endif
