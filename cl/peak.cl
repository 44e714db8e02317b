/* What the device can do at most: `thaw profile` measures everything else against these two.
 *
 * WIDTH: floats side by side, 1, 4, 8 or 16. */
#ifndef WIDTH
#define WIDTH 8
#endif

#if WIDTH == 1
typedef float vector;
#define SUM(v) (v)
#elif WIDTH == 4
typedef float4 vector;
#define SUM(v) dot(v, (float4)(1.0f))
#elif WIDTH == 8
typedef float8 vector;
#define SUM(v) dot((v).lo + (v).hi, (float4)(1.0f))
#else
typedef float16 vector;
#define SUM(v) dot((v).lo.lo + (v).lo.hi + (v).hi.lo + (v).hi.hi, (float4)(1.0f))
#endif

/* Fused multiply-adds in registers: per work-item `steps` * 12 vectors. Twelve chains that don't wait for each other
 * hide the latency of two units; written out, since an array might end up in memory. out: a float per work-item, so that
 * nothing can be left out. */
kernel void peak_fma(global float *out, int steps, float factor, float term)
{
    const vector f = (vector)(factor), t = (vector)(term), x = (vector)(get_global_id(0));
    vector a = x, b = x + 1, c = x + 2, d = x + 3, e = x + 4, g = x + 5;
    vector h = x + 6, i = x + 7, j = x + 8, k = x + 9, l = x + 10, m = x + 11;
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
    const vector sum = a + b + c + d + e + g + h + i + j + k + l + m;
    out[get_global_id(0)] = SUM(sum);
}

/* Copies `steps` vectors per work-item: `item_step` vectors from one work-item's first to the next one's, `step` from
 * one of its vectors to the next. */
kernel void peak_copy(global vector *to, global const vector *from, int steps, int item_step, int step)
{
    size_t at = get_global_id(0) * (size_t)item_step;
    for (int i = 0; i < steps; i++, at += step)
        to[at] = from[at];
}
