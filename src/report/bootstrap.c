#include "report/bootstrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/statistics.h"

thaw_status thaw_sorted_copy(thaw_context *context, const double *samples, size_t count, double **sorted)
{
    THAW_TRY(thaw_allocate(context, count, sizeof **sorted, sorted));
    memcpy(*sorted, samples, count * sizeof *samples);
    thaw_bench_sort(*sorted, count);
    return THAW_OK;
}

/* A run, made ready for drawing from it. */
typedef struct urn {
    const double *sorted;
    size_t count, round_count;
    size_t *ranks;   /* [count]: where each sample is in `sorted`; equal ones share a place */
    size_t *bounds;  /* [round_count + 1]: where each round's samples begin, and where the last one's end */
    uint32_t *drawn; /* [count]: how often what is there in `sorted` was drawn */
} urn;

static size_t rank_of(const double *sorted, size_t count, double sample)
{
    size_t below = 0, end = count;
    while (below < end) {
        const size_t middle = below + (end - below) / 2;
        if (sorted[middle] < sample)
            below = middle + 1;
        else
            end = middle;
    }
    return below;
}

static thaw_status fill_urn(thaw_context *context, const thaw_bootstrap_run *run, urn *u)
{
    u->sorted = run->sorted;
    u->count = run->count;
    u->round_count = run->rounds ? run->round_count : run->count;
    THAW_TRY(thaw_allocate(context, u->count, sizeof *u->ranks, &u->ranks));
    THAW_TRY(thaw_allocate(context, u->count, sizeof *u->drawn, &u->drawn));
    THAW_TRY(thaw_allocate(context, u->round_count + 1, sizeof *u->bounds, &u->bounds));
    for (size_t i = 0; i < u->count; i++)
        u->ranks[i] = rank_of(run->sorted, run->count, run->samples[i]);
    for (size_t i = 0; i < u->round_count; i++)
        u->bounds[i + 1] = u->bounds[i] + (run->rounds ? run->rounds[i] : 1);
    return THAW_OK;
}

static void empty_urn(urn *u)
{
    free(u->ranks);
    free(u->drawn);
    free(u->bounds);
}

static size_t draw_below(thaw_random *random, size_t count)
{
    return (size_t)(thaw_random_uniform(random) * (double)count);
}

/* Counts what is drawn, which spares sorting it; returns how much that is. */
static size_t draw(urn *u, thaw_random *random)
{
    size_t total = 0;
    memset(u->drawn, 0, u->count * sizeof *u->drawn);
    for (size_t i = 0; i < u->round_count; i++) {
        const size_t round = draw_below(random, u->round_count);
        const size_t *ranks = u->ranks + u->bounds[round], size = u->bounds[round + 1] - u->bounds[round];
        for (size_t j = 0; j < size; j++)
            u->drawn[ranks[draw_below(random, size)]]++;
        total += size;
    }
    return total;
}

static double resampled_median(urn *u, thaw_random *random)
{
    const size_t count = draw(u, random);
    size_t lower = 0, passed = u->drawn[0];
    while (passed <= (count - 1) / 2)
        passed += u->drawn[++lower];
    size_t upper = lower;
    while (passed <= count / 2)
        passed += u->drawn[++upper];
    return 0.5 * (u->sorted[lower] + u->sorted[upper]);
}

static void percentiles(double *ratios, double *low, double *high)
{
    const size_t tail = THAW_BOOTSTRAP_RESAMPLES / 40; /* 2.5 % */
    thaw_bench_sort(ratios, THAW_BOOTSTRAP_RESAMPLES);
    *low = ratios[tail - 1];
    *high = ratios[THAW_BOOTSTRAP_RESAMPLES - tail];
}

static thaw_status find_interval(thaw_context *context, urn *a, urn *b, uint64_t seed, double *low, double *high)
{
    double *ratios;
    thaw_random random = {seed};
    THAW_TRY(thaw_allocate(context, THAW_BOOTSTRAP_RESAMPLES, sizeof *ratios, &ratios));
    for (size_t i = 0; i < THAW_BOOTSTRAP_RESAMPLES; i++) {
        const double median = resampled_median(a, &random);
        ratios[i] = median / resampled_median(b, &random);
    }
    percentiles(ratios, low, high);
    free(ratios);
    return THAW_OK;
}

thaw_status thaw_bootstrap_ratio(thaw_context *context, const thaw_bootstrap_run *a, const thaw_bootstrap_run *b,
                                 uint64_t seed, double *low, double *high)
{
    urn first = {0}, second = {0};
    thaw_status status = fill_urn(context, a, &first);
    if (status == THAW_OK)
        status = fill_urn(context, b, &second);
    if (status == THAW_OK)
        status = find_interval(context, &first, &second, seed, low, high);
    empty_urn(&first);
    empty_urn(&second);
    return status;
}
