/* A benchmark's file, from JSON to structs; who wrote it is not known, so nothing in it is taken on trust. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/read_entry.h"

#define MOST_FILE_BYTES (UINT64_C(8) << 20)
#define MOST_ENTRIES    10000
#define MOST_SECTIONS   100
#define MOST_PAIRS      100
#define SCHEMA_LENGTH   (sizeof THAW_REPORT_SCHEMA - 1)

/* --- what is not measured ----------------------------------------------------------------------------------------- */

/* "thaw.bench/1.4" adds to "thaw.bench/1"; anything else means other things by the same names. */
static thaw_status check_schema(const thaw_fields *top)
{
    const char *schema = NULL;
    THAW_TRY(thaw_field_text(top, "schema", &schema));
    if (!schema)
        return thaw_fields_fail(top, "no benchmark: 'schema' is missing ('thaw bench --output' writes such files)");
    if (strncmp(schema, THAW_REPORT_SCHEMA, SCHEMA_LENGTH) != 0 ||
        (schema[SCHEMA_LENGTH] != '\0' && schema[SCHEMA_LENGTH] != '.'))
        return thaw_fields_fail(top, "has the schema '%s', this Thaw reads '%s'", schema, THAW_REPORT_SCHEMA);
    return THAW_OK;
}

static thaw_status read_device(const thaw_fields *top, thaw_report_device *device)
{
    thaw_fields fields;
    *device = (thaw_report_device){.fp16 = -1, .fp64 = -1};
    THAW_TRY(thaw_field_object(top, "device", &fields));
    const struct {
        const char *name, **text;
    } texts[] = {
        {"platform", &device->platform}, {"name", &device->name},       {"vendor", &device->vendor},
        {"driver", &device->driver},     {"version", &device->version}, {"type", &device->type},
    };
    const struct {
        const char *name;
        double *number;
    } numbers[] = {
        {"compute_units", &device->compute_units}, {"max_clock_mhz", &device->max_clock_mhz},
        {"global_bytes", &device->global_bytes},   {"max_alloc_bytes", &device->max_alloc_bytes},
        {"local_bytes", &device->local_bytes},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        THAW_TRY(thaw_field_text(&fields, texts[i].name, texts[i].text));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i].number = NAN;
        THAW_TRY(thaw_field_number(&fields, numbers[i].name, 0, THAW_REPORT_MOST, numbers[i].number));
    }
    THAW_TRY(thaw_field_flag(&fields, "fp16", &device->fp16));
    THAW_TRY(thaw_field_flag(&fields, "fp64", &device->fp64));
    return thaw_field_require(&fields, "name", device->name);
}

static thaw_status read_host(const thaw_fields *top, thaw_report *report)
{
    thaw_fields fields;
    report->threads = NAN;
    THAW_TRY(thaw_field_object(top, "host", &fields));
    THAW_TRY(thaw_field_text(&fields, "system", &report->system));
    THAW_TRY(thaw_field_text(&fields, "processor", &report->processor));
    return thaw_field_number(&fields, "threads", 1, THAW_REPORT_MOST, &report->threads);
}

static thaw_status read_settings(const thaw_fields *top, thaw_report_settings *settings)
{
    thaw_fields fields;
    int quick = -1;
    *settings = (thaw_report_settings){.repeat = NAN, .time_limit_seconds = NAN, .seed = -1};
    THAW_TRY(thaw_field_object(top, "settings", &fields));
    THAW_TRY(thaw_field_flag(&fields, "quick", &quick));
    if (quick < 0)
        return thaw_fields_fail(&fields, "'quick' is missing");
    settings->quick = quick;
    THAW_TRY(thaw_field_text(&fields, "filter", &settings->filter));
    THAW_TRY(thaw_field_number(&fields, "repeat", 0, THAW_REPORT_MOST, &settings->repeat));
    THAW_TRY(thaw_field_number(&fields, "time_limit_seconds", 0, THAW_REPORT_MOST, &settings->time_limit_seconds));
    THAW_TRY(thaw_field_integer(&fields, "seed", &settings->seed));
    THAW_TRY(thaw_field_texts(&fields, "sections", MOST_SECTIONS, &settings->sections, &settings->section_count));
    return thaw_field_pairs(&fields, "environment", MOST_PAIRS, &settings->environment, &settings->environment_count);
}

static thaw_status read_section(thaw_fields *fields, thaw_report_section *section)
{
    if (!json_is_object(fields->object))
        return thaw_fields_fail(fields, "is no object");
    THAW_TRY(thaw_field_text(fields, "name", &section->name));
    THAW_TRY(thaw_field_text(fields, "status", &section->status));
    THAW_TRY(thaw_field_text(fields, "reason", &section->reason));
    THAW_TRY(thaw_field_require(fields, "name", section->name));
    THAW_TRY(thaw_field_require(fields, "status", section->status));
    return strcmp(section->status, "ok") == 0 ? THAW_OK : thaw_field_require(fields, "reason", section->reason);
}

/* The item of a list, as an object with a place of its own. */
static thaw_fields item_fields(const thaw_fields *top, const char *name, size_t i, json_t *item)
{
    thaw_fields fields = {.context = top->context, .path = top->path, .object = item};
    snprintf(fields.place, sizeof fields.place, "%s[%zu]", name, i);
    return fields;
}

static thaw_status read_sections(const thaw_fields *top, thaw_report *report)
{
    json_t *list, *item;
    size_t i;
    THAW_TRY(thaw_field_list(top, "sections", MOST_SECTIONS, &list));
    THAW_TRY(thaw_allocate(top->context, json_array_size(list), sizeof *report->sections, &report->sections));
    json_array_foreach(list, i, item)
    {
        thaw_fields fields = item_fields(top, "sections", i, item);
        THAW_TRY(read_section(&fields, &report->sections[i]));
    }
    report->section_count = json_array_size(list);
    return THAW_OK;
}

static thaw_status read_peaks(const thaw_fields *top, thaw_report *report)
{
    thaw_fields fields;
    report->peak_gflops = report->copy_gbs = report->pace = NAN;
    THAW_TRY(thaw_field_object(top, "peaks", &fields));
    THAW_TRY(thaw_field_number(&fields, "gflops_fp32", THAW_REPORT_LEAST, THAW_REPORT_MOST, &report->peak_gflops));
    THAW_TRY(thaw_field_number(&fields, "pace", THAW_REPORT_LEAST, THAW_REPORT_MOST, &report->pace));
    return thaw_field_number(&fields, "copy_gbs", THAW_REPORT_LEAST, THAW_REPORT_MOST, &report->copy_gbs);
}

/* --- what is ------------------------------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    const thaw_report_entry *const *first = a, *const *second = b;
    return strcmp((*first)->id, (*second)->id);
}

static thaw_status sort_ids(const thaw_fields *top, thaw_report *report)
{
    const size_t count = report->entry_count;
    THAW_TRY(thaw_allocate(top->context, count, sizeof *report->by_id, &report->by_id));
    for (size_t i = 0; i < count; i++)
        report->by_id[i] = &report->entries[i];
    qsort(report->by_id, count, sizeof *report->by_id, compare_ids);
    for (size_t i = 1; i < count; i++)
        if (compare_ids(&report->by_id[i - 1], &report->by_id[i]) == 0)
            return thaw_fields_fail(top, "two entries have the id '%s'", report->by_id[i]->id);
    return THAW_OK;
}

const thaw_report_entry *thaw_report_find(const thaw_report *report, const char *id)
{
    const thaw_report_entry wanted = {.id = id}, *key = &wanted;
    const thaw_report_entry **found =
        bsearch(&key, report->by_id, report->entry_count, sizeof *report->by_id, compare_ids);
    return found ? *found : NULL;
}

static thaw_status read_entries(const thaw_fields *top, thaw_report *report)
{
    json_t *list, *item;
    size_t i;
    THAW_TRY(thaw_field_list(top, "entries", MOST_ENTRIES, &list));
    THAW_TRY(thaw_field_require(top, "entries", list));
    THAW_TRY(thaw_allocate(top->context, json_array_size(list), sizeof *report->entries, &report->entries));
    json_array_foreach(list, i, item)
    {
        thaw_fields fields = item_fields(top, "entries", i, item);
        report->entry_count = i + 1; /* so much there is to free */
        THAW_TRY(thaw_report_entry_read(&fields, &report->entries[i]));
    }
    return sort_ids(top, report);
}

static thaw_status read_all(const thaw_fields *top, thaw_report *report)
{
    THAW_TRY(check_schema(top));
    report->seconds = NAN;
    THAW_TRY(thaw_field_text(top, "thaw", &report->thaw));
    THAW_TRY(thaw_field_require(top, "thaw", report->thaw));
    THAW_TRY(thaw_field_text(top, "started", &report->started));
    THAW_TRY(thaw_field_number(top, "seconds", 0, THAW_REPORT_MOST, &report->seconds));
    THAW_TRY(thaw_field_text(top, "timer_reason", &report->timer_reason));
    THAW_TRY(read_device(top, &report->device));
    THAW_TRY(read_host(top, report));
    THAW_TRY(read_settings(top, &report->settings));
    THAW_TRY(thaw_field_pairs(top, "libraries", MOST_PAIRS, &report->libraries, &report->library_count));
    THAW_TRY(read_sections(top, report));
    THAW_TRY(read_peaks(top, report));
    return read_entries(top, report);
}

static thaw_status parse(thaw_context *context, const char *path, const char *text, size_t size, thaw_report *report)
{
    json_error_t error;
    THAW_TRY(thaw_copy_text(context, path, &report->path));
    if (size > MOST_FILE_BYTES)
        return thaw_fail(context, THAW_ERR_SIZE, "%s: %zu bytes are more than the limit of %llu", path, size,
                         (unsigned long long)MOST_FILE_BYTES);
    report->document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    const thaw_fields top = {.context = context, .path = path, .object = report->document};
    if (!report->document)
        return thaw_fields_fail(&top, "no JSON: line %d: %s", error.line, error.text);
    if (!json_is_object(top.object))
        return thaw_fields_fail(&top, "no benchmark: no JSON object");
    return read_all(&top, report);
}

thaw_status thaw_report_parse(thaw_context *context, const char *path, const char *text, size_t size,
                              thaw_report **report)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **report, report));
    const thaw_status status = parse(context, path, text, size, *report);
    if (status != THAW_OK)
        thaw_report_close(report);
    return status;
}

thaw_status thaw_report_read(thaw_context *context, const char *path, thaw_report **report)
{
    uint8_t *bytes;
    size_t size;
    *report = NULL;
    THAW_TRY(thaw_file_read(context, path, MOST_FILE_BYTES, &bytes, &size));
    const thaw_status status = thaw_report_parse(context, path, (const char *)bytes, size, report);
    free(bytes);
    return status;
}

void thaw_report_close(thaw_report **report)
{
    if (!report || !*report)
        return;
    for (size_t i = 0; i < (*report)->entry_count; i++)
        thaw_report_entry_free(&(*report)->entries[i]);
    free((*report)->entries);
    free((*report)->by_id);
    free((*report)->sections);
    free((*report)->libraries);
    free((*report)->settings.sections);
    free((*report)->settings.environment);
    json_decref((*report)->document);
    free((*report)->path);
    free(*report);
    *report = NULL;
}
