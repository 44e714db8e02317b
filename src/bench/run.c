/* A run: the jobs that the options ask for, one after the other, and what became of them. */
#include "bench/bench.h"
#include "bench/host.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

#define QUICK_SECONDS 50.0
#define FULL_SECONDS  840.0
/* How long a job repeats what it measures, at most and at least. */
#define MOST_QUICK_SECONDS 0.5
#define MOST_FULL_SECONDS  2.0
#define LEAST_SECONDS      0.05
#define MOST_REPEATS       10000

/* Of the run's time, for each section: what one leaves over is the next one's. */
static const double shares[THAW_BENCH_SECTION_COUNT] = {
    [THAW_BENCH_DEVICE] = 0.3, [THAW_BENCH_KERNELS] = 0.4, [THAW_BENCH_MODELS] = 0.3};

#define DEFINE_TEXT(function, type, LIST, prefix)                                                                      \
    const char *function(type value)                                                                                   \
    {                                                                                                                  \
        static const char *const texts[] = {LIST(prefix)};                                                             \
        return texts[value];                                                                                           \
    }
#define SECTION_TEXT(name, text) [THAW_BENCH_##name] = text,
#define FLAG_TEXT(name, text)    [THAW_BENCH_FLAG_##name] = text,
DEFINE_TEXT(thaw_bench_section_text, thaw_bench_section, THAW_BENCH_SECTION_LIST, SECTION_TEXT)
DEFINE_TEXT(thaw_bench_outcome_text, thaw_bench_outcome, THAW_BENCH_OUTCOME_LIST, SECTION_TEXT)
DEFINE_TEXT(thaw_bench_flag_text, thaw_bench_flag, THAW_BENCH_FLAG_LIST, FLAG_TEXT)

thaw_bench_options thaw_bench_defaults(void)
{
    thaw_bench_options options = {.seed = 1};
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        options.sections[i] = true;
    return options;
}

/* --- jobs --- */

thaw_status thaw_bench_add(thaw_bench *bench, const thaw_bench_plan *plan)
{
    if (bench->options.filter && fnmatch(bench->options.filter, plan->id, 0) != 0)
        return THAW_OK;
    THAW_TRY(
        thaw_reserve(bench->context, &bench->jobs, &bench->job_capacity, bench->job_count + 1, sizeof *bench->jobs));
    thaw_bench_job *job = &bench->jobs[bench->job_count++];
    *job = (thaw_bench_job){.section = plan->section, .run = plan->run};
    THAW_TRY(thaw_copy_text(bench->context, plan->id, &job->id));
    THAW_TRY(thaw_copy_text(bench->context, plan->group, &job->group));
    THAW_TRY(thaw_copy_text(bench->context, plan->title, &job->title));
    if (!plan->details)
        return THAW_OK;
    THAW_TRY(thaw_allocate(bench->context, 1, plan->details_bytes, &job->details));
    memcpy(job->details, plan->details, plan->details_bytes);
    return THAW_OK;
}

static thaw_status plan_jobs(thaw_bench *bench)
{
    if (bench->options.sections[THAW_BENCH_DEVICE]) {
        THAW_TRY(thaw_bench_plan_arithmetic(bench));
        THAW_TRY(thaw_bench_plan_bandwidths(bench));
        THAW_TRY(thaw_bench_plan_transfers(bench));
        THAW_TRY(thaw_bench_plan_latencies(bench));
    }
    if (bench->options.sections[THAW_BENCH_KERNELS]) {
        THAW_TRY(thaw_bench_plan_products(bench));
        THAW_TRY(thaw_bench_plan_layers(bench));
        THAW_TRY(thaw_bench_plan_convolutions(bench));
    }
    if (bench->options.sections[THAW_BENCH_MODELS])
        THAW_TRY(thaw_bench_plan_models(bench));
    if (bench->job_count == 0)
        return thaw_fail(bench->context, THAW_ERR_USAGE, "nothing to measure: no measurement's id matches '%s'",
                         bench->options.filter ? bench->options.filter : "");
    return THAW_OK;
}

/* --- one job --- */

static thaw_status add_entry(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry **entry)
{
    thaw_bench_result *result = bench->result;
    THAW_TRY(thaw_reserve(bench->context, &result->entries, &result->entry_capacity, result->entry_count + 1,
                          sizeof *result->entries));
    *entry = &result->entries[result->entry_count++];
    **entry = (thaw_bench_entry){.section = job->section, .energy_joules = -1, .outcome = THAW_BENCH_FAILED};
    THAW_TRY(thaw_copy_text(bench->context, job->id, &(*entry)->id));
    THAW_TRY(thaw_copy_text(bench->context, job->group, &(*entry)->group));
    return thaw_copy_text(bench->context, job->title, &(*entry)->title);
}

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
    entry->samples = NULL;
    entry->sample_count = 0;
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
    if (strcmp(entry->id, "device.fma.fp32") == 0) {
        bench->result->peak_flops_per_second = entry->value * 1e9;
        bench->best_burst = fmax(bench->best_burst, entry->value * 1e9);
    }
    if (strcmp(entry->id, "device.bandwidth.copy") == 0)
        bench->result->copy_bytes_per_second = entry->value * 1e9;
    if (strncmp(entry->id, "device.bandwidth.", 17) == 0)
        bench->best_bandwidth = fmax(bench->best_bandwidth, entry->value * 1e9);
}

static thaw_status run_job(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry)
{
    thaw_buffer_restart_peak(bench->device);
    const uint64_t live = thaw_device_live_bytes(bench->device);
    const thaw_status status = job->run(bench, job, entry);
    if (status == THAW_ERR_INTERRUPTED || thaw_context_interrupted(bench->context))
        return THAW_ERR_INTERRUPTED;
    if (entry->section != THAW_BENCH_DEVICE && thaw_device_peak_bytes(bench->device) > live)
        entry->peak_device_bytes = thaw_device_peak_bytes(bench->device) - live;
    THAW_TRY(conclude(bench, entry, status));
    note_peaks(bench, entry);
    return THAW_OK;
}

static thaw_status run_or_skip(thaw_bench *bench, const thaw_bench_job *job, double left, double share)
{
    thaw_bench_entry *entry;
    const double most = bench->options.quick ? MOST_QUICK_SECONDS : MOST_FULL_SECONDS;
    THAW_TRY(add_entry(bench, job, &entry));
    bench->job_seconds = fmin(most, fmax(LEAST_SECONDS, share));
    if (left > 0)
        return run_job(bench, job, entry);
    entry->outcome = THAW_BENCH_UNAVAILABLE;
    thaw_text text = {0};
    thaw_text_append(&text, "no time left: the limit of %.0f s was reached before it began", bench->limit_seconds);
    entry->reason = text.data;
    return text.failed ? thaw_fail(bench->context, THAW_ERR_MEMORY, "out of memory") : THAW_OK;
}

/* --- sections --- */

static size_t count_jobs(const thaw_bench *bench, thaw_bench_section section)
{
    size_t count = 0;
    for (size_t i = 0; i < bench->job_count; i++)
        count += bench->jobs[i].section == section;
    return count;
}

/* When the section has to be through, of the time that is left. */
static double deadline_of(const thaw_bench *bench, thaw_bench_section section, double now, double end)
{
    double sum = 0;
    for (int i = section; i < THAW_BENCH_SECTION_COUNT; i++)
        sum += count_jobs(bench, (thaw_bench_section)i) ? shares[i] : 0;
    return now + (end - now) * shares[section] / sum;
}

static thaw_status run_section(thaw_bench *bench, thaw_bench_section section, double start, size_t *done)
{
    size_t left = count_jobs(bench, section);
    if (left == 0)
        return THAW_OK;
    const double end = deadline_of(bench, section, thaw_clock_seconds(), bench->end);
    for (size_t i = 0; i < bench->job_count; i++) {
        if (bench->jobs[i].section != section)
            continue;
        /* Making ready takes about as long as measuring. */
        const double seconds = end - thaw_clock_seconds();
        THAW_TRY(run_or_skip(bench, &bench->jobs[i], seconds, seconds / (double)left-- / 2));
        ++*done;
        if (bench->options.on_entry)
            bench->options.on_entry(bench->options.user, &bench->result->entries[bench->result->entry_count - 1], *done,
                                    bench->job_count, thaw_clock_seconds() - start);
    }
    return THAW_OK;
}

thaw_status thaw_bench_run_jobs(thaw_bench *bench)
{
    const double start = thaw_clock_seconds();
    size_t done = 0;
    THAW_TRY(thaw_bench_burst(bench));
    bench->end = start + bench->limit_seconds;
    THAW_TRY(thaw_bench_burst(bench)); /* the first one finds the device asleep */
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        THAW_TRY(run_section(bench, (thaw_bench_section)i, start, &done));
    return THAW_OK;
}

static thaw_status conclude_section(thaw_bench *bench, thaw_bench_section section)
{
    thaw_bench_section_result *result = &bench->result->sections[section];
    size_t all = 0, good = 0;
    const char *first = NULL;
    for (size_t i = 0; i < bench->result->entry_count; i++) {
        const thaw_bench_entry *entry = &bench->result->entries[i];
        if (entry->section != section)
            continue;
        all++;
        good += entry->outcome == THAW_BENCH_OK;
        if (entry->outcome != THAW_BENCH_OK && !first)
            first = entry->reason;
    }
    result->wanted = bench->options.sections[section];
    result->status = all > 0 && good == all ? "ok" : good ? "partly" : "unavailable";
    if (!result->wanted || (all > 0 && good == all))
        return THAW_OK;
    thaw_text text = {0};
    if (all == 0)
        thaw_text_append(&text, "none of it matches the filter");
    else
        thaw_text_append(&text, "%zu of %zu could not be measured; the first: %s", all - good, all, first ? first : "");
    result->reason = text.data;
    return text.failed ? thaw_fail(bench->context, THAW_ERR_MEMORY, "out of memory") : THAW_OK;
}

/* --- the whole --- */

static thaw_status check_options(thaw_context *context, const thaw_bench_options *options)
{
    bool any = false;
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        any = any || options->sections[i];
    if (!any)
        return thaw_fail(context, THAW_ERR_USAGE, "no section of the benchmark is wanted");
    if (options->repeats < 0 || options->repeats > MOST_REPEATS)
        return thaw_fail(context, THAW_ERR_USAGE, "%d repeats: 1 to %d are possible", (int)options->repeats,
                         MOST_REPEATS);
    if (!(options->time_limit_seconds >= 0) || isinf(options->time_limit_seconds))
        return thaw_fail(context, THAW_ERR_USAGE, "a time limit of %g seconds", options->time_limit_seconds);
    return THAW_OK;
}

static thaw_status describe_surroundings(thaw_bench *bench)
{
    thaw_bench_result *result = bench->result;
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(result->started, sizeof result->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    result->device = *thaw_device_describe(bench->device);
    result->max_clock_mhz = bench->facts.max_clock_mhz;
    thaw_host_system(result->system, sizeof result->system);
    thaw_host_processor(result->processor, sizeof result->processor);
    result->threads = thaw_host_threads();
    result->options = bench->options;
    result->options.on_entry = NULL;
    result->options.user = NULL;
    result->options.time_limit_seconds = bench->limit_seconds;
    if (bench->options.filter)
        THAW_TRY(thaw_copy_text(bench->context, bench->options.filter, &result->filter));
    result->options.filter = result->filter;
    return THAW_OK;
}

thaw_status thaw_bench_open(thaw_bench *bench, thaw_device *device, const thaw_bench_options *options,
                            thaw_bench_result *result)
{
    const double limit = options->quick ? QUICK_SECONDS : FULL_SECONDS;
    *result = (thaw_bench_result){0};
    *bench =
        (thaw_bench){.context = thaw_device_context(device), .device = device, .options = *options, .result = result};
    bench->facts = thaw_device_find_facts(device);
    THAW_TRY(check_options(bench->context, options));
    if (bench->facts.simulated)
        return thaw_fail(bench->context, THAW_ERR_DEVICE,
                         "%s only simulates a device: times on it mean nothing; choose another one with --device",
                         thaw_device_describe(device)->platform);
    bench->limit_seconds = options->time_limit_seconds > 0 ? options->time_limit_seconds : limit;
    bench->job_seconds = LEAST_SECONDS;
    THAW_TRY(describe_surroundings(bench));
    return thaw_timer_check(device, &bench->device_clock, result->timer_reason);
}

void thaw_bench_close(thaw_bench *bench)
{
    for (size_t i = 0; i < bench->job_count; i++) {
        free(bench->jobs[i].id);
        free(bench->jobs[i].group);
        free(bench->jobs[i].title);
        free(bench->jobs[i].details);
    }
    free(bench->jobs);
    bench->jobs = NULL;
    bench->job_count = 0;
}

thaw_status thaw_bench_run(thaw_device *device, const thaw_bench_options *options, thaw_bench_result *result)
{
    const double start = thaw_clock_seconds();
    thaw_bench bench;
    thaw_status status = thaw_bench_open(&bench, device, options, result);
    if (status == THAW_OK)
        status = plan_jobs(&bench);
    if (status == THAW_OK)
        status = thaw_bench_run_jobs(&bench);
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT && status == THAW_OK; i++)
        status = conclude_section(&bench, (thaw_bench_section)i);
    result->seconds = thaw_clock_seconds() - start;
    thaw_bench_close(&bench);
    return status;
}

bool thaw_bench_result_good(const thaw_bench_result *result)
{
    for (size_t i = 0; i < result->entry_count; i++)
        if (result->entries[i].outcome == THAW_BENCH_WRONG || result->entries[i].outcome == THAW_BENCH_FAILED)
            return false;
    return true;
}

void thaw_bench_result_free(thaw_bench_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->entry_count; i++) {
        thaw_bench_entry *entry = &result->entries[i];
        free(entry->id);
        free(entry->group);
        free(entry->title);
        free(entry->reason);
        free(entry->samples);
        free(entry->algorithm);
    }
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        free(result->sections[i].reason);
    free(result->entries);
    free(result->filter);
    *result = (thaw_bench_result){0};
}
