/* y[i] = f(x[i]) for `count` elements, any number, FUNCTION (thaw_function of src/ops/shared/elementwise.h) says which f.
 * A work-item does the next `each` elements, a multiple of BLOCK, in vectors of BLOCK: drivers compute their own exp() and
 * erf() one number at a time on CPUs, so everything here is made of products and sums.
 *
 * Errors, against double precision, in units in the last place of float32 (2^-23 of the result), unless said otherwise:
 * exp 2, log 2, erf 1, tanh 2, e^x - 1 3. Gelu and Mish have 2^-22 of the argument, or less. NaN stays NaN. */

#define as_intb   JOIN(as_int, BLOCK)
#define as_floatb JOIN(as_float, BLOCK)
typedef JOIN(int, BLOCK) intb;

/* x = 2^n * m, m in [sqrt(1/2), sqrt(2)), and log m = m - 1 - (m - 1)^2 / 2 + (m - 1)^3 * a polynomial (Cephes' logf). */
inline floatb log_v(floatb x)
{
    const floatb whole = x < 1.17549435e-38f ? x * 8388608.0f : x; /* denormal numbers are lifted */
    const floatb lift = x < 1.17549435e-38f ? (floatb)-23.0f : (floatb)0.0f;
    const intb bits = as_intb(whole) - 0x3f3504f3;
    const floatb n = lift + JOIN(convert_float, BLOCK)(bits >> 23);
    const floatb f = as_floatb((bits & 0x007fffff) + 0x3f3504f3) - 1.0f, z = f * f;
    floatb p = fma(f, 7.0376836292e-2f, -1.1514610310e-1f);
    p = fma(p, f, 1.1676998740e-1f);
    p = fma(p, f, -1.2420140846e-1f);
    p = fma(p, f, 1.4249322787e-1f);
    p = fma(p, f, -1.6668057665e-1f);
    p = fma(p, f, 2.0000714765e-1f);
    p = fma(p, f, -2.4999993993e-1f);
    p = fma(p, f, 3.3333331174e-1f);
    floatb y = fma(p, f * z, fma(n, -2.12194440e-4f, -0.5f * z)) + f; /* ln 2 in two parts */
    y = fma(n, 0.693359375f, y);
    y = x == 0.0f ? (floatb)-INFINITY : y;
    y = x < 0.0f ? (floatb)NAN : y;
    return x < INFINITY ? y : x; /* infinity and NaN as they are */
}

/* log(1 + u) for u from 0 on: what 1 + u has lost is put back as a factor. */
inline floatb log_of_one_more(floatb u)
{
    const floatb sum = 1.0f + u, kept = sum - 1.0f;
    return kept == 0.0f ? u : log_v(sum) * (u / kept);
}

/* e^x - 1: its Taylor series near 0. */
inline floatb exp_less_one(floatb x)
{
    floatb p = fma(x, 1.0f / 40320.0f, 1.0f / 5040.0f);
    p = fma(p, x, 1.0f / 720.0f);
    p = fma(p, x, 1.0f / 120.0f);
    p = fma(p, x, 1.0f / 24.0f);
    p = fma(p, x, 1.0f / 6.0f);
    p = fma(p, x, 0.5f);
    return fabs(x) < 0.5f ? fma(p, x * x, x) : exp_v(x) - 1.0f;
}

inline floatb tanh_v(floatb x)
{
    const floatb z = x * x;
    floatb p = fma(z, -5.70498872745e-3f, 2.06390887954e-2f);
    p = fma(p, z, -5.37397155531e-2f);
    p = fma(p, z, 1.33314422036e-1f);
    p = fma(p, z, -3.33332819422e-1f);
    const floatb far = 1.0f - 2.0f / (exp_v(2.0f * fabs(x)) + 1.0f);
    return fabs(x) < 0.625f ? fma(p, z * x, x) : x < 0.0f ? -far : far;
}

#define DENSITY(x)     (0.398942280f * exp_v(-0.5f * (x) * (x)))                /* of the normal distribution */
#define CUMULATED(x)   (0.5f + 0.5f * erf_v((x) * 0.707106781f))                /* the same, up to x */
#define TANH_INNER(x)  (0.797884561f * fma(0.044715f * (x), (x) * (x), (x)))    /* sqrt(2 / pi) * (x + 0.044715 x^3) */
#define TANH_SLOPED(x) (0.797884561f * fma(3.0f * 0.044715f * (x), (x), 1.0f)) /* its slope */

/* tanh(log(1 + e^x)) = n / (n + 2) with n = e^x * (e^x + 2), which is 1 long before it overflows. */
inline floatb tanh_of_softplus(floatb x)
{
    const floatb power = exp_v(x > 20.0f ? (floatb)20.0f : x), n = power * (power + 2.0f);
    return n / (n + 2.0f);
}

inline floatb softplus(floatb x)
{
    return (x > 0.0f ? x : (floatb)0.0f) + log_of_one_more(exp_v(-fabs(x)));
}

inline floatb sigmoid(floatb x)
{
    return 1.0f / (1.0f + exp_v(-x));
}

/* x^exponent: small whole exponents by products. */
inline floatb power(floatb x, float exponent)
{
    const float size = fabs(exponent);
    if (size <= 32.0f && size == floor(size)) {
        floatb y = 1.0f, square = x;
        for (int n = (int)size; n > 0; n /= 2, square *= square)
            y = n % 2 ? y * square : y;
        return exponent < 0.0f ? 1.0f / y : y;
    }
    return exponent == 0.5f ? sqrt(x) : pow(x, (floatb)exponent);
}

/* VALUE: f(x). SLOPE: f'(x), from the result y where y is what it names, else from x. */
#if FUNCTION == 1
#define VALUE(x) tanh_v(x)
#define SLOPE(y) (1.0f - (y) * (y))
#elif FUNCTION == 2
#define VALUE(x) erf_v(x)
#define SLOPE(x) (1.12837917f * exp_v(-(x) * (x)))
#elif FUNCTION == 3
#define VALUE(x) exp_v(x)
#define SLOPE(y) (y)
#elif FUNCTION == 4
#define VALUE(x) log_v(x)
#define SLOPE(x) (1.0f / (x))
#elif FUNCTION == 5
#define VALUE(x) sqrt(x)
#define SLOPE(y) (0.5f / (y))
#elif FUNCTION == 6
#define VALUE(x) fabs(x)
#define SLOPE(x) ((x) > 0.0f ? (floatb)1.0f : (x) < 0.0f ? (floatb)-1.0f : (floatb)0.0f)
#elif FUNCTION == 7
#define VALUE(x) (-(x))
#define SLOPE(x) ((floatb)-1.0f)
#elif FUNCTION == 8
#define VALUE(x) (1.0f / (x))
#define SLOPE(y) (-(y) * (y))
#elif FUNCTION == 9
#define VALUE(x) ((x) > 0.0f ? (x) : alpha * exp_less_one(x))
#define SLOPE(x) ((x) > 0.0f ? (floatb)1.0f : alpha * exp_v(x))
#elif FUNCTION == 10
#define VALUE(x) (beta * ((x) > 0.0f ? (x) : alpha * exp_less_one(x)))
#define SLOPE(x) (beta * ((x) > 0.0f ? (floatb)1.0f : alpha * exp_v(x)))
#elif FUNCTION == 11
#define VALUE(x) softplus(x)
#define SLOPE(x) sigmoid(x)
#elif FUNCTION == 12
#define VALUE(x) ((x) * tanh_of_softplus(x))
#define SLOPE(x) mish_slope(x)
inline floatb mish_slope(floatb x)
{
    const floatb t = tanh_of_softplus(x);
    return fma(x * (1.0f - t * t), sigmoid(x), t);
}
#elif FUNCTION == 13
#define VALUE(x) ((x) * CUMULATED(x))
#define SLOPE(x) fma(x, DENSITY(x), CUMULATED(x))
#elif FUNCTION == 14
#define VALUE(x) (0.5f * (x) * (1.0f + tanh_v(TANH_INNER(x))))
#define SLOPE(x) gelu_tanh_slope(x)
inline floatb gelu_tanh_slope(floatb x)
{
    const floatb t = tanh_v(TANH_INNER(x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * TANH_SLOPED(x);
}
#else
#define VALUE(x) power(x, alpha)
#define SLOPE(x) (alpha == 0.0f ? (floatb)0.0f : alpha * power(x, alpha - 1.0f))
#endif

kernel void elementwise(global float *y, global const float *x, float alpha, float beta, long count, int each)
{
    const long first = (long)get_global_id(0) * each, end = min(first + each, count);
    for (long i = first; i < end; i += BLOCK) {
        const int left = (int)(end - i);
        const floatb some = load_some(x + i, left);
        store_some(VALUE(some), y + i, left);
    }
}

/* dx[i] = dy[i] * f'(x[i]), or is added to with `add`; else dx may be dy. `kept` is y where that tells the slope. */
kernel void elementwise_backward(global float *dx, global const float *dy, global const float *kept, float alpha,
                                 float beta, long count, int each, int add)
{
    const long first = (long)get_global_id(0) * each, end = min(first + each, count);
    for (long i = first; i < end; i += BLOCK) {
        const int left = (int)(end - i);
        const floatb some = load_some(kept + i, left), value = load_some(dy + i, left) * SLOPE(some);
        store_some(add ? load_some(dx + i, left) + value : value, dx + i, left);
    }
}
