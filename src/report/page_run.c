/* The page of one run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "bench/statistics.h"
#include "report/bootstrap.h"
#include "report/figure.h"
#include "report/page_facts.h"
#include "report/page_parts.h"

/* --- entries ------------------------------------------------------------------------------------------------------ */

double thaw_page_median(const thaw_page_run *run, const thaw_report_entry *entry)
{
    const double *sorted = run->sorted[entry - run->report->entries];
    return entry->sample_count ? thaw_bench_quantile(sorted, entry->sample_count, 0.5) : NAN;
}

/* The value where it is in this unit, else what a repetition counts by its time. */
static double rate_of(const thaw_page_run *run, const thaw_report_entry *entry, const char *unit, double work)
{
    if (entry->status != THAW_REPORT_OK)
        return NAN;
    return strcmp(entry->unit, unit) == 0 ? entry->value * 1e9 : work / thaw_page_median(run, entry);
}

double thaw_page_flops_rate(const thaw_page_run *run, const thaw_report_entry *entry)
{
    return rate_of(run, entry, "GFLOP/s", entry->flops);
}

double thaw_page_bytes_rate(const thaw_page_run *run, const thaw_report_entry *entry)
{
    return rate_of(run, entry, "GB/s", entry->bytes);
}

const thaw_report_entry *thaw_page_next(const thaw_report *report, const char *section, const char *group,
                                        const thaw_report_entry *previous)
{
    const thaw_report_entry *entry = previous ? previous + 1 : report->entries;
    for (; entry < report->entries + report->entry_count; entry++)
        if (strcmp(entry->section, section) == 0 && (!group || strcmp(entry->group, group) == 0))
            return entry;
    return NULL;
}

void thaw_page_each_group(const thaw_report *report, const char *section,
                          void (*call)(void *user, const char *section, const char *group), void *user)
{
    for (const thaw_report_entry *entry = thaw_page_next(report, section, NULL, NULL); entry;
         entry = thaw_page_next(report, section, NULL, entry))
        if (thaw_page_next(report, section, entry->group, NULL) == entry)
            call(user, section, entry->group);
}

/* --- head --------------------------------------------------------------------------------------------------------- */

static size_t count_status(const thaw_report *report, thaw_report_status status)
{
    size_t count = 0;
    for (size_t i = 0; i < report->entry_count; i++)
        count += report->entries[i].status == status;
    return count;
}

static size_t count_flagged(const thaw_report *report)
{
    size_t count = 0;
    for (size_t i = 0; i < report->entry_count; i++)
        count += report->entries[i].flag_count > 0;
    return count;
}

static void put_head(thaw_text *page, const thaw_report *report)
{
    char title[256];
    snprintf(title, sizeof title, "Thaw benchmark: %.200s", report->device.name);
    thaw_page_begin(page, title);
    thaw_text_append(page, "<header>\n<h1>");
    thaw_page_text(page, report->device.name);
    thaw_text_append(page, "</h1>\n<p class=\"faint\">Thaw benchmark%s", report->settings.quick ? ", quick" : "");
    if (report->started) {
        thaw_text_append(page, ", ");
        thaw_page_text(page, report->started);
    }
    if (!isnan(report->seconds))
        thaw_text_append(page, ", took %s", thaw_figure_seconds(report->seconds).text);
    thaw_text_append(page, ". %zu measured", count_status(report, THAW_REPORT_OK));
    if (count_flagged(report))
        thaw_text_append(page, ", %zu of them flagged", count_flagged(report));
    for (int i = THAW_REPORT_OK + 1; i < THAW_REPORT_STATUS_COUNT; i++)
        if (count_status(report, (thaw_report_status)i))
            thaw_text_append(page, ", %zu %s", count_status(report, (thaw_report_status)i),
                             thaw_report_status_text((thaw_report_status)i));
    thaw_text_append(page, ".</p>\n");
}

static bool is_first_of_section(const thaw_report *report, const thaw_report_entry *entry)
{
    return thaw_page_next(report, entry->section, NULL, NULL) == entry;
}

static void put_navigation(thaw_text *page, const thaw_page_run *run)
{
    const thaw_report *report = run->report;
    thaw_text_append(page, "<nav>%s", thaw_page_has_roofline(run) ? "<a href=\"#roofline\">roofline</a>" : "");
    for (size_t i = 0; i < report->entry_count; i++)
        if (is_first_of_section(report, &report->entries[i])) {
            thaw_text_append(page, "<a href=\"#section-%zu\">", i);
            thaw_page_text(page, report->entries[i].section);
            thaw_text_append(page, "</a>");
        }
    thaw_text_append(page, "</nav>\n</header>\n");
}

/* Results that were wrong, before anything that is right. */
static void put_wrong(thaw_text *page, const thaw_report *report)
{
    const size_t count = count_status(report, THAW_REPORT_WRONG) + count_status(report, THAW_REPORT_FAILED);
    if (count == 0)
        return;
    thaw_text_append(page, "<div class=\"notice\"><p><b>%zu wrong or failed.</b> A wrong result has no time.</p><ul>\n",
                     count);
    for (size_t i = 0; i < report->entry_count; i++) {
        const thaw_report_entry *entry = &report->entries[i];
        if (entry->status != THAW_REPORT_WRONG && entry->status != THAW_REPORT_FAILED)
            continue;
        thaw_text_append(page, "<li><code>");
        thaw_page_text(page, entry->id);
        thaw_text_append(page, "</code> %s: ", thaw_report_status_text(entry->status));
        thaw_page_text(page, entry->reason);
        thaw_text_append(page, "</li>\n");
    }
    thaw_text_append(page, "</ul></div>\n");
}

/* Each flag that occurs, in words. */
static void put_flags(thaw_text *page, const thaw_report *report)
{
    static const char *const known[] = {"spread", "above_peak", "clock_moved", "few_samples"};
    if (count_flagged(report) == 0)
        return;
    thaw_text_append(page, "<div class=\"notice mild\"><p><b>%zu flagged.</b> Read these with care:</p><ul>\n",
                     count_flagged(report));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t count = 0;
        for (size_t j = 0; j < report->entry_count; j++)
            for (size_t k = 0; k < report->entries[j].flag_count; k++)
                count += strcmp(report->entries[j].flags[k], known[i]) == 0;
        if (count)
            thaw_text_append(page, "<li>%zu <span class=\"badge flag\">%s</span> %s</li>\n", count, known[i],
                             thaw_page_flag_meaning(known[i]));
    }
    thaw_text_append(page, "</ul></div>\n");
}

/* --- sections ----------------------------------------------------------------------------------------------------- */

typedef struct section_page {
    thaw_text *page;
    const thaw_page_run *run;
} section_page;

static void put_bars(void *user, const char *section, const char *group)
{
    const section_page *s = user;
    thaw_page_bars(s->page, s->run->report, section, group);
}

static void put_table(void *user, const char *section, const char *group)
{
    const section_page *s = user;
    thaw_text_append(s->page, "<h3>");
    thaw_page_text(s->page, group);
    thaw_text_append(s->page, "</h3>\n");
    thaw_page_table(s->page, s->run, section, group);
}

/* Kernels are too many for bars; the roofline has them. */
static void put_section(thaw_text *page, const thaw_page_run *run, size_t first)
{
    const char *section = run->report->entries[first].section;
    section_page user = {page, run};
    thaw_text_append(page, "<section>\n<h2 id=\"section-%zu\">", first);
    thaw_page_text(page, section);
    thaw_text_append(page, "</h2>\n");
    if (strcmp(section, "kernels") != 0) {
        thaw_text_append(page, "<div class=\"bars\">\n");
        thaw_page_each_group(run->report, section, put_bars, &user);
        thaw_text_append(page, "</div>\n");
    }
    thaw_page_each_group(run->report, section, put_table, &user);
    thaw_text_append(page, "</section>\n");
}

/* Of sections as a whole: those that could not run have no entry that would say it. */
static void put_incomplete(thaw_text *page, const thaw_report *report)
{
    bool first = true;
    for (size_t i = 0; i < report->section_count; i++) {
        const thaw_report_section *section = &report->sections[i];
        if (strcmp(section->status, "ok") == 0)
            continue;
        thaw_text_append(page, first ? "<div class=\"notice mild\"><p><b>Not everything ran.</b></p><ul>\n" : "");
        first = false;
        thaw_text_append(page, "<li>");
        thaw_page_text(page, section->name);
        thaw_text_append(page, " is ");
        thaw_page_text(page, section->status);
        thaw_text_append(page, ": ");
        thaw_page_text(page, section->reason);
        thaw_text_append(page, "</li>\n");
    }
    thaw_text_append(page, first ? "" : "</ul></div>\n");
}

static void put_page(thaw_text *page, const thaw_page_run *run)
{
    const thaw_report *report = run->report;
    put_head(page, report);
    put_navigation(page, run);
    thaw_text_append(page, "<main>\n");
    put_wrong(page, report);
    put_incomplete(page, report);
    put_flags(page, report);
    thaw_page_facts(page, report);
    if (thaw_page_has_roofline(run))
        thaw_page_roofline(page, run);
    for (size_t i = 0; i < report->entry_count; i++)
        if (is_first_of_section(report, &report->entries[i]))
            put_section(page, run, i);
    thaw_text_append(page,
                     "</main>\n<footer><p>Figures are medians, with 95 %% intervals of the median. In the drawings "
                     "of repetitions each dot is one of them, in the order of measuring from top to bottom; the "
                     "box is the middle half, the line the median, a triangle at the edge one that is farther "
                     "away. What was not measured is left out, never zero. docs/benchmark.md tells how each "
                     "figure is made.</p></footer>\n");
    thaw_page_end(page);
}

static void free_run(thaw_page_run *run)
{
    for (size_t i = 0; run->sorted && i < run->report->entry_count; i++)
        free(run->sorted[i]);
    free(run->sorted);
}

thaw_status thaw_report_write_html(thaw_context *context, const thaw_report *report, const char *path)
{
    thaw_page_run run = {.report = report};
    thaw_text page = {0};
    thaw_status status = thaw_allocate(context, report->entry_count, sizeof *run.sorted, &run.sorted);
    for (size_t i = 0; i < report->entry_count && status == THAW_OK; i++)
        status = thaw_sorted_copy(context, report->entries[i].samples, report->entries[i].sample_count, &run.sorted[i]);
    if (status == THAW_OK)
        put_page(&page, &run);
    free_run(&run);
    return status == THAW_OK ? thaw_page_write(context, &page, path) : status;
}
