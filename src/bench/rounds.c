#include "bench/rounds.h"
#include "bench/course.h"
#include "bench/figure.h"
#include "bench/host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define LEAST_SAMPLES 3
#define KNOWN_TO      0.02 /* of the median: the width of its interval */
/* For each measurement, however much time there is: a filter may leave few. */
#define MOST_QUICK_SECONDS 3
#define MOST_FULL_SECONDS  12
#define VISIT_SECONDS      0.02 /* at least, for each round of a measurement */
#define READY_SHARE        0.2  /* of a measurement's progress: making it ready */
#define OPEN_SHARE         0.5  /* of the time that is left, for making measurements ready that are then side by side */
#define MEMORY_SHARE       0.4  /* of the device's memory, and of the host's, that they may take */

/* Of the run's time, for each section. */
static const double shares[THAW_BENCH_SECTION_COUNT] = {
    [THAW_BENCH_DEVICE] = 0.3, [THAW_BENCH_KERNELS] = 0.4, [THAW_BENCH_MODELS] = 0.3};

/* How far it is, and the jobs that are ready now. */
typedef struct schedule {
    thaw_bench *bench;
    size_t count, next;                       /* of jobs; the next one to be made ready */
    double weights[THAW_BENCH_SECTION_COUNT]; /* of the whole, for each job of the section */
    double done;                              /* of the whole: of jobs that are over */
    double ready_seconds;                     /* that it took to make jobs ready */
    thaw_bench_course *courses;               /* [course_count]: side by side; of `count` */
    size_t course_count;
    double deadline; /* of these, by the host's clock */
} schedule;

static double weight_of(const schedule *s, const thaw_bench_job *job)
{
    return s->weights[job->section];
}

static void find_weights(schedule *s)
{
    size_t counts[THAW_BENCH_SECTION_COUNT] = {0};
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        counts[s->bench->jobs[i].section]++;
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        sum += counts[i] ? shares[i] : 0;
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        s->weights[i] = counts[i] ? shares[i] / sum / (double)counts[i] : 0;
}

/* --- progress --- */

/* Of one measurement, 0 to 1. */
static double progress_of(const thaw_bench_course *c)
{
    const double rounds = (double)c->entry->round_count / THAW_BENCH_ROUNDS;
    return c->done || c->settled || c->slow ? 1 : READY_SHARE + (1 - READY_SHARE) * fmin(rounds, 1);
}

static void tell_progress(const schedule *s)
{
    const thaw_bench *bench = s->bench;
    double share = s->done;
    if (!bench->options.on_progress)
        return;
    for (size_t i = 0; i < s->course_count; i++)
        share += weight_of(s, s->courses[i].job) * progress_of(&s->courses[i]);
    bench->options.on_progress(bench->options.user, fmin(share, 1), thaw_clock_seconds() - bench->start);
}

/* --- what became of it --- */

static thaw_bench_outcome outcome_of(thaw_status status)
{
    if (status == THAW_OK)
        return THAW_BENCH_OK;
    if (status == THAW_ERR_CHECK)
        return THAW_BENCH_WRONG;
    return status == THAW_ERR_UNSUPPORTED || status == THAW_ERR_DEVICE_MEMORY ? THAW_BENCH_UNAVAILABLE
                                                                              : THAW_BENCH_FAILED;
}

/* What is not OK has no figure, whatever was measured before that turned out. */
static void drop_figure(thaw_bench_entry *entry)
{
    free(entry->samples);
    free(entry->rounds);
    entry->samples = NULL;
    entry->rounds = NULL;
    entry->sample_count = entry->round_count = 0;
    entry->value = entry->low = entry->high = entry->spread = 0;
    entry->energy_joules = -1;
    memset(entry->flags, 0, sizeof entry->flags);
}

static thaw_status conclude(thaw_bench *bench, thaw_bench_entry *entry, thaw_status status)
{
    entry->outcome = outcome_of(status);
    if (status == THAW_OK)
        return THAW_OK;
    drop_figure(entry);
    const char *reason = thaw_error_message(bench->context);
    return thaw_copy_text(bench->context, reason[0] ? reason : thaw_status_text(status), &entry->reason);
}

static void note_peaks(thaw_bench *bench, const thaw_bench_entry *entry)
{
    if (entry->outcome != THAW_BENCH_OK)
        return;
    if (strcmp(entry->id, "device.fma.fp32") == 0)
        bench->best_flops = bench->result->peak_flops_per_second = entry->value * 1e9;
    if (strcmp(entry->id, "device.bandwidth.copy") == 0)
        bench->result->copy_bytes_per_second = entry->value * 1e9;
    if (strncmp(entry->id, "device.bandwidth.", 17) == 0)
        bench->best_bandwidth = fmax(bench->best_bandwidth, entry->value * 1e9);
}

static bool was_interrupted(const thaw_bench *bench, thaw_status status)
{
    return status == THAW_ERR_INTERRUPTED || thaw_context_interrupted(bench->context);
}

/* --- making ready --- */

static bool has_room(const thaw_bench *bench)
{
    const uint64_t memory = thaw_device_describe(bench->device)->global_bytes, host = thaw_host_memory_bytes();
    return (double)thaw_device_live_bytes(bench->device) < MEMORY_SHARE * (double)memory &&
           (host == 0 || (double)thaw_host_process_bytes() < MEMORY_SHARE * (double)host);
}

/* May the next job stand beside those that are ready? */
static bool may_grow(const schedule *s, double until)
{
    return s->next < s->count && (s->course_count == 0 || (thaw_clock_seconds() < until && has_room(s->bench)));
}

static thaw_status skip(const schedule *s, thaw_bench_entry *entry)
{
    thaw_text text = {0};
    entry->outcome = THAW_BENCH_UNAVAILABLE;
    thaw_text_append(&text, "no time left: the limit of %.0f s was over before it began", s->bench->limit_seconds);
    entry->reason = text.data;
    return text.failed ? thaw_fail(s->bench->context, THAW_ERR_MEMORY, "out of memory") : THAW_OK;
}

/* As it was before it was tried. */
static void restore(thaw_bench_entry *entry)
{
    drop_figure(entry);
    free(entry->algorithm);
    entry->algorithm = NULL;
    entry->verified = false;
    entry->error = entry->tolerance = 0;
}

static thaw_status give_up(schedule *s, thaw_bench_course *course, thaw_status status)
{
    thaw_bench_course_close(course);
    THAW_TRY(conclude(s->bench, course->entry, status));
    s->done += weight_of(s, course->job);
    s->next++;
    return THAW_OK;
}

/* *full: there was no memory beside others; it is the first of those that come after them. */
static thaw_status make_ready(schedule *s, bool *full)
{
    thaw_bench *bench = s->bench;
    const thaw_bench_job *job = &bench->jobs[s->next];
    thaw_bench_entry *entry = &bench->result->entries[s->next];
    thaw_bench_course *course = &s->courses[s->course_count];
    const double start = thaw_clock_seconds();
    if (start >= bench->end) {
        s->done += weight_of(s, job);
        s->next++;
        return skip(s, entry);
    }
    const thaw_status status =
        thaw_bench_course_open(bench, job, bench->limit_seconds * weight_of(s, job), entry, course);
    s->ready_seconds += thaw_clock_seconds() - start;
    *full = s->course_count > 0 && (status == THAW_ERR_DEVICE_MEMORY || status == THAW_ERR_MEMORY);
    if (status == THAW_OK) {
        s->course_count++;
        s->next++;
        return THAW_OK;
    }
    if (!was_interrupted(bench, status) && !*full)
        return give_up(s, course, status);
    thaw_bench_course_close(course);
    restore(entry);
    return *full ? THAW_OK : THAW_ERR_INTERRUPTED;
}

/* The time for those that are ready: their part of what is left when the others are made ready, which takes longer the
 * more of the run is theirs. */
static double find_deadline(const schedule *s)
{
    const double now = thaw_clock_seconds(), left = fmax(0, s->bench->end - now);
    double ready = 0, rest = 0;
    for (size_t i = 0; i < s->course_count; i++)
        ready += weight_of(s, s->courses[i].job);
    for (size_t i = s->next; i < s->count; i++)
        rest += weight_of(s, &s->bench->jobs[i]);
    const double others = s->done + ready > 0 ? s->ready_seconds * rest / (s->done + ready) : 0;
    const double part = ready > 0 ? (left - fmin(others, left / 2)) * ready / (ready + rest) : 0;
    const double most = s->bench->options.quick ? MOST_QUICK_SECONDS : MOST_FULL_SECONDS;
    return now + fmin(part, most * (double)s->course_count);
}

static thaw_status make_some_ready(schedule *s)
{
    const double now = thaw_clock_seconds(), until = now + OPEN_SHARE * (s->bench->end - now);
    bool full = false;
    while (!full && may_grow(s, until)) {
        THAW_TRY(make_ready(s, &full));
        tell_progress(s);
    }
    s->deadline = find_deadline(s);
    return THAW_OK;
}

/* --- rounds --- */

/* Is the median known well enough? */
static thaw_status settle(thaw_bench_course *c)
{
    thaw_bench_statistics found;
    const size_t wanted = (size_t)c->bench->options.repeats;
    if (wanted) {
        c->settled = c->entry->sample_count >= wanted;
        return THAW_OK;
    }
    if (thaw_bench_choose_rounds(&c->bench->probe, c->entry) < THAW_BENCH_ENOUGH)
        return THAW_OK;
    THAW_TRY(thaw_bench_find_statistics(c->bench->context, c->entry, &found));
    c->settled = found.high - found.low < KNOWN_TO * found.median || c->entry->sample_count >= THAW_BENCH_MOST_SAMPLES;
    return THAW_OK;
}

static bool is_over(const thaw_bench_course *c)
{
    return c->done || c->settled || c->slow;
}

/* Whatever goes wrong is this measurement's outcome. */
static thaw_status visit(schedule *s, thaw_bench_course *c)
{
    thaw_status status = thaw_bench_course_visit(c);
    if (status == THAW_OK)
        status = settle(c);
    tell_progress(s);
    if (was_interrupted(s->bench, status))
        return THAW_ERR_INTERRUPTED;
    if (status == THAW_OK)
        return THAW_OK;
    c->done = true;
    return conclude(s->bench, c->entry, status);
}

/* What is left for a round, as a part of what each may take of the run: of those whose medians are not known yet. */
static double find_allowance(const schedule *s, size_t round)
{
    const double left = s->deadline - thaw_clock_seconds();
    const double rounds = round + 2 < THAW_BENCH_ROUNDS ? (double)(THAW_BENCH_ROUNDS - round) : 2;
    double sum = 0;
    for (size_t i = 0; i < s->course_count; i++)
        sum += is_over(&s->courses[i]) ? 0 : s->courses[i].share;
    return sum > 0 ? fmax(left, 0) / rounds / sum : 0;
}

/* What takes long is not visited in each round, but when it has saved enough for it. */
static thaw_status run_round(schedule *s, size_t round)
{
    const double allowance = find_allowance(s, round);
    const bool exact = s->bench->options.repeats > 0;
    for (size_t i = 0; i < s->course_count; i++) {
        thaw_bench_course *c = &s->courses[i];
        if (is_over(c))
            continue;
        c->credit += fmax(allowance * c->share, VISIT_SECONDS);
        if (exact || c->credit >= c->sample_time)
            THAW_TRY(visit(s, c));
    }
    return THAW_OK;
}

/* However late it is. */
static thaw_status take_least(schedule *s)
{
    for (size_t i = 0; i < s->course_count; i++)
        while (!is_over(&s->courses[i]) && s->courses[i].entry->sample_count < LEAST_SAMPLES)
            THAW_TRY(visit(s, &s->courses[i]));
    return THAW_OK;
}

static bool goes_on(const schedule *s)
{
    const bool exact = s->bench->options.repeats > 0;
    size_t open = 0;
    for (size_t i = 0; i < s->course_count; i++)
        open += !is_over(&s->courses[i]);
    return open > 0 && (exact || thaw_clock_seconds() < s->deadline);
}

static thaw_status run_rounds(schedule *s)
{
    for (size_t round = 0; goes_on(s); round++)
        THAW_TRY(run_round(s, round));
    return take_least(s);
}

/* --- the whole --- */

static void close_all(schedule *s)
{
    for (size_t i = 0; i < s->course_count; i++)
        thaw_bench_course_close(&s->courses[i]);
    s->course_count = 0;
}

static thaw_status conclude_all(schedule *s)
{
    for (size_t i = 0; i < s->course_count; i++) {
        thaw_bench_course *c = &s->courses[i];
        if (!c->done)
            THAW_TRY(conclude(s->bench, c->entry, thaw_bench_course_conclude(c)));
        c->done = true;
        note_peaks(s->bench, c->entry);
        s->done += weight_of(s, c->job);
    }
    return THAW_OK;
}

static thaw_status run_some(schedule *s)
{
    THAW_TRY(make_some_ready(s));
    THAW_TRY(run_rounds(s));
    return conclude_all(s);
}

static thaw_status run_all(schedule *s)
{
    thaw_context *context = s->bench->context;
    THAW_TRY(thaw_allocate(context, s->count, sizeof *s->courses, &s->courses));
    find_weights(s);
    thaw_status status = THAW_OK;
    while (s->next < s->count && status == THAW_OK) {
        status = run_some(s);
        close_all(s);
    }
    return status;
}

thaw_status thaw_bench_run_rounds(thaw_bench *bench)
{
    schedule s = {.bench = bench, .count = bench->job_count};
    const thaw_status status = run_all(&s);
    free(s.courses);
    return status;
}
