/* The benchmark's core: what repetitions tell, which measurements run, what becomes of those that are wrong, impossible
 * or late; and, shortly, the real ones. */
#include "op_harness.h"
#include "test.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>

#include "bench/bench.h"
#include "base/clock.h"
#include "bench/compare.h"
#include "bench/figure.h"
#include "bench/host.h"
#include "format/format.h"

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

/* --- verification --- */

static double squares(const void *user, int64_t element)
{
    (void)user;
    return (double)element * (double)element;
}

static void results_are_compared_everywhere(void)
{
    enum { COUNT = 1000, SAMPLES = 100 };
    float got[COUNT];
    for (int i = 0; i < COUNT; i++)
        got[i] = (float)i * (float)i;
    CU_ASSERT_EQUAL(thaw_bench_compare(got, COUNT, SAMPLES, 1, squares, NULL), 0);
    /* A wrong stretch, wherever it lies, is met; so is a single wrong end, and a single NaN anywhere. */
    for (int first = 0; first + 2 * COUNT / SAMPLES <= COUNT; first += 37) {
        float spoilt[COUNT];
        memcpy(spoilt, got, sizeof got);
        for (int i = first; i < first + 2 * COUNT / SAMPLES; i++)
            spoilt[i] += 5e5f;
        CU_ASSERT(thaw_bench_compare(spoilt, COUNT, SAMPLES, (uint64_t)first, squares, NULL) > 0.3);
        memcpy(spoilt, got, sizeof got);
        spoilt[first] = NAN;
        CU_ASSERT(isnan(thaw_bench_compare(spoilt, COUNT, SAMPLES, (uint64_t)first, squares, NULL)));
    }
    got[COUNT - 1] = 0;
    CU_ASSERT(thaw_bench_compare(got, COUNT, 1, 1, squares, NULL) > 0.9);
}

/* --- jobs of the tests' own --- */

/* What a job says, how often it ran, what was ready at the same time. */
typedef struct behaviour {
    double error;
    thaw_status status;
    bool needs_all; /* of the memory */
    size_t runs, opened, closed;
} behaviour;

static size_t ready_count;

static thaw_status tell_error(void *user, double *error)
{
    *error = ((behaviour *)user)->error;
    return THAW_OK;
}

static thaw_status count_run(void *user)
{
    ((behaviour *)user)->runs++;
    return THAW_OK;
}

static void count_close(void *user)
{
    ((behaviour *)user)->closed++;
    ready_count--;
}

static thaw_status open_behaviour(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                  thaw_bench_subject *subject)
{
    behaviour *b = *(behaviour *const *)job->details;
    *subject = (thaw_bench_subject){.verify = tell_error,
                                    .run = count_run,
                                    .close = count_close,
                                    .user = b,
                                    .tolerance = 1e-4,
                                    .bytes = 8,
                                    .figure = THAW_BENCH_BYTES,
                                    .by_host = true};
    b->opened++;
    if (b->needs_all && ready_count++ > 0)
        return thaw_fail(bench->context, THAW_ERR_DEVICE_MEMORY, "others have the memory");
    ready_count += !b->needs_all;
    entry->batch = 3;
    return b->status == THAW_OK ? THAW_OK : thaw_fail(bench->context, b->status, "for a reason");
}

static void add(thaw_bench *bench, const char *id, behaviour *const *b)
{
    const thaw_bench_plan plan = {.section = THAW_BENCH_DEVICE,
                                  .id = id,
                                  .group = "g",
                                  .title = "t",
                                  .open = open_behaviour,
                                  .details = b,
                                  .details_bytes = sizeof *b};
    CU_ASSERT_EQUAL_FATAL(thaw_bench_add(bench, &plan), THAW_OK);
}

static void run_jobs(const thaw_bench_options *options, behaviour *behaviours, size_t count, thaw_bench_result *result)
{
    static const char *const ids[] = {"a.one", "a.two", "b.three", "b.four"};
    thaw_bench bench;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_open(&bench, test_device(), options, result), THAW_OK);
    for (size_t i = 0; i < count; i++) {
        behaviour *b = &behaviours[i];
        add(&bench, ids[i], &b);
    }
    CU_ASSERT_EQUAL(thaw_bench_run_jobs(&bench), THAW_OK);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(behaviours[i].opened, behaviours[i].closed);
    CU_ASSERT_EQUAL(ready_count, 0);
    thaw_bench_close(&bench);
}

static thaw_bench_options short_options(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    options.repeats = 7;
    options.time_limit_seconds = 5;
    return options;
}

/* A deliberately false reference, one that gives no number, what can't be, what breaks: none has a figure. */
static void what_is_wrong_has_no_figure(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {
        {.error = 0.5}, {.error = NAN}, {.status = THAW_ERR_UNSUPPORTED}, {.status = THAW_ERR_DEVICE}};
    static const thaw_bench_outcome wanted[] = {THAW_BENCH_WRONG, THAW_BENCH_WRONG, THAW_BENCH_UNAVAILABLE,
                                                THAW_BENCH_FAILED};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, wanted[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(result.entries[i].reason);
        CU_ASSERT_EQUAL(result.entries[i].sample_count, 0);
        CU_ASSERT_EQUAL(result.entries[i].value, 0);
        CU_ASSERT_EQUAL(behaviours[i].runs, 0);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(result.entries[0].reason, "0.5"));
    CU_ASSERT_STRING_EQUAL(result.entries[2].reason, "for a reason");
    CU_ASSERT(!thaw_bench_result_good(&result));
    thaw_bench_result_free(&result);
}

static void what_is_right_is_repeated(void)
{
    const thaw_bench_options options = short_options();
    behaviour b = {.error = 1e-6};
    thaw_bench_result result;
    run_jobs(&options, &b, 1, &result);
    const thaw_bench_entry *entry = &result.entries[0];
    CU_ASSERT_EQUAL_FATAL(entry->outcome, THAW_BENCH_OK);
    CU_ASSERT_EQUAL(entry->sample_count, 7);
    CU_ASSERT(b.runs > 7);
    CU_ASSERT(entry->verified && entry->error == 1e-6 && entry->tolerance == 1e-4);
    CU_ASSERT(entry->low <= entry->value && entry->value <= entry->high && entry->low > 0);
    CU_ASSERT(!entry->by_device);
    CU_ASSERT(thaw_bench_result_good(&result));
    thaw_bench_result_free(&result);
}

/* Each round of one has rounds of the others around it. */
static void measurements_take_turns(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 4, &result);
    for (size_t i = 0; i < 4; i++) {
        const thaw_bench_entry *entry = &result.entries[i];
        CU_ASSERT_EQUAL(entry->sample_count, 7);
        CU_ASSERT_EQUAL_FATAL(entry->round_count, 7);
        for (size_t round = 0; round < 7; round++) {
            CU_ASSERT_EQUAL(entry->rounds[round].sample_count, 1);
            CU_ASSERT(entry->rounds[round].pace > 0);
            CU_ASSERT(i == 0 || entry->rounds[round].at > entry[-1].rounds[round].at);
            CU_ASSERT(round == 0 || entry->rounds[round].at > result.entries[3].rounds[round - 1].at);
        }
    }
    thaw_bench_result_free(&result);
}

/* It is tried again when the others are gone. */
static void what_needs_all_memory_waits(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {{.error = 0}, {.needs_all = true}, {.error = 0}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 3, &result);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, THAW_BENCH_OK);
        CU_ASSERT_EQUAL(result.entries[i].sample_count, 7);
    }
    CU_ASSERT_EQUAL(behaviours[1].opened, 2);
    CU_ASSERT(result.entries[1].rounds[0].at > result.entries[0].rounds[6].at);
    thaw_bench_result_free(&result);
}

/* Until its median is known, or for as long as there is time: what does nothing is known soon. */
static void repeating_ends(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    behaviour b = {.error = 0};
    thaw_bench_result result;
    options.time_limit_seconds = 2;
    run_jobs(&options, &b, 1, &result);
    const thaw_bench_entry *entry = &result.entries[0];
    CU_ASSERT_EQUAL_FATAL(entry->outcome, THAW_BENCH_OK);
    CU_ASSERT(entry->round_count >= 6);
    CU_ASSERT(entry->high - entry->low < 0.03 * entry->value ||
              entry->rounds[entry->round_count - 1].at > 0.5 * options.time_limit_seconds);
    thaw_bench_result_free(&result);
}

static void a_filter_leaves_out(void)
{
    thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    options.filter = "*.t*";
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 2);
    CU_ASSERT_STRING_EQUAL(result.entries[0].id, "a.two");
    CU_ASSERT_STRING_EQUAL(result.entries[1].id, "b.three");
    thaw_bench_result_free(&result);
}

static void what_comes_too_late_says_so(void)
{
    thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    options.time_limit_seconds = 1e-6;
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, THAW_BENCH_UNAVAILABLE);
        CU_ASSERT_PTR_NOT_NULL(strstr(result.entries[i].reason, "no time left"));
        CU_ASSERT_EQUAL(behaviours[i].runs, 0);
    }
    CU_ASSERT(thaw_bench_result_good(&result)); /* nothing is wrong */
    thaw_bench_result_free(&result);
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

/* --- whole runs --- */

static void options_out_of_range_are_refused(void)
{
    thaw_bench_options rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i] = thaw_bench_defaults();
    rows[0].repeats = -1;
    rows[1].repeats = 10001;
    rows[2].time_limit_seconds = -1;
    rows[3].time_limit_seconds = NAN;
    rows[4].filter = "no.such.thing";
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        rows[5].sections[i] = false;
    for (size_t i = 0; i < 6; i++) {
        thaw_bench_result result;
        CU_ASSERT_EQUAL(thaw_bench_run(test_device(), &rows[i], &result), THAW_ERR_USAGE);
        CU_ASSERT_EQUAL(result.entry_count, 0);
        thaw_bench_result_free(&result);
    }
}

static void an_interrupt_ends_it(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    thaw_bench_result result;
    options.filter = "device.latency.*";
    thaw_context_interrupt(test_context());
    CU_ASSERT_EQUAL(thaw_bench_run(test_device(), &options, &result), THAW_ERR_INTERRUPTED);
    thaw_context_resume(test_context());
    thaw_bench_result_free(&result);
}

/* Runs what the filter lets through; all of it must be right, or say why it can't be. */
static void run_some(const char *filter, thaw_bench_result *result)
{
    thaw_bench_options options = thaw_bench_defaults();
    options.filter = filter;
    options.quick = true;
    options.repeats = 2;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_run(test_device(), &options, result), THAW_OK);
    for (size_t i = 0; i < result->entry_count; i++) {
        const thaw_bench_entry *entry = &result->entries[i];
        if (entry->outcome == THAW_BENCH_WRONG || entry->outcome == THAW_BENCH_FAILED)
            printf("%s: %s\n", entry->id, entry->reason);
        CU_ASSERT(entry->outcome == THAW_BENCH_OK || entry->outcome == THAW_BENCH_UNAVAILABLE);
        CU_ASSERT((entry->outcome == THAW_BENCH_OK) == (entry->value > 0));
        CU_ASSERT((entry->outcome == THAW_BENCH_OK) == (entry->reason == NULL));
    }
}

static void the_device_is_measured(void)
{
    thaw_bench_result result;
    run_some("device.[fdl]*", &result); /* arithmetic, local memory, latencies */
    CU_ASSERT(result.peak_flops_per_second > 0);
    CU_ASSERT_EQUAL(result.copy_bytes_per_second, 0);
    CU_ASSERT_STRING_EQUAL(result.sections[THAW_BENCH_MODELS].status, "unavailable");
    CU_ASSERT_PTR_NOT_NULL(result.sections[THAW_BENCH_MODELS].reason);
    thaw_bench_result_free(&result);
}

static void kernels_are_right(void)
{
    thaw_bench_result result;
    run_some("kernels.[gnps]*[!t]", &result); /* not CLBlast's products, which take long where it is not at home */
    CU_ASSERT(result.entry_count > 8);
    thaw_bench_result_free(&result);
    run_some("kernels.conv.mobilenet_v2.960*", &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 3);
    CU_ASSERT_PTR_NOT_NULL(result.entries[0].algorithm);
    thaw_bench_result_free(&result);
}

static json_t *parse_result(const thaw_bench_result *result)
{
    char *text = NULL;
    thaw_report *report = NULL;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_to_json(test_context(), result, &text), THAW_OK);
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    CU_ASSERT_EQUAL(thaw_report_parse(test_context(), "a run", text, strlen(text), &report), THAW_OK);
    thaw_report_close(&report);
    free(text);
    return all;
}

/* What was not measured is absent, and the report takes it. */
static void json_holds_what_was_measured(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {{.error = 1e-6}, {.error = 0.5}, {.status = THAW_ERR_UNSUPPORTED}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 3, &result);
    json_t *all = parse_result(&result);
    const json_t *entries = json_object_get(all, "entries");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(all, "schema")), "thaw.bench/1");
    CU_ASSERT_EQUAL_FATAL(json_array_size(entries), 3);
    const json_t *right = json_array_get(entries, 0), *wrong = json_array_get(entries, 1);
    CU_ASSERT_EQUAL(
        json_array_size(json_object_get(right, "samples")) + json_array_size(json_object_get(right, "left_out")), 7);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(right, "rounds")), 7);
    CU_ASSERT_PTR_NULL(json_object_get(right, "flops"));
    CU_ASSERT_PTR_NULL(json_object_get(right, "reason"));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(wrong, "status")), "wrong");
    CU_ASSERT_PTR_NULL(json_object_get(wrong, "value"));
    CU_ASSERT_PTR_NULL(json_object_get(wrong, "samples"));
    CU_ASSERT_PTR_NOT_NULL(json_object_get(wrong, "reason"));
    CU_ASSERT_PTR_NULL(json_object_get(json_object_get(all, "peaks"), "gflops_fp32"));
    CU_ASSERT(json_number_value(json_object_get(json_object_get(all, "peaks"), "pace")) > 0);
    json_decref(all);
    thaw_bench_result_free(&result);
}

/* --- architectures without a file --- */

static void models_are_made_up(void)
{
    thaw_model *first, *second, *other;
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 5, &first), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 5, &second), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 6, &other), THAW_OK);
    size_t constants = 0, different = 0;
    for (size_t i = 0; i < first->graph->value_count; i++) {
        const thaw_tensor *a = first->graph->values[i]->constant, *b = second->graph->values[i]->constant;
        if (!a || a->dtype != THAW_FLOAT32)
            continue;
        constants++;
        CU_ASSERT(memcmp(a->data, b->data, a->bytes) == 0);
        different += memcmp(a->data, other->graph->values[i]->constant->data, a->bytes) != 0;
    }
    CU_ASSERT(constants > 20);
    CU_ASSERT_EQUAL(different, constants);
    thaw_model_close(&first);
    thaw_model_close(&second);
    thaw_model_close(&other);
    CU_ASSERT_EQUAL(thaw_model_invent(test_context(), "nonsense", 1, &first), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NULL(first);
}

static const test_entry tests[] = {
    {"intervals come from ranks", intervals_come_from_ranks},
    {"samples are summarised", samples_are_summarised},
    {"intervals hold the median", intervals_hold_the_median},
    {"energy counters begin anew", energy_counters_begin_anew},
    {"results are compared everywhere", results_are_compared_everywhere},
    {"what is wrong has no figure", what_is_wrong_has_no_figure},
    {"what is right is repeated", what_is_right_is_repeated},
    {"measurements take turns", measurements_take_turns},
    {"what needs all memory waits", what_needs_all_memory_waits},
    {"repeating ends", repeating_ends},
    {"a filter leaves out", a_filter_leaves_out},
    {"what comes too late says so", what_comes_too_late_says_so},
    {"figures are computed", figures_are_computed},
    {"flags are raised", flags_are_raised},
    {"slow rounds are left out", slow_rounds_are_left_out},
    {"probes tell what is usual", probes_tell_what_is_usual},
    {"options out of range are refused", options_out_of_range_are_refused},
    {"an interrupt ends it", an_interrupt_ends_it},
    {"the device is measured", the_device_is_measured},
    {"kernels are right", kernels_are_right},
    {"json holds what was measured", json_holds_what_was_measured},
    {"models are made up", models_are_made_up},
};

void suite_bench(void)
{
    TEST_SUITE("bench", tests);
}
