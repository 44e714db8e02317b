#include <math.h>
#include <string.h>

#include "report/figure.h"
#include "report/page_parts.h"

static const char *name_of(const thaw_report_entry *entry)
{
    return entry->title ? entry->title : entry->id;
}

static bool is_drawn(const thaw_report_entry *entry, const char *unit)
{
    return entry->status == THAW_REPORT_OK && strcmp(entry->unit, unit) == 0;
}

static double longest(const thaw_report *report, const char *section, const char *group, const char *unit)
{
    double most = 0;
    for (const thaw_report_entry *entry = thaw_page_next(report, section, group, NULL); entry;
         entry = thaw_page_next(report, section, group, entry))
        if (is_drawn(entry, unit))
            most = fmax(most, isnan(entry->high) ? entry->value : fmax(entry->value, entry->high));
    return most;
}

static void put_interval(thaw_text *page, double low, double high)
{
    thaw_text_append(page,
                     "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"9\" y2=\"9\"/><line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"5\" "
                     "y2=\"13\"/><line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"5\" y2=\"13\"/>",
                     low, high, low, low, high, high);
}

static void put_bar(thaw_text *page, const thaw_report_entry *entry, double most)
{
    const bool interval = !isnan(entry->low) && !isnan(entry->high);
    thaw_text_append(page, "<div class=\"bar\"><span class=\"name\">");
    thaw_page_text(page, name_of(entry));
    thaw_page_flags(page, entry);
    thaw_text_append(page, "</span><svg role=\"img\" width=\"100%%\" height=\"18\"><title>");
    thaw_page_text(page, entry->id);
    thaw_text_append(page, ": %s ", thaw_figure_of(entry->value).text);
    thaw_page_text(page, entry->unit);
    if (interval)
        thaw_text_append(page, ", 95 %% interval %s to ", thaw_figure_of(entry->low).text);
    thaw_text_append(page, "%s</title><rect width=\"%.2f%%\" y=\"2\" height=\"14\" rx=\"2\"/>",
                     interval ? thaw_figure_of(entry->high).text : "", 100 * entry->value / most);
    if (interval)
        put_interval(page, 100 * entry->low / most, 100 * entry->high / most);
    thaw_text_append(page, "</svg><span class=\"figure\">%s</span></div>\n", thaw_figure_of(entry->value).text);
}

static void put_chart(thaw_text *page, const thaw_report *report, const char *section, const char *group,
                      const thaw_report_entry *first)
{
    const double most = longest(report, section, group, first->unit);
    thaw_text_append(page, "<figure><figcaption>");
    thaw_page_text(page, group);
    thaw_text_append(page, " <small>");
    thaw_page_text(page, first->unit);
    thaw_text_append(page, "%s</small></figcaption>\n", first->lower_is_better ? ", lower is better" : "");
    for (const thaw_report_entry *entry = first; entry; entry = thaw_page_next(report, section, group, entry))
        if (is_drawn(entry, first->unit))
            put_bar(page, entry, most);
    thaw_text_append(page, "</figure>\n");
}

/* What could not be measured keeps its place, with the reason in it. */
static void put_missing(thaw_text *page, const thaw_report_entry *entry)
{
    thaw_text_append(page, "<div class=\"bar\"><span class=\"name\">");
    thaw_page_text(page, name_of(entry));
    thaw_text_append(page, "</span><span class=\"none\">");
    thaw_page_badge(page, thaw_report_status_text(entry->status), thaw_report_status_text(entry->status));
    thaw_text_append(page, " ");
    thaw_page_text(page, entry->reason);
    thaw_text_append(page, "</span></div>\n");
}

static bool is_first_of_unit(const thaw_report *report, const thaw_report_entry *entry)
{
    const thaw_report_entry *other = thaw_page_next(report, entry->section, entry->group, NULL);
    while (other != entry && !is_drawn(other, entry->unit))
        other = thaw_page_next(report, entry->section, entry->group, other);
    return other == entry;
}

void thaw_page_bars(thaw_text *page, const thaw_report *report, const char *section, const char *group)
{
    bool missing = false;
    for (const thaw_report_entry *entry = thaw_page_next(report, section, group, NULL); entry;
         entry = thaw_page_next(report, section, group, entry)) {
        missing = missing || entry->status != THAW_REPORT_OK;
        if (entry->status == THAW_REPORT_OK && is_first_of_unit(report, entry))
            put_chart(page, report, section, group, entry);
    }
    if (!missing)
        return;
    thaw_text_append(page, "<figure><figcaption>");
    thaw_page_text(page, group);
    thaw_text_append(page, " <small>not measured</small></figcaption>\n");
    for (const thaw_report_entry *entry = thaw_page_next(report, section, group, NULL); entry;
         entry = thaw_page_next(report, section, group, entry))
        if (entry->status != THAW_REPORT_OK)
            put_missing(page, entry);
    thaw_text_append(page, "</figure>\n");
}
