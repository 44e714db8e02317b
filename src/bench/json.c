/* The result as JSON, schema "thaw.bench/1". What was not measured is left out, never 0. */
#include "bench/bench.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>

#define SCHEMA "thaw.bench/1"
#define DIGITS 9

/* What may change figures, where it is set. */
static const char *const variables[] = {"THAW_LAYOUT",       "THAW_ALGORITHM",         "THAW_TUNING",
                                        "THAW_KERNEL_DIR",   "THAW_DEVICE_MEMORY",     "THAW_DEVICE_ALLOCATION",
                                        "THAW_DEVICE_LOCAL", "THAW_DEVICE_WORK_GROUP", "THAW_PROGRAM_CACHE",
                                        "POCL_AFFINITY",     "POCL_MAX_PTHREAD_COUNT", "LP_NUM_THREADS"};

/* Texts come from drivers and from the system: what is no UTF-8 is replaced. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *string = json_string(text);
    char *copy = string ? NULL : strdup(text);
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    json_object_set_new(object, key, string ? string : copy ? json_string(copy) : NULL);
    free(copy);
}

static void set_number(json_t *object, const char *key, double number)
{
    if (isfinite(number))
        json_object_set_new(object, key, json_real(number));
}

/* Where 0 means that it was not measured. */
static void set_positive(json_t *object, const char *key, double number)
{
    if (number > 0)
        set_number(object, key, number);
}

static void set_count(json_t *object, const char *key, uint64_t count)
{
    if (count > 0)
        json_object_set_new(object, key, json_integer((json_int_t)count));
}

static json_t *device_json(const thaw_bench_result *result)
{
    const thaw_device_info *info = &result->device;
    json_t *device = json_object();
    set_text(device, "platform", info->platform);
    set_text(device, "name", info->name);
    set_text(device, "vendor", info->vendor);
    set_text(device, "driver", info->driver);
    set_text(device, "version", info->version);
    set_text(device, "type", info->type);
    set_count(device, "compute_units", info->compute_units);
    set_count(device, "max_clock_mhz", result->max_clock_mhz);
    set_count(device, "global_bytes", info->global_bytes);
    set_count(device, "max_alloc_bytes", info->max_alloc_bytes);
    set_count(device, "local_bytes", info->local_bytes);
    json_object_set_new(device, "fp16", json_boolean(info->fp16));
    json_object_set_new(device, "fp64", json_boolean(info->fp64));
    return device;
}

static json_t *host_json(const thaw_bench_result *result)
{
    json_t *host = json_object();
    if (result->system[0])
        set_text(host, "system", result->system);
    if (result->processor[0])
        set_text(host, "processor", result->processor);
    set_count(host, "threads", result->threads);
    return host;
}

static json_t *settings_json(const thaw_bench_result *result)
{
    json_t *settings = json_object(), *sections = json_array(), *environment = json_object();
    json_object_set_new(settings, "quick", json_boolean(result->options.quick));
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        if (result->options.sections[i])
            json_array_append_new(sections, json_string(thaw_bench_section_text((thaw_bench_section)i)));
    json_object_set_new(settings, "sections", sections);
    if (result->filter)
        set_text(settings, "filter", result->filter);
    else
        json_object_set_new(settings, "filter", json_null());
    json_object_set_new(settings, "repeat", json_integer(result->options.repeats));
    set_number(settings, "time_limit_seconds", result->options.time_limit_seconds);
    json_object_set_new(settings, "seed", json_integer((json_int_t)(result->options.seed & INT64_MAX)));
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]))
            set_text(environment, variables[i], getenv(variables[i]));
    json_object_set_new(settings, "environment", environment);
    return settings;
}

static json_t *round_json(const thaw_bench_round *round)
{
    json_t *object = json_object();
    set_number(object, "at", round->at);
    json_object_set_new(object, "samples", json_integer((json_int_t)round->sample_count));
    set_positive(object, "pace", round->pace);
    json_object_set_new(object, "left_out", json_boolean(round->left_out));
    return object;
}

/* The samples that the figure is made from, those that it is not, and from which rounds both are. */
static void set_samples(json_t *object, const thaw_bench_entry *entry)
{
    json_t *samples = json_array(), *left_out = json_array(), *rounds = json_array();
    size_t at = 0;
    for (size_t i = 0; i < entry->round_count; i++) {
        const thaw_bench_round *round = &entry->rounds[i];
        for (size_t j = 0; j < round->sample_count; j++, at++)
            json_array_append_new(round->left_out ? left_out : samples, json_real(entry->samples[at]));
        json_array_append_new(rounds, round_json(round));
    }
    json_object_set_new(object, "samples", samples);
    json_object_set_new(object, "left_out", left_out);
    json_object_set_new(object, "rounds", rounds);
}

static void set_figure(json_t *object, const thaw_bench_entry *entry)
{
    set_text(object, "unit", entry->unit);
    set_text(object, "better", entry->higher_is_better ? "higher" : "lower");
    set_number(object, "value", entry->value);
    set_number(object, "low", entry->low);
    set_number(object, "high", entry->high);
    set_number(object, "spread", entry->spread);
    set_text(object, "timer", entry->by_device ? "device" : "host");
    set_samples(object, entry);
    set_positive(object, "flops", entry->flops);
    set_positive(object, "bytes", entry->bytes);
    set_count(object, "peak_device_bytes", entry->peak_device_bytes);
    set_count(object, "process_bytes", entry->process_bytes);
    if (entry->energy_joules >= 0)
        set_number(object, "energy_joules", entry->energy_joules);
}

static json_t *flags_json(const thaw_bench_entry *entry)
{
    json_t *flags = json_array();
    for (int i = 0; i < THAW_BENCH_FLAG_COUNT; i++)
        if (entry->flags[i])
            json_array_append_new(flags, json_string(thaw_bench_flag_text((thaw_bench_flag)i)));
    return flags;
}

static json_t *entry_json(const thaw_bench_entry *entry)
{
    json_t *object = json_object();
    set_text(object, "id", entry->id);
    set_text(object, "section", thaw_bench_section_text(entry->section));
    set_text(object, "group", entry->group);
    set_text(object, "title", entry->title);
    set_text(object, "status", thaw_bench_outcome_text(entry->outcome));
    if (entry->reason)
        set_text(object, "reason", entry->reason);
    if (entry->outcome == THAW_BENCH_OK)
        set_figure(object, entry);
    if (entry->verified) {
        set_number(object, "error", entry->error);
        set_number(object, "tolerance", entry->tolerance);
    }
    if (entry->algorithm)
        set_text(object, "algorithm", entry->algorithm);
    set_count(object, "batch", (uint64_t)entry->batch);
    json_object_set_new(object, "flags", flags_json(entry));
    return object;
}

static json_t *sections_json(const thaw_bench_result *result)
{
    json_t *sections = json_array();
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++) {
        const thaw_bench_section_result *section = &result->sections[i];
        if (!section->wanted)
            continue;
        json_t *object = json_object();
        set_text(object, "name", thaw_bench_section_text((thaw_bench_section)i));
        set_text(object, "status", section->status);
        if (section->reason)
            set_text(object, "reason", section->reason);
        json_array_append_new(sections, object);
    }
    return sections;
}

static json_t *build(const thaw_bench_result *result)
{
    json_t *all = json_object(), *libraries = json_object(), *entries = json_array(), *peaks = json_object();
    set_text(all, "schema", SCHEMA);
    set_text(all, "thaw", thaw_version());
    set_text(all, "started", result->started);
    set_number(all, "seconds", result->seconds);
    json_object_set_new(all, "device", device_json(result));
    json_object_set_new(all, "host", host_json(result));
    json_object_set_new(all, "settings", settings_json(result));
    set_text(libraries, "opencl", result->device.version);
    set_text(libraries, "clblast", thaw_device_clblast_version());
    json_object_set_new(all, "libraries", libraries);
    if (result->timer_reason[0])
        set_text(all, "timer_reason", result->timer_reason);
    for (size_t i = 0; i < result->entry_count; i++)
        json_array_append_new(entries, entry_json(&result->entries[i]));
    json_object_set_new(all, "entries", entries);
    json_object_set_new(all, "sections", sections_json(result));
    set_positive(peaks, "gflops_fp32", result->peak_flops_per_second * 1e-9);
    set_positive(peaks, "pace", result->usual_pace);
    set_positive(peaks, "copy_gbs", result->copy_bytes_per_second * 1e-9);
    json_object_set_new(all, "peaks", peaks);
    return all;
}

thaw_status thaw_bench_to_json(thaw_context *context, const thaw_bench_result *result, char **text)
{
    json_t *all = build(result);
    *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(all);
    return *text ? THAW_OK : thaw_fail(context, THAW_ERR_MEMORY, "out of memory");
}
