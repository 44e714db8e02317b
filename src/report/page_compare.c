/* The page of a comparison. */
#include <math.h>
#include <string.h>

#include "base/context.h"
#include "report/compare.h"
#include "report/figure.h"
#include "report/page_facts.h"
#include "report/page_parts.h"

#define WIDTH       190.0
#define LINE_HEIGHT 16.0
#define LEAST_RANGE 1.05 /* drawings reach from 1 / range to range */
#define MOST_RANGE  100.0

typedef struct compared_page {
    thaw_text *page;
    const thaw_comparison *comparison;
    double range;
} compared_page;

static const thaw_report_entry *first_entry(const compared_page *p, const thaw_comparison_row *row)
{
    size_t i = 0;
    while (i < p->comparison->report_count - 1 && !row->cells[i].entry)
        i++;
    return row->cells[i].entry;
}

/* --- head --------------------------------------------------------------------------------------------------------- */

static void put_file(const compared_page *p, size_t i)
{
    const thaw_report *report = p->comparison->reports[i];
    thaw_text_append(p->page, "<div class=\"card\"><h2><svg width=\"14\" height=\"14\" aria-hidden=\"true\" "
                              "style=\"display:inline\"><g transform=\"translate(7 8)\">");
    thaw_page_point(p->page, i, NULL);
    thaw_text_append(p->page, "</g></svg> %c: ", thaw_comparison_letter(i));
    thaw_page_text(p->page, report->device.name);
    thaw_text_append(p->page, "</h2><dl>\n");
    thaw_page_fact(p->page, "file", report->path);
    thaw_page_fact(p->page, "platform", report->device.platform);
    thaw_page_fact(p->page, "driver", report->device.driver);
    thaw_page_fact(p->page, "thaw", report->thaw);
    thaw_page_fact(p->page, "started", report->started);
    thaw_page_fact(p->page, "extent", report->settings.quick ? "quick" : "full");
    for (size_t j = 0; j < report->settings.environment_count; j++)
        thaw_page_fact(p->page, report->settings.environment[j].name, report->settings.environment[j].value);
    if (i > 0)
        thaw_text_append(p->page,
                         "<dt>against A</dt><dd>%zu better, %zu worse, %zu open, %zu without an interval</dd>\n",
                         thaw_comparison_verdict_count(p->comparison, i, THAW_VERDICT_BETTER),
                         thaw_comparison_verdict_count(p->comparison, i, THAW_VERDICT_WORSE),
                         thaw_comparison_verdict_count(p->comparison, i, THAW_VERDICT_OPEN),
                         thaw_comparison_verdict_count(p->comparison, i, THAW_VERDICT_NONE));
    thaw_text_append(p->page, "</dl></div>\n");
}

static void put_warnings(const compared_page *p)
{
    if (p->comparison->warning_count == 0)
        return;
    thaw_text_append(p->page, "<div class=\"notice mild\"><p><b>Not all is equal.</b></p><ul>\n");
    for (size_t i = 0; i < p->comparison->warning_count; i++) {
        thaw_text_append(p->page, "<li>");
        thaw_page_text(p->page, p->comparison->warnings[i]);
        thaw_text_append(p->page, "</li>\n");
    }
    thaw_text_append(p->page, "</ul></div>\n");
}

/* --- drawings ----------------------------------------------------------------------------------------------------- */

static void widen(double *range, double ratio)
{
    if (!isnan(ratio))
        *range = fmin(MOST_RANGE, fmax(*range, fmax(ratio, 1 / ratio)));
}

/* One scale for all rows, so that they can be held against each other. */
static double find_range(const thaw_comparison *comparison)
{
    double range = LEAST_RANGE;
    for (size_t i = 0; i < comparison->row_count; i++)
        for (size_t j = 1; j < comparison->report_count; j++) {
            widen(&range, comparison->rows[i].cells[j].ratio);
            widen(&range, comparison->rows[i].cells[j].low);
            widen(&range, comparison->rows[i].cells[j].high);
        }
    return range;
}

/* Pixels from the left; ratios are drawn by their logarithms. */
static double place(const compared_page *p, double ratio)
{
    const double share = fmax(-1, fmin(1, log(ratio) / log(p->range)));
    return WIDTH / 2 + (WIDTH / 2 - 7) * share;
}

static void put_drawing(const compared_page *p, const thaw_comparison_row *row)
{
    const double height = LINE_HEIGHT * (double)(p->comparison->report_count - 1);
    thaw_text_append(p->page, "<td><svg class=\"ratio\" role=\"img\" width=\"%.0f\" height=\"%.0f\"><title>", WIDTH,
                     height);
    thaw_page_text(p->page, row->id);
    thaw_text_append(p->page, ": ratios to A</title><path class=\"grid\" d=\"M%.1f 0v%.0f\"/>", WIDTH / 2, height);
    for (size_t i = 1; i < p->comparison->report_count; i++) {
        const thaw_comparison_cell *cell = &row->cells[i];
        const double y = LINE_HEIGHT * ((double)i - 0.5);
        if (isnan(cell->ratio))
            continue;
        if (!isnan(cell->low))
            thaw_text_append(p->page, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", place(p, cell->low),
                             place(p, cell->high), y, y);
        thaw_text_append(p->page, "<g transform=\"translate(%.1f %.1f)\">", place(p, cell->ratio), y);
        thaw_page_point(p->page, i, NULL);
        thaw_text_append(p->page, "</g>");
    }
    thaw_text_append(p->page, "</svg></td>");
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void put_value(const compared_page *p, const thaw_comparison_cell *cell)
{
    const thaw_report_entry *entry = cell->entry;
    thaw_text_append(p->page, "<td>");
    if (!entry) {
        thaw_text_append(p->page, "<small>none</small>");
    } else if (entry->status != THAW_REPORT_OK) {
        thaw_page_badge(p->page, thaw_report_status_text(entry->status), thaw_report_status_text(entry->status));
    } else {
        thaw_text_append(p->page, "%s ", thaw_figure_of(entry->value).text);
        thaw_page_text(p->page, entry->unit);
        if (entry->algorithm) {
            thaw_text_append(p->page, "<small>");
            thaw_page_text(p->page, entry->algorithm);
            thaw_text_append(p->page, "</small>");
        }
    }
    thaw_text_append(p->page, "</td>");
}

static void put_ratio(const compared_page *p, const thaw_comparison_cell *cell)
{
    static const char *const verdicts[] = {"", "better", "worse", "open"};
    const thaw_verdict verdict = thaw_comparison_verdict(cell);
    thaw_text_append(p->page, "<td>");
    if (!isnan(cell->ratio))
        thaw_text_append(p->page, "<b>%s</b>", thaw_figure_ratio(cell->ratio).text);
    if (!isnan(cell->low))
        thaw_text_append(p->page, " <span class=\"%s\">%s</span><small>%s to %s</small>", verdicts[verdict],
                         verdicts[verdict], thaw_figure_ratio(cell->low).text, thaw_figure_ratio(cell->high).text);
    if (cell->reason[0]) {
        thaw_text_append(p->page, "<small class=\"words\">");
        thaw_page_text(p->page, cell->reason);
        thaw_text_append(p->page, "</small>");
    }
    thaw_text_append(p->page, "</td>");
}

static void put_name(const compared_page *p, const thaw_comparison_row *row)
{
    thaw_text_append(p->page, "<tr><th scope=\"row\">");
    thaw_page_title(p->page, row->title);
    if (row->note[0])
        thaw_page_badge(p->page, "flag", row->note);
    thaw_page_id(p->page, row->id);
    thaw_text_append(p->page, "</th>");
}

static void put_table_head(const compared_page *p)
{
    const size_t count = p->comparison->report_count;
    thaw_text_append(p->page, "<thead><tr><th scope=\"col\">measurement</th>");
    for (size_t i = 1; i < count; i++)
        thaw_text_append(p->page, "<th scope=\"col\">%c to A<small>95 %% interval</small></th>",
                         thaw_comparison_letter(i));
    thaw_text_append(p->page,
                     "<th scope=\"col\"><span class=\"scale\"><span>\303\267 %s</span><span>1</span><span>\303\227 "
                     "%s</span></span></th>",
                     thaw_figure_of(p->range).text, thaw_figure_of(p->range).text);
    for (size_t i = 0; i < count; i++)
        thaw_text_append(p->page, "<th scope=\"col\">%c</th>", thaw_comparison_letter(i));
    thaw_text_append(p->page, "</tr></thead>\n");
}

static void put_section_head(const compared_page *p, const char *section)
{
    thaw_text_append(p->page, "<h2>");
    thaw_page_text(p->page, section);
    thaw_text_append(p->page, "</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    thaw_page_text(p->page, section);
    thaw_text_append(p->page, "\"><table>\n");
    put_table_head(p);
}

static void put_group(const compared_page *p, const char *group, bool first)
{
    thaw_text_append(p->page, "%s<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"%zu\">", first ? "" : "</tbody>\n",
                     2 * p->comparison->report_count + 1);
    thaw_page_text(p->page, group);
    thaw_text_append(p->page, "</th></tr>\n");
}

static void put_row(const compared_page *p, const thaw_comparison_row *row)
{
    put_name(p, row);
    for (size_t i = 1; i < p->comparison->report_count; i++)
        put_ratio(p, &row->cells[i]);
    put_drawing(p, row);
    for (size_t i = 0; i < p->comparison->report_count; i++)
        put_value(p, &row->cells[i]);
    thaw_text_append(p->page, "</tr>\n");
}

static void put_section(const compared_page *p, const char *section)
{
    const char *group = NULL;
    for (size_t i = 0; i < p->comparison->row_count; i++) {
        const thaw_comparison_row *row = &p->comparison->rows[i];
        const thaw_report_entry *entry = first_entry(p, row);
        if (!row->compared || strcmp(entry->section, section) != 0)
            continue;
        if (!group)
            put_section_head(p, section);
        if (!group || strcmp(group, entry->group) != 0)
            put_group(p, entry->group, !group);
        group = entry->group;
        put_row(p, row);
    }
    thaw_text_append(p->page, group ? "</tbody></table></div>\n" : "");
}

/* Each section once, where its first row comes up. */
static void put_sections(const compared_page *p)
{
    for (size_t i = 0; i < p->comparison->row_count; i++) {
        const char *section = first_entry(p, &p->comparison->rows[i])->section;
        size_t j = 0;
        while (strcmp(first_entry(p, &p->comparison->rows[j])->section, section) != 0)
            j++;
        if (j == i)
            put_section(p, section);
    }
}

static void put_left_out(const compared_page *p)
{
    if (p->comparison->compared_count == p->comparison->row_count)
        return;
    thaw_text_append(p->page, "<h2>Not compared</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                              "aria-label=\"not compared\"><table>\n<thead><tr><th scope=\"col\">measurement</th>");
    for (size_t i = 0; i < p->comparison->report_count; i++)
        thaw_text_append(p->page, "<th scope=\"col\" class=\"words\">%c</th>", thaw_comparison_letter(i));
    thaw_text_append(p->page, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->comparison->row_count; i++) {
        const thaw_comparison_row *row = &p->comparison->rows[i];
        if (row->compared)
            continue;
        put_name(p, row);
        for (size_t j = 0; j < p->comparison->report_count; j++) {
            const thaw_report_entry *entry = row->cells[j].entry;
            thaw_text_append(p->page, "<td class=\"words\">");
            if (entry && entry->status == THAW_REPORT_OK) {
                thaw_text_append(p->page, "%s ", thaw_figure_of(entry->value).text);
                thaw_page_text(p->page, entry->unit);
                thaw_text_append(p->page, "<br>");
            }
            thaw_page_text(p->page, row->cells[j].reason);
            thaw_text_append(p->page, "</td>");
        }
        thaw_text_append(p->page, "</tr>\n");
    }
    thaw_text_append(p->page, "</tbody></table></div>\n");
}

thaw_status thaw_comparison_write_html(thaw_context *context, const thaw_comparison *comparison, const char *path)
{
    thaw_text page = {0};
    const compared_page p = {&page, comparison, find_range(comparison)};
    thaw_page_begin(&page, "Thaw benchmarks compared");
    thaw_text_append(&page,
                     "<header>\n<h1>Thaw benchmarks compared</h1>\n<p class=\"faint\">%zu of %zu entries.</p>\n"
                     "</header>\n<main>\n<div class=\"cards\">\n",
                     comparison->compared_count, comparison->row_count);
    for (size_t i = 0; i < comparison->report_count; i++)
        put_file(&p, i);
    thaw_text_append(&page, "</div>\n");
    put_warnings(&p);
    thaw_text_append(&page,
                     "<p>%s It is better or worse where the interval leaves 1 out, and open where it does not.</p>\n",
                     thaw_comparison_method);
    put_sections(&p);
    put_left_out(&p);
    thaw_text_append(&page, "</main>\n");
    thaw_page_end(&page);
    return thaw_page_write(context, &page, path);
}
