/* A comparison for the terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/text.h"
#include "report/compare.h"
#include "report/figure.h"

#define NAME_WIDTH   72 /* longer ids push their line to the right */
#define FIGURE_WIDTH 10
#define UNIT_WIDTH   9
#define RATIO_WIDTH  24

const char thaw_comparison_method[] =
    "Ratios are to A, above 1 is better. The interval, of 95 %, is that of the ratio of the two medians, by the "
    "percentile bootstrap with 2000 resamples of both runs' rounds and of their samples: it knows of what varied "
    "within these runs, not of what would "
    "vary from run to run.";

char thaw_comparison_letter(size_t index)
{
    return (char)('A' + index);
}

thaw_verdict thaw_comparison_verdict(const thaw_comparison_cell *cell)
{
    if (isnan(cell->low))
        return THAW_VERDICT_NONE;
    if (cell->low > 1)
        return THAW_VERDICT_BETTER;
    return cell->high < 1 ? THAW_VERDICT_WORSE : THAW_VERDICT_OPEN;
}

size_t thaw_comparison_verdict_count(const thaw_comparison *comparison, size_t file, thaw_verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < comparison->row_count; i++)
        count += !isnan(comparison->rows[i].cells[file].ratio) &&
                 thaw_comparison_verdict(&comparison->rows[i].cells[file]) == verdict;
    return count;
}

static void put_files(thaw_text *text, const thaw_comparison *comparison)
{
    for (size_t i = 0; i < comparison->report_count; i++) {
        const thaw_report *report = comparison->reports[i];
        thaw_text_append(text, "%c  %s: %s, thaw %s%s%s%s\n", thaw_comparison_letter(i), report->path,
                         report->device.name, report->thaw, report->started ? ", " : "",
                         report->started ? report->started : "", report->settings.quick ? ", quick" : "");
    }
    for (size_t i = 0; i < comparison->warning_count; i++)
        thaw_text_append(text, "warning: %s\n", comparison->warnings[i]);
}

static int name_width(const thaw_comparison *comparison)
{
    size_t width = 2;
    for (size_t i = 0; i < comparison->row_count; i++)
        if (comparison->rows[i].compared && strlen(comparison->rows[i].id) > width)
            width = strlen(comparison->rows[i].id);
    return (int)(width < NAME_WIDTH ? width : NAME_WIDTH);
}

static void put_heading(thaw_text *text, const thaw_comparison *comparison, int width)
{
    thaw_text_append(text, "\n%-*s", width, "id");
    for (size_t i = 0; i < comparison->report_count; i++)
        thaw_text_append(text, " %*c", FIGURE_WIDTH, thaw_comparison_letter(i));
    thaw_text_append(text, "  %-*s", UNIT_WIDTH, "unit");
    for (size_t i = 1; i < comparison->report_count; i++)
        thaw_text_append(text, "  %c/A%*s", thaw_comparison_letter(i), RATIO_WIDTH - 3, "");
    thaw_text_append(text, "\n");
}

static void put_ratio(thaw_text *text, const thaw_comparison_cell *cell)
{
    static const char signs[] = {' ', '+', '-', '~'};
    char ratio[4 * THAW_FIGURE_BYTES] = "";
    if (!isnan(cell->low))
        snprintf(ratio, sizeof ratio, "%s [%s, %s] %c", thaw_figure_ratio(cell->ratio).text,
                 thaw_figure_ratio(cell->low).text, thaw_figure_ratio(cell->high).text,
                 signs[thaw_comparison_verdict(cell)]);
    else if (!isnan(cell->ratio))
        snprintf(ratio, sizeof ratio, "%s [none]", thaw_figure_ratio(cell->ratio).text);
    thaw_text_append(text, "  %-*s", RATIO_WIDTH, ratio);
}

static void put_row(thaw_text *text, const thaw_comparison *comparison, const thaw_comparison_row *row, int width)
{
    thaw_text_append(text, "%-*s", width, row->id);
    for (size_t i = 0; i < comparison->report_count; i++) {
        const thaw_report_entry *entry = row->cells[i].entry;
        const bool measured = entry && entry->status == THAW_REPORT_OK;
        thaw_text_append(text, " %*s", FIGURE_WIDTH, measured ? thaw_figure_of(entry->value).text : "-");
    }
    thaw_text_append(text, "  %-*s", UNIT_WIDTH, row->unit);
    for (size_t i = 1; i < comparison->report_count; i++)
        put_ratio(text, &row->cells[i]);
    thaw_text_append(text, "%s%s\n", row->note[0] ? "  " : "", row->note);
}

/* All that was not or only partly compared, with the reasons: nothing is left out in silence. */
static void put_reasons(thaw_text *text, const thaw_comparison *comparison)
{
    bool first = true;
    for (size_t i = 0; i < comparison->row_count; i++) {
        const thaw_comparison_row *row = &comparison->rows[i];
        const char *between = ": ";
        for (size_t j = 0; j < comparison->report_count; j++) {
            if (!row->cells[j].reason[0])
                continue;
            if (between[0] == ':')
                thaw_text_append(text, "%s  %s", first ? "\nnot compared, or without an interval:\n" : "\n", row->id);
            thaw_text_append(text, "%s%c: %s", between, thaw_comparison_letter(j), row->cells[j].reason);
            between = "; ";
            first = false;
        }
    }
    thaw_text_append(text, first ? "" : "\n");
}

static void put_summary(thaw_text *text, const thaw_comparison *comparison)
{
    thaw_text_append(text, "\n");
    for (size_t i = 1; i < comparison->report_count; i++)
        thaw_text_append(text, "%c against A: %zu better, %zu worse, %zu open, %zu without an interval\n",
                         thaw_comparison_letter(i), thaw_comparison_verdict_count(comparison, i, THAW_VERDICT_BETTER),
                         thaw_comparison_verdict_count(comparison, i, THAW_VERDICT_WORSE),
                         thaw_comparison_verdict_count(comparison, i, THAW_VERDICT_OPEN),
                         thaw_comparison_verdict_count(comparison, i, THAW_VERDICT_NONE));
    thaw_text_append(text, "%s + and - mark intervals that leave 1 out, ~ those that don't.\n", thaw_comparison_method);
}

thaw_status thaw_comparison_text(thaw_context *context, const thaw_comparison *comparison, char **text)
{
    thaw_text made = {0};
    const int width = name_width(comparison);
    put_files(&made, comparison);
    put_heading(&made, comparison, width);
    for (size_t i = 0; i < comparison->row_count; i++)
        if (comparison->rows[i].compared)
            put_row(&made, comparison, &comparison->rows[i], width);
    put_reasons(&made, comparison);
    put_summary(&made, comparison);
    *text = made.data;
    if (!made.failed)
        return THAW_OK;
    thaw_text_free(&made);
    *text = NULL;
    return thaw_fail(context, THAW_ERR_MEMORY, "out of memory");
}
