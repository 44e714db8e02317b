#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/compare.h"

typedef struct warner {
    thaw_context *context;
    thaw_comparison *comparison;
    size_t capacity;
} warner;

static const thaw_report *report_of(const warner *w, size_t i)
{
    return w->comparison->reports[i];
}

/* Takes the text over. */
static thaw_status add(warner *w, thaw_text *line)
{
    thaw_comparison *comparison = w->comparison;
    thaw_status status = line->failed ? thaw_fail(w->context, THAW_ERR_MEMORY, "out of memory") : THAW_OK;
    if (status == THAW_OK)
        status = thaw_reserve(w->context, &comparison->warnings, &w->capacity, comparison->warning_count + 1,
                              sizeof *comparison->warnings);
    if (status == THAW_OK)
        comparison->warnings[comparison->warning_count++] = line->data;
    else
        thaw_text_free(line);
    return status;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Says what each file has, if that is not the same everywhere: "NAME: 1.2 in A, nothing in B". */
static thaw_status compare_texts(warner *w, const char *name, const char *const *values)
{
    thaw_text line = {0};
    bool same = true;
    for (size_t i = 1; i < w->comparison->report_count; i++)
        same = same && same_text(values[0], values[i]);
    if (same)
        return THAW_OK;
    thaw_text_append(&line, "%s differs: ", name);
    for (size_t i = 0; i < w->comparison->report_count; i++)
        thaw_text_append(&line, "%s%s in %c", i ? ", " : "", values[i] ? values[i] : "nothing",
                         thaw_comparison_letter(i));
    return add(w, &line);
}

static thaw_status compare_versions(warner *w)
{
    const char *values[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < w->comparison->report_count; i++)
        values[i] = report_of(w, i)->thaw;
    return compare_texts(w, "Thaw's version", values);
}

static thaw_status compare_extent(warner *w)
{
    const char *values[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < w->comparison->report_count; i++)
        values[i] = report_of(w, i)->settings.quick ? "quick" : "full";
    return compare_texts(w, "the extent of the run", values);
}

static thaw_status compare_seeds(warner *w)
{
    char texts[THAW_COMPARISON_MOST][24];
    const char *values[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < w->comparison->report_count; i++) {
        const int64_t seed = report_of(w, i)->settings.seed;
        snprintf(texts[i], sizeof texts[i], "%lld", (long long)seed);
        values[i] = seed < 0 ? NULL : texts[i];
    }
    return compare_texts(w, "the seed", values);
}

/* Of one device there may be two drivers; two devices have two anyway. */
static thaw_status compare_drivers(warner *w)
{
    const char *values[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < w->comparison->report_count; i++) {
        if (!same_text(report_of(w, i)->device.name, report_of(w, 0)->device.name))
            return THAW_OK;
        values[i] = report_of(w, i)->device.driver;
    }
    return compare_texts(w, "the driver of the same device", values);
}

/* The same device at another pace had another clock, or other users, all the time: figures differ for that alone. */
static thaw_status compare_paces(warner *w)
{
    const double same = 0.05;
    const thaw_report *first = report_of(w, 0);
    for (size_t i = 1; i < w->comparison->report_count; i++) {
        const double ratio = report_of(w, i)->pace / first->pace;
        thaw_text line = {0};
        if (isnan(ratio) || fabs(ratio - 1) <= same || !same_text(report_of(w, i)->device.name, first->device.name))
            continue;
        thaw_text_append(&line,
                         "the pace of the device differs: in %c a known piece of work ran at %.2f of what it did in A, "
                         "throughout",
                         thaw_comparison_letter(i), ratio);
        THAW_TRY(add(w, &line));
    }
    return THAW_OK;
}

/* --- settings and libraries, which have names of their own
 * ------------------------------------------------------------ */

typedef struct pair_list {
    const thaw_report_pair *pairs;
    size_t count;
} pair_list;

static const char *value_of(const pair_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->pairs[i].name, name) == 0)
            return list->pairs[i].value;
    return NULL;
}

/* Each name once: where the first list that has it comes up. */
static thaw_status compare_pairs(warner *w, const pair_list *lists)
{
    const char *values[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < w->comparison->report_count; i++)
        for (size_t j = 0; j < lists[i].count; j++) {
            const char *name = lists[i].pairs[j].name;
            size_t first = 0;
            while (!value_of(&lists[first], name))
                first++;
            for (size_t k = 0; k < w->comparison->report_count; k++)
                values[k] = value_of(&lists[k], name);
            if (first == i)
                THAW_TRY(compare_texts(w, name, values));
        }
    return THAW_OK;
}

thaw_status thaw_comparison_warn(thaw_context *context, thaw_comparison *comparison)
{
    warner w = {.context = context, .comparison = comparison};
    pair_list environments[THAW_COMPARISON_MOST], libraries[THAW_COMPARISON_MOST];
    for (size_t i = 0; i < comparison->report_count; i++) {
        const thaw_report *report = comparison->reports[i];
        environments[i] = (pair_list){report->settings.environment, report->settings.environment_count};
        libraries[i] = (pair_list){report->libraries, report->library_count};
    }
    THAW_TRY(compare_versions(&w));
    THAW_TRY(compare_extent(&w));
    THAW_TRY(compare_seeds(&w));
    THAW_TRY(compare_drivers(&w));
    THAW_TRY(compare_paces(&w));
    THAW_TRY(compare_pairs(&w, environments));
    return compare_pairs(&w, libraries);
}
