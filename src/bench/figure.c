#include "bench/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the usual: a round beside which the probe loses more is left out, but so many stay as an interval takes: those
 * with the fastest probes. */
#define SLOWED      0.1
#define WIDE_SPREAD 0.1
#define ABOVE_PEAK  1.05

/* --- rounds --- */

static bool is_slowed(const thaw_bench_round *round, double usual)
{
    return round->pace > 0 && round->pace < (1 - SLOWED) * usual;
}

static size_t count_from(const thaw_bench_entry *entry, double pace)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->round_count; i++)
        count += entry->rounds[i].pace >= pace;
    return count;
}

/* The highest pace that THAW_BENCH_ENOUGH have; there are as many. */
static double best_pace(const thaw_bench_entry *entry)
{
    double best = 0;
    for (size_t i = 0; i < entry->round_count; i++)
        if (entry->rounds[i].pace > best && count_from(entry, entry->rounds[i].pace) >= THAW_BENCH_ENOUGH)
            best = entry->rounds[i].pace;
    return best;
}

size_t thaw_bench_choose_rounds(const thaw_bench_probe *probe, thaw_bench_entry *entry)
{
    const double usual = thaw_bench_probe_usual(probe);
    size_t steady = 0, kept = 0;
    for (size_t i = 0; i < entry->round_count; i++)
        steady += !is_slowed(&entry->rounds[i], usual);
    const bool enough = steady >= THAW_BENCH_ENOUGH;
    const double least = enough || entry->round_count < THAW_BENCH_ENOUGH ? 0 : best_pace(entry);
    for (size_t i = 0; i < entry->round_count; i++) {
        thaw_bench_round *round = &entry->rounds[i];
        round->left_out = enough ? is_slowed(round, usual) : round->pace < least;
        kept += !round->left_out;
    }
    return kept;
}

typedef struct numbers {
    double *items; /* [count] */
    size_t count;
} numbers;

static double median_of(const double *samples, size_t count, double *scratch)
{
    memcpy(scratch, samples, count * sizeof *scratch);
    thaw_bench_sort(scratch, count);
    return thaw_bench_quantile(scratch, count, 0.5);
}

/* The samples that count, and the median of each round that does. */
static void collect(const thaw_bench_entry *entry, numbers *samples, numbers *medians, double *scratch)
{
    const double *at = entry->samples;
    for (size_t i = 0; i < entry->round_count; i++) {
        const thaw_bench_round *round = &entry->rounds[i];
        if (!round->left_out && round->sample_count > 0) {
            memcpy(samples->items + samples->count, at, round->sample_count * sizeof *at);
            samples->count += round->sample_count;
            medians->items[medians->count++] = median_of(at, round->sample_count, scratch);
        }
        at += round->sample_count;
    }
}

thaw_status thaw_bench_find_statistics(thaw_context *context, const thaw_bench_entry *entry,
                                       thaw_bench_statistics *statistics)
{
    numbers samples = {0}, medians = {0};
    double *scratch = NULL;
    thaw_status status = thaw_allocate(context, entry->sample_count, sizeof *scratch, &scratch);
    if (status == THAW_OK)
        status = thaw_allocate(context, entry->sample_count, sizeof *samples.items, &samples.items);
    if (status == THAW_OK)
        status = thaw_allocate(context, entry->round_count, sizeof *medians.items, &medians.items);
    if (status == THAW_OK) {
        collect(entry, &samples, &medians, scratch);
        thaw_bench_sort(samples.items, samples.count);
        thaw_bench_sort(medians.items, medians.count);
        *statistics = thaw_bench_summarise(samples.items, samples.count);
        const thaw_bench_statistics rounds = thaw_bench_summarise(medians.items, medians.count);
        statistics->low = fmin(rounds.low, statistics->median);
        statistics->high = fmax(rounds.high, statistics->median);
    }
    free(scratch);
    free(samples.items);
    free(medians.items);
    return status;
}

/* --- the figure --- */

typedef struct figure {
    const char *unit;
    bool rate;
    double scale; /* of seconds, or of 1 / seconds */
} figure;

static figure figure_of(const thaw_bench_subject *subject, const thaw_bench_entry *entry)
{
    switch (subject->figure) {
    case THAW_BENCH_FLOPS:
        return (figure){"GFLOP/s", true, subject->flops * 1e-9};
    case THAW_BENCH_OPS:
        return (figure){"GOP/s", true, subject->flops * 1e-9};
    case THAW_BENCH_BYTES:
        return (figure){"GB/s", true, subject->bytes * 1e-9};
    case THAW_BENCH_IMAGES:
        return (figure){"images/s", true, (double)entry->batch};
    case THAW_BENCH_MICROSECONDS:
        return (figure){"us", false, 1e6};
    case THAW_BENCH_SECONDS:
        break;
    }
    return (figure){"s", false, 1};
}

/* More than is possible: what runs in caches may pass the bandwidth of memory, and an algorithm that multiplies less
 * than is counted the peak of multiply-adds. */
static bool is_above_peak(const thaw_bench *bench, const thaw_bench_subject *subject, const thaw_bench_entry *entry)
{
    const double rate = entry->value * 1e9;
    if (entry->section == THAW_BENCH_DEVICE)
        return subject->most > 0 && rate > subject->most;
    if (subject->figure == THAW_BENCH_FLOPS) {
        const double most = fmax(bench->best_flops, bench->probe.best_flops);
        return most > 0 && rate > ABOVE_PEAK * most;
    }
    return subject->figure == THAW_BENCH_BYTES && bench->best_bandwidth > 0 &&
           rate > ABOVE_PEAK * bench->best_bandwidth;
}

static void raise_flags(const thaw_bench *bench, const thaw_bench_subject *subject, size_t rounds,
                        thaw_bench_entry *entry)
{
    const double usual = thaw_bench_probe_usual(&bench->probe);
    bool slowed = false;
    for (size_t i = 0; i < entry->round_count; i++)
        slowed = slowed || (!entry->rounds[i].left_out && is_slowed(&entry->rounds[i], usual));
    entry->flags[THAW_BENCH_FLAG_SPREAD] = entry->spread > WIDE_SPREAD;
    entry->flags[THAW_BENCH_FLAG_CLOCK_MOVED] = slowed;
    entry->flags[THAW_BENCH_FLAG_FEW_SAMPLES] = rounds < THAW_BENCH_ENOUGH;
    entry->flags[THAW_BENCH_FLAG_ABOVE_PEAK] = is_above_peak(bench, subject, entry);
}

thaw_status thaw_bench_fill(thaw_bench *bench, const thaw_bench_subject *subject, thaw_bench_entry *entry)
{
    const size_t rounds = thaw_bench_choose_rounds(&bench->probe, entry);
    thaw_bench_statistics s;
    THAW_TRY(thaw_bench_find_statistics(bench->context, entry, &s));
    const figure f = figure_of(subject, entry);
    entry->unit = f.unit;
    entry->higher_is_better = f.rate;
    entry->value = f.rate ? f.scale / s.median : f.scale * s.median;
    entry->low = f.rate ? f.scale / s.high : f.scale * s.low;
    entry->high = f.rate ? f.scale / s.low : f.scale * s.high;
    entry->spread = s.spread;
    entry->flops = subject->flops;
    entry->bytes = subject->bytes;
    raise_flags(bench, subject, rounds, entry);
    return THAW_OK;
}
