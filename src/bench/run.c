/* A run: the jobs that the options ask for, and what became of them. */
#include "bench/bench.h"
#include "bench/host.h"
#include "bench/rounds.h"
#include "bench/statistics.h"

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
#define MOST_REPEATS  10000

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
    *job = (thaw_bench_job){.section = plan->section, .open = plan->open};
    THAW_TRY(thaw_copy_text(bench->context, plan->id, &job->id));
    THAW_TRY(thaw_copy_text(bench->context, plan->group, &job->group));
    THAW_TRY(thaw_copy_text(bench->context, plan->title, &job->title));
    if (!plan->details)
        return THAW_OK;
    THAW_TRY(thaw_allocate(bench->context, 1, plan->details_bytes, &job->details));
    memcpy(job->details, plan->details, plan->details_bytes);
    return THAW_OK;
}

thaw_status thaw_bench_add_all(thaw_bench *bench, const thaw_bench_plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        THAW_TRY(thaw_bench_add(bench, &plans[i]));
    return THAW_OK;
}

static thaw_status plan_jobs(thaw_bench *bench)
{
    if (bench->options.sections[THAW_BENCH_DEVICE]) {
        THAW_TRY(thaw_bench_plan_arithmetic(bench));
        THAW_TRY(thaw_bench_plan_bandwidths(bench));
        THAW_TRY(thaw_bench_plan_latencies(bench));
        THAW_TRY(thaw_bench_plan_transfers(bench));
    }
    if (bench->options.sections[THAW_BENCH_KERNELS]) {
        THAW_TRY(thaw_bench_plan_layers(bench));
        THAW_TRY(thaw_bench_plan_products(bench));
        THAW_TRY(thaw_bench_plan_convolutions(bench));
    }
    if (bench->options.sections[THAW_BENCH_MODELS])
        THAW_TRY(thaw_bench_plan_models(bench));
    if (bench->job_count == 0)
        return thaw_fail(bench->context, THAW_ERR_USAGE, "nothing to measure: no measurement's id matches '%s'",
                         bench->options.filter ? bench->options.filter : "");
    return THAW_OK;
}

/* --- numbers --- */

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

/* --- entries --- */

static thaw_status add_entry(const thaw_bench *bench, const thaw_bench_job *job)
{
    thaw_bench_entry *entry = &bench->result->entries[bench->result->entry_count++];
    *entry = (thaw_bench_entry){.section = job->section, .energy_joules = -1, .outcome = THAW_BENCH_UNAVAILABLE};
    THAW_TRY(thaw_copy_text(bench->context, job->id, &entry->id));
    THAW_TRY(thaw_copy_text(bench->context, job->group, &entry->group));
    return thaw_copy_text(bench->context, job->title, &entry->title);
}

thaw_status thaw_bench_run_jobs(thaw_bench *bench)
{
    THAW_TRY(thaw_allocate(bench->context, bench->job_count, sizeof *bench->result->entries, &bench->result->entries));
    for (size_t i = 0; i < bench->job_count; i++)
        THAW_TRY(add_entry(bench, &bench->jobs[i]));
    bench->start = thaw_clock_seconds();
    bench->end = bench->start + bench->limit_seconds;
    THAW_TRY(thaw_bench_probe_open(bench->device, &bench->probe));
    const thaw_status status = thaw_bench_run_rounds(bench);
    if (bench->probe.count >= THAW_BENCH_ENOUGH)
        bench->result->usual_pace = thaw_bench_probe_usual(&bench->probe);
    return status;
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
    result->options.on_progress = NULL;
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
    thaw_bench_probe_close(&bench->probe);
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
        free(entry->rounds);
        free(entry->algorithm);
    }
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        free(result->sections[i].reason);
    free(result->entries);
    free(result->filter);
    *result = (thaw_bench_result){0};
}
