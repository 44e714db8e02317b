#include "bench/course.h"
#include "bench/figure.h"
#include "bench/host.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"

#define LEAST_WARM   2
#define WARM_SECONDS 0.03
#define RUNS         6 /* at least: verifying, warming up, repetitions */
#define SLOW_RUN     4 /* times its share of the run */
#define MOST_INNER   10000
/* A sample runs the work until so much has gone by: what a start and an end cost must not count. */
#define SAMPLE_SECONDS 0.003
/* Of a round, at its beginning, where repetitions don't count: caches hold what others left there. Not of what takes so
 * long that it is no matter. */
#define WARM_SHARE       0.3
#define LONG_RUN_SECONDS 0.1

static thaw_status check_interrupt(thaw_context *context)
{
    return thaw_context_interrupted(context) ? thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped") : THAW_OK;
}

/* Seconds of one run, of `inner` of them. */
static thaw_status time_runs(thaw_bench_course *c, thaw_timer *timer, double *seconds)
{
    THAW_TRY(check_interrupt(c->bench->context));
    THAW_TRY(thaw_timer_start(timer));
    for (int32_t i = 0; i < c->inner; i++)
        THAW_TRY(c->subject.run(c->subject.user));
    THAW_TRY(thaw_timer_stop(timer, seconds));
    if (!(*seconds > 0))
        return thaw_fail(c->bench->context, THAW_ERR_DEVICE, "a clock that stands still");
    *seconds /= c->inner;
    c->runs += c->inner;
    return THAW_OK;
}

static thaw_status open_timer(const thaw_bench_course *c, thaw_timer **timer)
{
    return thaw_timer_open(c->bench->device, c->entry->by_device, timer);
}

static thaw_status verify(const thaw_bench_course *c)
{
    thaw_bench_entry *entry = c->entry;
    if (!c->subject.verify)
        return THAW_OK;
    entry->tolerance = c->subject.tolerance;
    entry->error = NAN;
    entry->verified = true;
    THAW_TRY(c->subject.verify(c->subject.user, &entry->error));
    if (entry->error <= entry->tolerance)
        return THAW_OK;
    return thaw_fail(c->bench->context, THAW_ERR_CHECK,
                     "its numbers are not those of the reference: the largest relative error is %.3g, %.3g is allowed",
                     entry->error, entry->tolerance);
}

thaw_status thaw_bench_check_time(const thaw_bench *bench, double flops)
{
    const double left = bench->end - thaw_clock_seconds();
    const double wanted = bench->best_rate > 0 ? flops / bench->best_rate : 0;
    if (bench->end <= 0 || wanted <= left)
        return THAW_OK;
    return thaw_fail(bench->context, THAW_ERR_UNSUPPORTED,
                     "it would take about %.0f s on this device, and %.0f s of the time limit are left", wanted,
                     left > 0 ? left : 0);
}

/* --- samples --- */

static thaw_status keep_sample(thaw_bench_course *c, double seconds)
{
    thaw_bench_entry *entry = c->entry;
    THAW_TRY(thaw_reserve(c->bench->context, &entry->samples, &c->sample_capacity, entry->sample_count + 1,
                          sizeof *entry->samples));
    entry->samples[entry->sample_count++] = seconds;
    return THAW_OK;
}

static thaw_status keep_round(thaw_bench_course *c, double start, double pace, size_t count)
{
    thaw_bench_entry *entry = c->entry;
    THAW_TRY(thaw_reserve(c->bench->context, &entry->rounds, &c->round_capacity, entry->round_count + 1,
                          sizeof *entry->rounds));
    entry->rounds[entry->round_count++] =
        (thaw_bench_round){.at = start - c->bench->start, .sample_count = count, .pace = pace};
    return THAW_OK;
}

/* And how many runs make a sample. What takes much longer than there is time for is not run again. */
static thaw_status warm_up_with(thaw_bench_course *c, thaw_timer *timer)
{
    const double start = thaw_clock_seconds();
    double seconds = 0;
    for (int i = 0; !c->slow && (i < LEAST_WARM || thaw_clock_seconds() - start < WARM_SECONDS); i++) {
        THAW_TRY(time_runs(c, timer, &seconds));
        c->slow = seconds > SLOW_RUN * c->share && !c->bench->options.repeats;
        const double more = SAMPLE_SECONDS / seconds;
        if (!c->subject.single)
            c->inner = more < 1 ? 1 : more > MOST_INNER ? MOST_INNER : (int32_t)more;
    }
    c->sample_time = seconds * c->inner;
    if (c->entry->section != THAW_BENCH_DEVICE)
        c->bench->best_rate = fmax(c->bench->best_rate, c->subject.flops / seconds);
    if (!c->slow)
        return THAW_OK;
    THAW_TRY(keep_sample(c, seconds));
    return keep_round(c, start, 0, 1);
}

static thaw_status warm_up(thaw_bench_course *c)
{
    thaw_timer *timer;
    THAW_TRY(open_timer(c, &timer));
    const thaw_status status = warm_up_with(c, timer);
    thaw_timer_close(&timer);
    return status;
}

static thaw_status make_ready(thaw_bench_course *c)
{
    thaw_device *device = c->bench->device;
    const uint64_t live = thaw_device_live_bytes(device), resident = thaw_host_process_bytes();
    THAW_TRY(c->job->open(c->bench, c->job, c->entry, &c->subject));
    c->entry->by_device = c->bench->device_clock && !c->subject.by_host;
    THAW_TRY(thaw_bench_check_time(c->bench, RUNS * c->subject.flops));
    THAW_TRY(verify(c));
    thaw_buffer_restart_peak(device); /* what the reference and the tuner took is not its own */
    THAW_TRY(warm_up(c));
    c->runs = 0;
    if (c->entry->section == THAW_BENCH_DEVICE)
        return THAW_OK;
    if (thaw_device_peak_bytes(device) > live)
        c->entry->peak_device_bytes = thaw_device_peak_bytes(device) - live;
    if (thaw_host_process_bytes() > resident)
        c->entry->process_bytes = thaw_host_process_bytes() - resident;
    return THAW_OK;
}

thaw_status thaw_bench_course_open(thaw_bench *bench, const thaw_bench_job *job, double share, thaw_bench_entry *entry,
                                   thaw_bench_course *course)
{
    *course = (thaw_bench_course){.bench = bench, .job = job, .entry = entry, .inner = 1, .share = share};
    return make_ready(course);
}

void thaw_bench_course_close(thaw_bench_course *course)
{
    if (course->subject.close)
        course->subject.close(course->subject.user);
    course->subject = (thaw_bench_subject){0};
}

/* --- rounds --- */

/* How many samples a round takes at most; there are fewer than wanted yet. */
static size_t most_samples(const thaw_bench_course *c)
{
    const size_t wanted = (size_t)c->bench->options.repeats, taken = c->entry->sample_count;
    if (!wanted)
        return THAW_BENCH_MOST_SAMPLES - taken;
    const size_t some = (wanted + THAW_BENCH_ROUNDS - 1) / THAW_BENCH_ROUNDS, left = wanted - taken;
    return some < left ? some : left;
}

static thaw_status take_samples(thaw_bench_course *c, thaw_timer *timer, double start)
{
    const bool limited = c->bench->options.repeats == 0;
    const size_t most = most_samples(c);
    double seconds = 0;
    for (bool cold = c->sample_time < LONG_RUN_SECONDS; cold;
         cold = thaw_clock_seconds() - start < WARM_SHARE * c->credit)
        THAW_TRY(time_runs(c, timer, &seconds));
    for (size_t i = 0; i < most; i++) {
        if (limited && i > 0 && thaw_clock_seconds() - start + c->sample_time > c->credit)
            break;
        THAW_TRY(time_runs(c, timer, &seconds));
        THAW_TRY(keep_sample(c, seconds));
    }
    return THAW_OK;
}

static thaw_status run_round(thaw_bench_course *c, double start)
{
    thaw_timer *timer;
    thaw_host_energy before, after;
    const bool shown = thaw_host_read_energy(&before);
    THAW_TRY(open_timer(c, &timer));
    const thaw_status status = take_samples(c, timer, start);
    thaw_timer_close(&timer);
    if (shown && thaw_host_read_energy(&after))
        c->joules += thaw_host_energy_between(&before, &after);
    return status;
}

thaw_status thaw_bench_course_visit(thaw_bench_course *course)
{
    const double start = thaw_clock_seconds();
    const size_t taken = course->entry->sample_count;
    double before, after;
    THAW_TRY(thaw_bench_probe_run(&course->bench->probe, &before));
    THAW_TRY(run_round(course, start));
    THAW_TRY(thaw_bench_probe_run(&course->bench->probe, &after));
    THAW_TRY(keep_round(course, start, fmin(before, after), course->entry->sample_count - taken));
    course->credit -= thaw_clock_seconds() - start;
    return THAW_OK;
}

thaw_status thaw_bench_course_conclude(thaw_bench_course *course)
{
    if (course->joules > 0 && course->runs > 0)
        course->entry->energy_joules = course->joules / course->runs;
    return thaw_bench_fill(course->bench, &course->subject, course->entry);
}
