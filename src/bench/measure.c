/* One measurement: right first, then how long. */
#include "bench/bench.h"
#include "bench/host.h"
#include "bench/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define KNOWN_TO     0.02 /* of the median: the width of its interval */
#define WIDE_SPREAD  0.1
#define CLOCK_MOVED  0.1
#define ABOVE_PEAK   1.05
#define LEAST_WARM   2
#define SLOW_RUN     4 /* times the job's time */
#define MOST_SAMPLES 1000
#define MOST_INNER   10000
#define MOST_SERIES  4
/* A sample runs the work until so much has gone by: what a start and an end cost must not count. */
#define SAMPLE_SECONDS 0.003
#define WARM_SHARE     0.15 /* of the job's time: a driver's fresh threads may share one core for a while */

/* A measurement going on. */
typedef struct course {
    thaw_bench *bench;
    const thaw_bench_subject *subject;
    thaw_bench_entry *entry;
    thaw_timer *timer;
    int32_t inner; /* runs in a sample */
    double *sorted;
    size_t capacity, sorted_capacity;
    double runs; /* in the present series */
} course;

static thaw_status check_interrupt(thaw_context *context)
{
    return thaw_context_interrupted(context) ? thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped") : THAW_OK;
}

/* Seconds of one run, of `inner` of them. */
static thaw_status time_runs(const course *c, int32_t inner, double *seconds)
{
    THAW_TRY(check_interrupt(c->bench->context));
    THAW_TRY(thaw_timer_start(c->timer));
    for (int32_t i = 0; i < inner; i++)
        THAW_TRY(c->subject->run(c->subject->user));
    THAW_TRY(thaw_timer_stop(c->timer, seconds));
    *seconds /= inner;
    return THAW_OK;
}

static thaw_status verify(const course *c)
{
    thaw_bench_entry *entry = c->entry;
    if (!c->subject->verify)
        return THAW_OK;
    entry->tolerance = c->subject->tolerance;
    entry->error = NAN;
    entry->verified = true;
    THAW_TRY(c->subject->verify(c->subject->user, &entry->error));
    if (entry->error <= entry->tolerance)
        return THAW_OK;
    return thaw_fail(c->bench->context, THAW_ERR_CHECK,
                     "its numbers are not those of the reference: the largest relative error is %.3g, %.3g is allowed",
                     entry->error, entry->tolerance);
}

static thaw_status keep_sample(course *c, double seconds)
{
    thaw_bench_entry *entry = c->entry;
    if (!(seconds > 0))
        return thaw_fail(c->bench->context, THAW_ERR_DEVICE, "a clock that stands still");
    THAW_TRY(thaw_reserve(c->bench->context, &entry->samples, &c->capacity, entry->sample_count + 1,
                          sizeof *entry->samples));
    entry->samples[entry->sample_count++] = seconds;
    c->runs += c->inner;
    return THAW_OK;
}

static thaw_status take_sample(course *c)
{
    double seconds;
    THAW_TRY(time_runs(c, c->inner, &seconds));
    return keep_sample(c, seconds);
}

/* What would take longer than all of the time that is left, at the best rate so far, is not begun: verifying, warming
 * up and three repetitions are about six runs. */
static thaw_status check_time(const course *c)
{
    const thaw_bench *bench = c->bench;
    const double runs = 6, left = bench->end - thaw_clock_seconds();
    const double wanted = bench->best_rate > 0 ? runs * c->subject->flops / bench->best_rate : 0;
    if (bench->end <= 0 || wanted <= left)
        return THAW_OK;
    return thaw_fail(bench->context, THAW_ERR_UNSUPPORTED,
                     "it would take about %.0f s on this device, and %.0f s of the time limit are left", wanted,
                     left > 0 ? left : 0);
}

/* And how many runs make a sample. What takes much longer than there is time for is not run again: `slow`. */
static thaw_status warm_up(course *c, bool *slow)
{
    const double start = thaw_clock_seconds(), wanted = WARM_SHARE * c->bench->job_seconds;
    double seconds = 0;
    *slow = false;
    for (int i = 0; !*slow && (i < LEAST_WARM || thaw_clock_seconds() - start < wanted); i++) {
        THAW_TRY(time_runs(c, c->inner, &seconds));
        *slow = seconds > SLOW_RUN * c->bench->job_seconds && !c->bench->options.repeats;
        const double more = SAMPLE_SECONDS / (seconds > 0 ? seconds : 1e-9);
        if (!c->subject->single)
            c->inner = more < 1 ? 1 : more > MOST_INNER ? MOST_INNER : (int32_t)more;
    }
    return *slow ? keep_sample(c, seconds) : THAW_OK;
}

static thaw_status sort(thaw_context *context, const thaw_bench_entry *entry, double **sorted, size_t *capacity)
{
    THAW_TRY(thaw_reserve(context, sorted, capacity, entry->sample_count, sizeof **sorted));
    memcpy(*sorted, entry->samples, entry->sample_count * sizeof **sorted);
    thaw_bench_sort(*sorted, entry->sample_count);
    return THAW_OK;
}

/* Is the median known well enough? Looked at after every tenth more, since it takes sorting. */
static thaw_status settle(course *c, bool *settled)
{
    const size_t count = c->entry->sample_count;
    *settled = false;
    if (count < 2 * THAW_BENCH_ENOUGH || (count > 100 && count % (count / 10) != 0))
        return THAW_OK;
    THAW_TRY(sort(c->bench->context, c->entry, &c->sorted, &c->sorted_capacity));
    const thaw_bench_statistics s = thaw_bench_summarise(c->sorted, count);
    *settled = s.high - s.low < KNOWN_TO * s.median;
    return THAW_OK;
}

static thaw_status repeat(course *c)
{
    const size_t wanted = (size_t)c->bench->options.repeats;
    const double start = thaw_clock_seconds();
    bool settled = false;
    for (size_t i = 0; wanted ? i < wanted : i < MOST_SAMPLES && !settled; i++) {
        if (!wanted && i >= THAW_BENCH_ENOUGH && thaw_clock_seconds() - start > c->bench->job_seconds)
            break;
        /* What takes long has to do with fewer. */
        if (!wanted && i >= 3 && thaw_clock_seconds() - start > 2 * c->bench->job_seconds)
            break;
        THAW_TRY(take_sample(c));
        THAW_TRY(settle(c, &settled));
    }
    return THAW_OK;
}

/* A series of repetitions, with the energy that it took. */
static thaw_status run_series(course *c)
{
    thaw_host_energy before, after;
    c->runs = 0;
    c->entry->sample_count = 0;
    const bool shown = thaw_host_read_energy(&before);
    THAW_TRY(repeat(c));
    if (shown && thaw_host_read_energy(&after) && c->runs > 0)
        c->entry->energy_joules = thaw_host_energy_between(&before, &after) / c->runs;
    return sort(c->bench->context, c->entry, &c->sorted, &c->sorted_capacity);
}

/* What is kept of several series: the steadiest. */
typedef struct series {
    double *samples;
    size_t count, capacity;
    double spread, energy_joules;
    bool moved; /* the clock, from before it to behind it */
} series;

static void keep_if_steadier(course *c, bool moved, series *kept)
{
    thaw_bench_entry *entry = c->entry;
    const double spread = thaw_bench_summarise(c->sorted, entry->sample_count).spread;
    if (kept->count > 0 && kept->spread <= spread)
        return;
    const series now = {entry->samples, entry->sample_count, c->capacity, spread, entry->energy_joules, moved};
    entry->samples = kept->samples;
    c->capacity = kept->capacity;
    *kept = now;
}

/* Other work on the machine, or a clock that moves, disturbs a series as a whole: then there is another one, as long as
 * there is time. Which one counts is decided by how steady they are, not by what they say. */
static thaw_status run_steadily(course *c, series *kept)
{
    const double start = thaw_clock_seconds(), most = 3 * c->bench->job_seconds;
    thaw_bench *bench = c->bench;
    for (int i = 0; i < MOST_SERIES; i++) {
        THAW_TRY(thaw_bench_burst(bench));
        const double before = bench->burst_rate;
        THAW_TRY(run_series(c));
        THAW_TRY(thaw_bench_burst(bench));
        keep_if_steadier(c, fabs(bench->burst_rate - before) > CLOCK_MOVED * before, kept);
        const bool slower = bench->burst_rate < (1 - CLOCK_MOVED) * bench->best_burst;
        if ((kept->spread <= WIDE_SPREAD && !slower) || bench->options.repeats || thaw_clock_seconds() - start > most)
            break;
    }
    return THAW_OK;
}

static thaw_status run_course(course *c)
{
    series kept = {0};
    bool slow;
    THAW_TRY(check_time(c));
    THAW_TRY(verify(c));
    thaw_buffer_restart_peak(c->bench->device); /* what the reference and the tuner took is not its own */
    THAW_TRY(thaw_timer_open(c->bench->device, c->bench->device_clock && !c->subject->by_host, &c->timer));
    THAW_TRY(warm_up(c, &slow));
    if (slow)
        return thaw_bench_fill(c->bench, c->subject, c->entry);
    const thaw_status status = run_steadily(c, &kept);
    free(c->entry->samples);
    c->entry->samples = kept.samples;
    c->entry->sample_count = kept.count;
    c->entry->energy_joules = kept.energy_joules;
    c->entry->flags[THAW_BENCH_FLAG_CLOCK_MOVED] = kept.moved;
    return status == THAW_OK ? thaw_bench_fill(c->bench, c->subject, c->entry) : status;
}

thaw_status thaw_bench_measure(thaw_bench *bench, const thaw_bench_subject *subject, thaw_bench_entry *entry)
{
    course c = {.bench = bench, .subject = subject, .entry = entry, .inner = 1};
    entry->by_device = bench->device_clock && !subject->by_host;
    const thaw_status status = run_course(&c);
    thaw_timer_close(&c.timer);
    free(c.sorted);
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
    if (subject->figure == THAW_BENCH_FLOPS && entry->section != THAW_BENCH_DEVICE)
        return bench->best_burst > 0 && entry->value * 1e9 > ABOVE_PEAK * bench->best_burst;
    if (subject->figure == THAW_BENCH_BYTES && entry->section != THAW_BENCH_DEVICE)
        return bench->best_bandwidth > 0 && entry->value * 1e9 > ABOVE_PEAK * bench->best_bandwidth;
    return false;
}

thaw_status thaw_bench_fill(thaw_bench *bench, const thaw_bench_subject *subject, thaw_bench_entry *entry)
{
    double *sorted = NULL;
    size_t capacity = 0;
    THAW_TRY(sort(bench->context, entry, &sorted, &capacity));
    const thaw_bench_statistics s = thaw_bench_summarise(sorted, entry->sample_count);
    const figure f = figure_of(subject, entry);
    free(sorted);
    entry->unit = f.unit;
    entry->higher_is_better = f.rate;
    entry->value = f.rate ? f.scale / s.median : f.scale * s.median;
    entry->low = f.rate ? f.scale / s.high : f.scale * s.low;
    entry->high = f.rate ? f.scale / s.low : f.scale * s.high;
    entry->spread = s.spread;
    entry->flops = subject->flops;
    entry->bytes = subject->bytes;
    entry->process_bytes = thaw_host_process_bytes();
    entry->flags[THAW_BENCH_FLAG_SPREAD] = s.spread > WIDE_SPREAD;
    entry->flags[THAW_BENCH_FLAG_FEW_SAMPLES] = entry->sample_count < THAW_BENCH_ENOUGH;
    entry->flags[THAW_BENCH_FLAG_ABOVE_PEAK] |= is_above_peak(bench, subject, entry);
    if (entry->section != THAW_BENCH_DEVICE)
        bench->best_rate = fmax(bench->best_rate, subject->flops / s.median);
    return THAW_OK;
}

/* --- the clock --- */

#define BURST_CHAINS   12 /* as in cl/peak.cl */
#define BURST_SECONDS  0.004
#define BURST_LAUNCHES 3

static thaw_status launch_burst(const thaw_bench *bench, thaw_kernel *kernel, thaw_buffer *out, size_t items,
                                int32_t steps, double *seconds)
{
    const thaw_range range = {{items, 1, 1}, {1, 1, 1}};
    const double start = thaw_clock_seconds();
    THAW_TRY(
        thaw_kernel_launch(kernel, range, THAW_BUFFER(out), THAW_INT(steps), THAW_FLOAT(0.999f), THAW_FLOAT(0.5f)));
    THAW_TRY(thaw_device_finish(bench->device));
    *seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

/* The best of a few launches, each of about BURST_SECONDS: whatever else the machine does disturbs one or the other. */
static thaw_status run_burst(thaw_bench *bench, thaw_kernel *kernel, thaw_buffer *out, size_t items, int32_t width)
{
    double seconds = 0;
    int32_t steps = 16;
    bench->burst_rate = 0;
    THAW_TRY(launch_burst(bench, kernel, out, items, steps, &seconds));
    while (seconds < BURST_SECONDS / 2 && steps < 1 << 24) {
        THAW_TRY(launch_burst(bench, kernel, out, items, steps, &seconds));
        if (seconds < BURST_SECONDS / 2)
            steps *= seconds < BURST_SECONDS / 8 ? 8 : 2;
    }
    for (int i = 0; i < BURST_LAUNCHES; i++) {
        THAW_TRY(launch_burst(bench, kernel, out, items, steps, &seconds));
        const double rate = 2.0 * BURST_CHAINS * width * steps * (double)items / seconds;
        bench->burst_rate = fmax(bench->burst_rate, rate);
    }
    bench->best_burst = fmax(bench->best_burst, bench->burst_rate);
    return THAW_OK;
}

thaw_status thaw_bench_burst(thaw_bench *bench)
{
    const thaw_device_info *info = thaw_device_describe(bench->device);
    const bool cpu = strcmp(info->type, "cpu") == 0;
    const size_t items = (info->compute_units ? info->compute_units : 1) * (cpu ? 16 : 2048);
    const int32_t width = thaw_device_width(bench->device);
    char options[32];
    thaw_kernel *kernel;
    thaw_buffer *out;
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)width);
    THAW_TRY(thaw_kernel_get(bench->device, "peak", "peak_fma", options, &kernel));
    THAW_TRY(thaw_buffer_create(bench->device, items * sizeof(float), &out));
    const double before = bench->burst_rate;
    thaw_status status = run_burst(bench, kernel, out, items, width);
    /* Something may have disturbed it; a clock that has moved stays so for a moment. */
    if (status == THAW_OK && before > 0 && fabs(bench->burst_rate - before) > CLOCK_MOVED / 2 * before)
        status = run_burst(bench, kernel, out, items, width);
    thaw_buffer_destroy(&out);
    return status;
}

thaw_status thaw_bench_random(thaw_bench *bench, uint64_t seed, size_t count, float *host, thaw_buffer *buffer)
{
    enum { PIECE = 1 << 16 };
    thaw_random random = {seed};
    float *numbers;
    thaw_status status = THAW_OK;
    THAW_TRY(thaw_allocate(bench->context, PIECE, sizeof *numbers, &numbers));
    for (size_t i = 0; i < count && status == THAW_OK; i += PIECE) {
        const size_t some = count - i < PIECE ? count - i : PIECE;
        for (size_t j = 0; j < some; j++)
            numbers[j] = (float)(2 * thaw_random_uniform(&random) - 1);
        if (host)
            memcpy(host + i, numbers, some * sizeof *numbers);
        if (buffer)
            status = thaw_buffer_write(buffer, i * sizeof *numbers, numbers, some * sizeof *numbers);
    }
    free(numbers);
    return status;
}
