#include <math.h>
#include <string.h>

#include "report/figure.h"
#include "report/page_parts.h"

/* What the cells of a table need to know about it. */
typedef struct table {
    thaw_text *page;
    const thaw_page_run *run;
    const char *section, *group;
    double strip_range;
} table;

/* Writes a cell's inside, or only says whether it has one (page NULL). A column without any is left out. */
typedef struct column {
    const char *heading, *below; /* what the second line of each cell has */
    bool words;                  /* text, not numbers */
    bool (*has)(const table *t, const thaw_report_entry *entry);
    void (*put)(const table *t, const thaw_report_entry *entry);
} column;

static void put_small(const table *t, const char *before, const char *text)
{
    if (!text || !*text)
        return;
    thaw_text_append(t->page, "<small>%s", before);
    thaw_page_text(t->page, text);
    thaw_text_append(t->page, "</small>");
}

/* A share of 1 as a number and a bar. */
static void put_share(const table *t, double share, const char *of)
{
    if (isnan(share))
        return;
    thaw_text_append(t->page,
                     "<small>%s of %s<span class=\"share\"><span style=\"width:%.0f%%\"></span></span></small>",
                     thaw_figure_percent(share).text, of, 100 * fmin(share, 1));
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

static bool has_value(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->value);
}

static void put_value(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "<b>%s</b> ", thaw_figure_of(entry->value).text);
    thaw_page_text(t->page, entry->unit);
    if (!isnan(entry->low) && !isnan(entry->high))
        thaw_text_append(t->page, "<small>%s to %s</small>", thaw_figure_of(entry->low).text,
                         thaw_figure_of(entry->high).text);
}

static bool has_samples(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return entry->sample_count > 0;
}

static void put_samples(const table *t, const thaw_report_entry *entry)
{
    thaw_page_strip(t->page, t->run, entry, t->strip_range);
    thaw_text_append(t->page, "<small>n = %zu", entry->sample_count);
    if (!isnan(entry->spread))
        thaw_text_append(t->page, ", spread %s", thaw_figure_percent(entry->spread).text);
    thaw_text_append(t->page, "</small>");
}

static void put_time(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "%s", thaw_figure_seconds(thaw_page_median(t->run, entry)).text);
    put_small(t, "", entry->timer);
}

/* Is a rate that the value does not say itself, or what it is of the most, worth a cell? Not of the device itself: what
 * is moved there may lie in a cache or in the host's memory. */
static bool has_rate(const table *t, const thaw_report_entry *entry, double rate, const char *unit, double most)
{
    return strcmp(t->section, "device") != 0 && !isnan(rate) && !(strcmp(entry->unit, unit) == 0 && isnan(most));
}

static void put_rate(const table *t, const thaw_report_entry *entry, double rate, const char *unit)
{
    if (strcmp(entry->unit, unit) != 0)
        thaw_text_append(t->page, "%s %s", thaw_figure_of(rate).text, unit);
}

static bool has_flops_rate(const table *t, const thaw_report_entry *entry)
{
    return has_rate(t, entry, thaw_page_flops_rate(t->run, entry), "GFLOP/s", t->run->report->peak_gflops);
}

static void put_flops_rate(const table *t, const thaw_report_entry *entry)
{
    const double gflops = thaw_page_flops_rate(t->run, entry) / 1e9;
    put_rate(t, entry, gflops, "GFLOP/s");
    put_share(t, gflops / t->run->report->peak_gflops, "peak");
}

static bool has_bytes_rate(const table *t, const thaw_report_entry *entry)
{
    return has_rate(t, entry, thaw_page_bytes_rate(t->run, entry), "GB/s", t->run->report->copy_gbs);
}

static void put_bytes_rate(const table *t, const thaw_report_entry *entry)
{
    const double gbs = thaw_page_bytes_rate(t->run, entry) / 1e9;
    put_rate(t, entry, gbs, "GB/s");
    put_share(t, gbs / t->run->report->copy_gbs, "copy");
}

static bool has_work(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->flops) || !isnan(entry->bytes);
}

static void put_work(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "%s", thaw_figure_flops(entry->flops).text);
    put_small(t, "", thaw_figure_bytes(entry->bytes).text);
}

static bool has_batch(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->batch);
}

static void put_batch(const table *t, const thaw_report_entry *entry)
{
    if (!isnan(entry->batch))
        thaw_text_append(t->page, "%.0f", entry->batch);
}

static bool has_algorithm(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return entry->algorithm;
}

static void put_algorithm(const table *t, const thaw_report_entry *entry)
{
    thaw_page_text(t->page, entry->algorithm);
}

static bool has_error(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->error);
}

static void put_error(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "%.2g", entry->error);
    if (!isnan(entry->tolerance))
        thaw_text_append(t->page, "<small>of %.2g</small>", entry->tolerance);
}

static bool has_memory(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->peak_device_bytes) || !isnan(entry->process_bytes);
}

static void put_memory(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "%s", thaw_figure_bytes(entry->peak_device_bytes).text);
    put_small(t, "", thaw_figure_bytes(entry->process_bytes).text);
}

static bool has_energy(const table *t, const thaw_report_entry *entry)
{
    (void)t;
    return !isnan(entry->energy_joules);
}

static void put_energy(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "%s J", thaw_figure_of(entry->energy_joules).text);
    if (!isnan(entry->batch))
        thaw_text_append(t->page, "<small>%s J an image</small>",
                         thaw_figure_of(entry->energy_joules / entry->batch).text);
}

static const column columns[] = {
    {"median", "95 % interval", false, has_value, put_value},
    {"repetitions", "how many, and their spread", false, has_samples, put_samples},
    {"time", "timer", false, has_samples, put_time},
    {"arithmetic", "share of the peak", false, has_flops_rate, put_flops_rate},
    {"memory", "share of copying", false, has_bytes_rate, put_bytes_rate},
    {"work", "operations, bytes", false, has_work, put_work},
    {"batch", "", false, has_batch, put_batch},
    {"algorithm", "", true, has_algorithm, put_algorithm},
    {"largest error", "allowed", false, has_error, put_error},
    {"memory in use", "device, process", false, has_memory, put_memory},
    {"energy", "", false, has_energy, put_energy},
};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

/* --- the table ---------------------------------------------------------------------------------------------------- */

static size_t find_columns(const table *t, bool shown[COLUMN_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        shown[i] = false;
        for (const thaw_report_entry *entry = thaw_page_next(t->run->report, t->section, t->group, NULL);
             entry && !shown[i]; entry = thaw_page_next(t->run->report, t->section, t->group, entry))
            shown[i] = columns[i].has(t, entry);
        count += shown[i];
    }
    return count;
}

static void put_head(const table *t, const bool shown[COLUMN_COUNT])
{
    thaw_text_append(t->page, "<thead><tr><th scope=\"col\">measurement</th>");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (!shown[i])
            continue;
        thaw_text_append(t->page, "<th scope=\"col\"%s>%s", columns[i].words ? " class=\"words\"" : "",
                         columns[i].heading);
        if (columns[i].has == has_samples && columns[i].put == put_samples)
            thaw_text_append(t->page, " <small>median \302\261%.0f\302\240%%</small>", 100 * t->strip_range);
        put_small(t, "", columns[i].below);
        thaw_text_append(t->page, "</th>");
    }
    thaw_text_append(t->page, "</tr></thead>\n");
}

static void put_name(const table *t, const thaw_report_entry *entry)
{
    thaw_text_append(t->page, "<tr><th scope=\"row\">");
    thaw_page_title(t->page, entry->title);
    thaw_page_flags(t->page, entry);
    thaw_page_id(t->page, entry->id);
    thaw_text_append(t->page, "</th>");
}

static void put_cells(const table *t, const bool shown[COLUMN_COUNT], const thaw_report_entry *entry)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (!shown[i])
            continue;
        thaw_text_append(t->page, "<td%s>", columns[i].words ? " class=\"words\"" : "");
        if (columns[i].has(t, entry))
            columns[i].put(t, entry);
        thaw_text_append(t->page, "</td>");
    }
}

/* Across the whole row, so that it is read without scrolling. */
static void put_reason(const table *t, size_t column_count, const thaw_report_entry *entry)
{
    const char *status = thaw_report_status_text(entry->status);
    thaw_text_append(t->page, "<td class=\"words\" colspan=\"%zu\"><div class=\"reason\">", column_count);
    thaw_page_badge(t->page, status, status);
    thaw_text_append(t->page, " ");
    thaw_page_text(t->page, entry->reason);
    if (!isnan(entry->error) && !isnan(entry->tolerance))
        thaw_text_append(t->page, " (largest error %.2g, allowed %.2g)", entry->error, entry->tolerance);
    thaw_text_append(t->page, "</div></td>");
}

void thaw_page_table(thaw_text *page, const thaw_page_run *run, const char *section, const char *group)
{
    const table t = {page, run, section, group, thaw_page_strip_range(run, section, group)};
    bool shown[COLUMN_COUNT];
    size_t column_count = find_columns(&t, shown);
    shown[0] = true; /* for the reasons, if nothing else */
    column_count = column_count ? column_count : 1;
    thaw_text_append(page, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    thaw_page_text(page, group);
    thaw_text_append(page, "\"><table>\n");
    put_head(&t, shown);
    thaw_text_append(page, "<tbody>\n");
    for (const thaw_report_entry *entry = thaw_page_next(run->report, section, group, NULL); entry;
         entry = thaw_page_next(run->report, section, group, entry)) {
        put_name(&t, entry);
        if (entry->status == THAW_REPORT_OK)
            put_cells(&t, shown, entry);
        else
            put_reason(&t, column_count, entry);
        thaw_text_append(page, "</tr>\n");
    }
    thaw_text_append(page, "</tbody></table></div>\n");
}
