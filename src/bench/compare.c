#include "bench/compare.h"

#include <math.h>

typedef struct comparison {
    const float *got;
    thaw_bench_reference reference;
    const void *user;
    double difference, magnitude;
} comparison;

static void compare(comparison *c, int64_t element)
{
    const double expected = c->reference(c->user, element);
    c->difference = fmax(c->difference, fabs((double)c->got[element] - expected));
    c->magnitude = fmax(c->magnitude, fabs(expected));
}

double thaw_bench_compare(const float *got, int64_t count, int64_t samples, uint64_t seed,
                          thaw_bench_reference reference, const void *user)
{
    comparison c = {.got = got, .reference = reference, .user = user};
    thaw_random random = {seed};
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(got[i]))
            return NAN;
    compare(&c, 0);
    compare(&c, count - 1);
    for (int64_t part = 0; part < samples; part++) {
        const int64_t first = (int64_t)((double)count * (double)part / (double)samples);
        const int64_t end = (int64_t)((double)count * (double)(part + 1) / (double)samples);
        if (end > first)
            compare(&c, first + (int64_t)thaw_random_below(&random, (uint64_t)(end - first)));
    }
    return c.magnitude > 0 ? c.difference / c.magnitude : c.difference;
}
