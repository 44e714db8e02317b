#include "report/read_entry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"

#define MOST_SAMPLES 10000
#define MOST_FLAGS   16
#define MOST_SECONDS 1e9

const char *thaw_report_status_text(thaw_report_status status)
{
    static const char *const texts[] = {
#define STATUS_TEXT(name, text) text,
        THAW_REPORT_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    };
    return status < THAW_REPORT_STATUS_COUNT ? texts[status] : "unknown";
}

/* Ids stand on command lines, before an operator. */
static thaw_status read_id(thaw_fields *fields, thaw_report_entry *entry)
{
    THAW_TRY(thaw_field_text(fields, "id", &entry->id));
    THAW_TRY(thaw_field_require(fields, "id", entry->id));
    const size_t length = strlen(entry->id), allowed = strspn(entry->id, THAW_REPORT_ID_LETTERS);
    if (length >= THAW_REPORT_ID_BYTES)
        return thaw_fields_fail(fields, "'id' has %zu bytes, more than %d", length, THAW_REPORT_ID_BYTES - 1);
    if (allowed < length)
        return thaw_fields_fail(fields, "'id' has something other than letters, digits and ._-+:/");
    const size_t used = strlen(fields->place);
    snprintf(fields->place + used, sizeof fields->place - used, " %s", entry->id);
    return THAW_OK;
}

static thaw_status read_status(const thaw_fields *fields, thaw_report_entry *entry)
{
    const char *text = NULL;
    THAW_TRY(thaw_field_text(fields, "status", &text));
    THAW_TRY(thaw_field_require(fields, "status", text));
    for (int i = 0; i < THAW_REPORT_STATUS_COUNT; i++)
        if (strcmp(text, thaw_report_status_text((thaw_report_status)i)) == 0) {
            entry->status = (thaw_report_status)i;
            return THAW_OK;
        }
    return thaw_fields_fail(fields, "the status '%s' is none that is known", text);
}

static thaw_status read_texts(const thaw_fields *fields, thaw_report_entry *entry)
{
    const struct {
        const char *name;
        const char **text;
        bool required;
    } texts[] = {
        {"section", &entry->section, true},
        {"group", &entry->group, true},
        {"title", &entry->title, false},
        {"reason", &entry->reason, entry->status != THAW_REPORT_OK},
        {"unit", &entry->unit, entry->status == THAW_REPORT_OK},
        {"timer", &entry->timer, false},
        {"algorithm", &entry->algorithm, false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        THAW_TRY(thaw_field_text(fields, texts[i].name, texts[i].text));
        if (texts[i].required)
            THAW_TRY(thaw_field_require(fields, texts[i].name, *texts[i].text));
    }
    return thaw_field_texts(fields, "flags", MOST_FLAGS, &entry->flags, &entry->flag_count);
}

static thaw_status read_direction(const thaw_fields *fields, thaw_report_entry *entry)
{
    const char *text = NULL;
    THAW_TRY(thaw_field_text(fields, "better", &text));
    if (entry->status == THAW_REPORT_OK)
        THAW_TRY(thaw_field_require(fields, "better", text));
    if (text && strcmp(text, "higher") != 0 && strcmp(text, "lower") != 0)
        return thaw_fields_fail(fields, "'better' is '%s', neither 'higher' nor 'lower'", text);
    entry->lower_is_better = text && strcmp(text, "lower") == 0;
    return THAW_OK;
}

static thaw_status read_numbers(const thaw_fields *fields, thaw_report_entry *entry)
{
    const double least = THAW_REPORT_LEAST, most = THAW_REPORT_MOST;
    const struct {
        const char *name;
        double *number, least;
    } numbers[] = {
        {"value", &entry->value, least},
        {"low", &entry->low, 0},
        {"high", &entry->high, 0},
        {"spread", &entry->spread, 0},
        {"flops", &entry->flops, least},
        {"bytes", &entry->bytes, least},
        {"error", &entry->error, 0},
        {"tolerance", &entry->tolerance, 0},
        {"batch", &entry->batch, 1},
        {"peak_device_bytes", &entry->peak_device_bytes, least},
        {"process_bytes", &entry->process_bytes, least},
        {"energy_joules", &entry->energy_joules, 0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i].number = NAN;
        THAW_TRY(thaw_field_number(fields, numbers[i].name, numbers[i].least, most, numbers[i].number));
    }
    return THAW_OK;
}

/* A median lies within its interval, rounding of the written digits aside. */
static thaw_status check_value(const thaw_fields *fields, const thaw_report_entry *entry)
{
    const double slack = 1e-6;
    if (entry->status != THAW_REPORT_OK)
        return isnan(entry->value) ? THAW_OK
                                   : thaw_fields_fail(fields, "is '%s' and has a value all the same",
                                                      thaw_report_status_text(entry->status));
    if (isnan(entry->value))
        return thaw_fields_fail(fields, "'value' is missing, though the status is 'ok'");
    if (entry->low > entry->value * (1 + slack) || entry->high < entry->value * (1 - slack))
        return thaw_fields_fail(fields, "the value %g is not between 'low' (%g) and 'high' (%g)", entry->value,
                                entry->low, entry->high);
    return THAW_OK;
}

static thaw_status read_samples(const thaw_fields *fields, thaw_report_entry *entry)
{
    json_t *list, *value;
    size_t i;
    THAW_TRY(thaw_field_list(fields, "samples", MOST_SAMPLES, &list));
    THAW_TRY(thaw_allocate(fields->context, json_array_size(list), sizeof *entry->samples, &entry->samples));
    json_array_foreach(list, i, value)
    {
        const double seconds = json_is_number(value) ? json_number_value(value) : NAN;
        if (!(seconds >= THAW_REPORT_LEAST && seconds <= MOST_SECONDS))
            return thaw_fields_fail(fields, "'samples[%zu]' is no number of seconds above 0", i);
        entry->samples[i] = seconds;
    }
    entry->sample_count = json_array_size(list);
    return THAW_OK;
}

/* *samples: how many of the entry's samples the round has. */
static thaw_status read_round(const thaw_fields *fields, size_t index, json_t *value, int64_t *samples)
{
    thaw_fields round = *fields;
    const size_t used = strlen(round.place);
    int left_out = 0;
    if (!json_is_object(value))
        return thaw_fields_fail(fields, "'rounds[%zu]' is no object", index);
    snprintf(round.place + used, sizeof round.place - used, ".rounds[%zu]", index);
    round.object = value;
    *samples = -1;
    THAW_TRY(thaw_field_integer(&round, "samples", samples));
    THAW_TRY(thaw_field_flag(&round, "left_out", &left_out));
    if (*samples < 0)
        return thaw_fields_fail(&round, "'samples' is missing");
    *samples = left_out ? 0 : *samples;
    return THAW_OK;
}

/* Those that the samples come from. */
static thaw_status read_rounds(const thaw_fields *fields, thaw_report_entry *entry)
{
    json_t *list, *value;
    size_t i, left = entry->sample_count;
    THAW_TRY(thaw_field_list(fields, "rounds", MOST_SAMPLES, &list));
    if (!list || entry->sample_count == 0)
        return THAW_OK;
    THAW_TRY(thaw_allocate(fields->context, json_array_size(list), sizeof *entry->rounds, &entry->rounds));
    json_array_foreach(list, i, value)
    {
        int64_t samples;
        THAW_TRY(read_round(fields, i, value, &samples));
        if ((uint64_t)samples > left)
            return thaw_fields_fail(fields, "'rounds' have more samples than there are");
        if (samples > 0)
            entry->rounds[entry->round_count++] = (size_t)samples;
        left -= (size_t)samples;
    }
    return left == 0 ? THAW_OK : thaw_fields_fail(fields, "'rounds' have fewer samples than there are");
}

thaw_status thaw_report_entry_read(thaw_fields *fields, thaw_report_entry *entry)
{
    if (!json_is_object(fields->object))
        return thaw_fields_fail(fields, "is no object");
    THAW_TRY(read_id(fields, entry));
    THAW_TRY(read_status(fields, entry));
    THAW_TRY(read_texts(fields, entry));
    THAW_TRY(read_direction(fields, entry));
    THAW_TRY(read_numbers(fields, entry));
    THAW_TRY(check_value(fields, entry));
    THAW_TRY(read_samples(fields, entry));
    return read_rounds(fields, entry);
}

void thaw_report_entry_free(thaw_report_entry *entry)
{
    free(entry->samples);
    free(entry->rounds);
    free(entry->flags);
    *entry = (thaw_report_entry){0};
}
