/* What the benchmark makes of samples: medians with intervals, figures, flags, and which rounds count. */
#include "op_harness.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "bench/bench.h"
#include "bench/figure.h"
#include "bench/host.h"

/* --- statistics --- */

static void intervals_come_from_ranks(void)
{
    /* The largest k with P(X < k) <= 2.5 % for X binomial(n, 1/2), as tables of the sign test have it. */
    static const struct {
        size_t count, outside;
    } rows[] = {{1, 0}, {5, 0}, {6, 1}, {8, 1}, {9, 2}, {12, 3}, {15, 4}, {20, 6}, {25, 8}, {30, 10}, {100, 40}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CU_ASSERT_EQUAL(thaw_bench_outside(rows[i].count), rows[i].outside);
}

static void samples_are_summarised(void)
{
    double numbers[] = {9, 1, 8, 2, 7, 3, 6, 4, 5};
    thaw_bench_sort(numbers, 9);
    const thaw_bench_statistics nine = thaw_bench_summarise(numbers, 9);
    CU_ASSERT_DOUBLE_EQUAL(nine.median, 5, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(nine.low, 2, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(nine.high, 8, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(nine.spread, (8.2 - 1.8) / 5, 1e-12);
    const thaw_bench_statistics four = thaw_bench_summarise(numbers, 4);
    CU_ASSERT_DOUBLE_EQUAL(four.median, 2.5, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(four.low, 1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(four.high, 4, 1e-12);
    const thaw_bench_statistics one = thaw_bench_summarise(numbers, 1);
    CU_ASSERT_DOUBLE_EQUAL(one.median, 1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(one.spread, 0, 1e-12);
}

/* What an interval is for: of medians of drawn samples, 95 of 100 contain the true one. */
static void intervals_hold_the_median(void)
{
    enum { TRIALS = 2000, COUNT = 15 };
    thaw_random random = {11};
    int held = 0;
    for (int i = 0; i < TRIALS; i++) {
        double numbers[COUNT];
        for (int j = 0; j < COUNT; j++) {
            const double u = thaw_random_uniform(&random);
            numbers[j] = u * u; /* skewed, its median is 1/4 */
        }
        thaw_bench_sort(numbers, COUNT);
        const thaw_bench_statistics s = thaw_bench_summarise(numbers, COUNT);
        held += s.low <= 0.25 && 0.25 <= s.high;
    }
    CU_ASSERT(held >= 0.95 * TRIALS);
    CU_ASSERT(held < TRIALS);
}

static void energy_counters_begin_anew(void)
{
    const thaw_host_energy before = {.count = 2, .joules = {10, 90}, .wraps_at = {100, 100}};
    const thaw_host_energy after = {.count = 2, .joules = {15, 20}, .wraps_at = {100, 100}};
    CU_ASSERT_DOUBLE_EQUAL(thaw_host_energy_between(&before, &after), 5 + 30, 1e-12);
}

/* --- figures and flags, from given samples --- */

/* Each sample is a round. */
static void fill(const double *samples, size_t count, const thaw_bench_subject *subject, thaw_bench_section section,
                 double best, thaw_bench_entry *entry)
{
    thaw_bench bench = {.context = test_context(), .device = test_device(), .best_flops = best, .best_bandwidth = best};
    *entry = (thaw_bench_entry){.section = section, .sample_count = count, .round_count = count, .batch = 4};
    entry->samples = malloc(count * sizeof *samples);
    entry->rounds = calloc(count, sizeof *entry->rounds);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry->samples);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry->rounds);
    memcpy(entry->samples, samples, count * sizeof *samples);
    for (size_t i = 0; i < count; i++)
        entry->rounds[i].sample_count = 1;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_fill(&bench, subject, entry), THAW_OK);
    free(entry->samples);
    free(entry->rounds);
}

/* Rounds of two samples each, and what the probe said. */
static void fill_rounds(double *samples, const double *paces, size_t rounds, thaw_bench_round *kept,
                        thaw_bench_entry *entry)
{
    double usual[] = {60, 99, 100, 100, 100};
    const thaw_bench_subject subject = {.figure = THAW_BENCH_SECONDS};
    thaw_bench bench = {.context = test_context(), .probe = {.paces = usual, .count = 5}};
    *entry = (thaw_bench_entry){.samples = samples, .sample_count = 2 * rounds, .rounds = kept};
    for (entry->round_count = 0; entry->round_count < rounds; entry->round_count++)
        kept[entry->round_count] = (thaw_bench_round){.sample_count = 2, .pace = paces[entry->round_count]};
    CU_ASSERT_EQUAL_FATAL(thaw_bench_fill(&bench, &subject, entry), THAW_OK);
}

static void slow_rounds_are_left_out(void)
{
    double samples[] = {1, 1, 1, 3, 1, 1, 9, 9, 1, 1, 1, 1, 1, 1, 9, 9};
    static const double some[] = {100, 99, 98, 50, 91, 120, 100, 89}, most[] = {100, 50, 45, 60, 50, 55, 100, 40};
    thaw_bench_round rounds[8];
    thaw_bench_entry entry;
    fill_rounds(samples, some, 8, rounds, &entry);
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(rounds[i].left_out, i == 3 || i == 7);
    CU_ASSERT_DOUBLE_EQUAL(entry.value, 1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(entry.low, 1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(entry.high, 2, 1e-12); /* the second round's median, of six */
    CU_ASSERT(!entry.flags[THAW_BENCH_FLAG_CLOCK_MOVED] && !entry.flags[THAW_BENCH_FLAG_FEW_SAMPLES]);
    /* Where nearly all are slow, the least slow ones are what there is. */
    fill_rounds(samples, most, 8, rounds, &entry);
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(rounds[i].left_out, i == 2 || i == 7);
    CU_ASSERT(entry.flags[THAW_BENCH_FLAG_CLOCK_MOVED] && !entry.flags[THAW_BENCH_FLAG_FEW_SAMPLES]);
    CU_ASSERT_DOUBLE_EQUAL(entry.high, 9, 1e-12);
    /* Of fewer none is left out. */
    fill_rounds(samples + 4, some + 2, 2, rounds, &entry);
    CU_ASSERT(!rounds[0].left_out && !rounds[1].left_out && entry.flags[THAW_BENCH_FLAG_CLOCK_MOVED]);
}

static void probes_tell_what_is_usual(void)
{
    thaw_bench_probe probe;
    double rate, least = INFINITY, most = 0;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_probe_open(test_device(), &probe), THAW_OK);
    CU_ASSERT_EQUAL(thaw_bench_probe_usual(&probe), 0);
    for (int i = 0; i < 9; i++) {
        probe.at = 0; /* long ago */
        CU_ASSERT_EQUAL_FATAL(thaw_bench_probe_run(&probe, &rate), THAW_OK);
        least = fmin(least, rate);
        most = fmax(most, rate);
    }
    CU_ASSERT(least > 0);
    CU_ASSERT_EQUAL(probe.count, 9);
    CU_ASSERT_EQUAL(probe.paces[0], least);
    CU_ASSERT(probe.best_flops > 0);
    CU_ASSERT(least <= thaw_bench_probe_usual(&probe) && thaw_bench_probe_usual(&probe) <= most);
    probe.at = thaw_clock_seconds() + 60; /* just now: it is not run again */
    CU_ASSERT_EQUAL_FATAL(thaw_bench_probe_run(&probe, &rate), THAW_OK);
    CU_ASSERT_EQUAL(probe.count, 9);
    CU_ASSERT_EQUAL(rate, probe.latest);
    thaw_bench_probe_close(&probe);
}

static void figures_are_computed(void)
{
    static const double seconds[] = {0.5, 0.5, 0.5, 0.25, 0.5, 1};
    static const struct {
        thaw_bench_subject subject;
        const char *unit;
        double value, low, high;
    } rows[] = {
        {{.figure = THAW_BENCH_FLOPS, .flops = 1e9}, "GFLOP/s", 2, 1, 4},
        {{.figure = THAW_BENCH_OPS, .flops = 1e9}, "GOP/s", 2, 1, 4},
        {{.figure = THAW_BENCH_BYTES, .bytes = 3e9}, "GB/s", 6, 3, 12},
        {{.figure = THAW_BENCH_IMAGES}, "images/s", 8, 4, 16},
        {{.figure = THAW_BENCH_MICROSECONDS}, "us", 5e5, 2.5e5, 1e6},
        {{.figure = THAW_BENCH_SECONDS}, "s", 0.5, 0.25, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        thaw_bench_entry entry;
        fill(seconds, 6, &rows[i].subject, THAW_BENCH_KERNELS, 0, &entry);
        CU_ASSERT_STRING_EQUAL(entry.unit, rows[i].unit);
        CU_ASSERT_DOUBLE_EQUAL(entry.value, rows[i].value, 1e-9 * rows[i].value);
        CU_ASSERT_DOUBLE_EQUAL(entry.low, rows[i].low, 1e-9 * rows[i].low);
        CU_ASSERT_DOUBLE_EQUAL(entry.high, rows[i].high, 1e-9 * rows[i].high);
        CU_ASSERT_EQUAL(entry.higher_is_better, i < 4);
    }
}

static void flags_are_raised(void)
{
    static const double steady[] = {1, 1, 1, 1.01, 1, 1, 0.99, 1}, wild[] = {1, 1, 1, 2, 1, 2, 1, 0.5};
    const thaw_bench_subject flops = {.figure = THAW_BENCH_FLOPS, .flops = 1e9};
    thaw_bench_entry entry;
    fill(steady, 8, &flops, THAW_BENCH_KERNELS, 1e9, &entry);
    for (int i = 0; i < THAW_BENCH_FLAG_COUNT; i++)
        CU_ASSERT(!entry.flags[i]);
    fill(wild, 8, &flops, THAW_BENCH_KERNELS, 1e9, &entry);
    CU_ASSERT(entry.flags[THAW_BENCH_FLAG_SPREAD]);
    fill(steady, 5, &flops, THAW_BENCH_KERNELS, 1e9, &entry);
    CU_ASSERT(entry.flags[THAW_BENCH_FLAG_FEW_SAMPLES] && !entry.flags[THAW_BENCH_FLAG_SPREAD]);
    fill(steady, 8, &flops, THAW_BENCH_KERNELS, 0.9e9, &entry);
    CU_ASSERT(entry.flags[THAW_BENCH_FLAG_ABOVE_PEAK]);
    fill(steady, 8, &(thaw_bench_subject){.figure = THAW_BENCH_BYTES, .bytes = 1e9}, THAW_BENCH_KERNELS, 0.9e9, &entry);
    CU_ASSERT(entry.flags[THAW_BENCH_FLAG_ABOVE_PEAK]);
}

static const test_entry tests[] = {
    {"intervals come from ranks", intervals_come_from_ranks},
    {"samples are summarised", samples_are_summarised},
    {"intervals hold the median", intervals_hold_the_median},
    {"energy counters begin anew", energy_counters_begin_anew},
    {"figures are computed", figures_are_computed},
    {"flags are raised", flags_are_raised},
    {"slow rounds are left out", slow_rounds_are_left_out},
    {"probes tell what is usual", probes_tell_what_is_usual},
};

void suite_bench_figures(void)
{
    TEST_SUITE("bench_figures", tests);
}
