#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure.h"
#include "report/page_parts.h"

#define NAME_BYTES 96

/* Powers of ten at which the axes begin and end; percentages of the drawing's width and height. */
typedef struct plot {
    thaw_text *page;
    const thaw_page_run *run;
    double x_from, x_to, y_from, y_to;
    char series[THAW_PAGE_SERIES][NAME_BYTES]; /* by which points are told apart */
    size_t series_count;                       /* the last takes all that are too many */
} plot;

void thaw_page_point(thaw_text *page, size_t series, const char *title)
{
    static const char *const shapes[THAW_PAGE_SERIES] = {
        "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", /* circle */
        "M-4.5 -4.5h9v9h-9z",                    /* square */
        "M0 -6l5.5 10h-11z",                     /* triangle */
        "M0 -6.5l6.5 6.5l-6.5 6.5l-6.5 -6.5z",   /* diamond */
        "M0 6l5.5 -10h-11z",                     /* triangle, head down */
        "M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",    /* cross */
        "M-6 -2.5h12v5h-12z",                    /* bar */
        "M-6 0l3 -5.2h6l3 5.2l-3 5.2h-6z",       /* hexagon */
    };
    thaw_text_append(page, "<path class=\"point s%zu\" d=\"%s\">", series, shapes[series]);
    if (title) {
        thaw_text_append(page, "<title>");
        thaw_page_text(page, title);
        thaw_text_append(page, "</title>");
    }
    thaw_text_append(page, "</path>");
}

/* --- which points ------------------------------------------------------------------------------------------------- */

static double intensity_of(const thaw_report_entry *entry)
{
    return entry->flops / entry->bytes;
}

static bool is_point(const plot *p, const thaw_report_entry *entry)
{
    return entry->status == THAW_REPORT_OK && !isnan(intensity_of(entry)) &&
           !isnan(thaw_page_flops_rate(p->run, entry));
}

static const thaw_report_entry *next_point(const plot *p, const thaw_report_entry *entry)
{
    do
        entry = thaw_page_next(p->run->report, "kernels", NULL, entry);
    while (entry && !is_point(p, entry));
    return entry;
}

/* "conv forward": the group, and the last part of the id. */
static size_t series_of(plot *p, const thaw_report_entry *entry)
{
    char name[NAME_BYTES];
    const char *dot = strrchr(entry->id, '.');
    snprintf(name, sizeof name, "%.40s %.50s", entry->group, dot ? dot + 1 : "");
    for (size_t i = 0; i < p->series_count; i++)
        if (strcmp(p->series[i], name) == 0)
            return i;
    if (p->series_count == THAW_PAGE_SERIES) {
        snprintf(p->series[THAW_PAGE_SERIES - 1], NAME_BYTES, "others");
        return THAW_PAGE_SERIES - 1;
    }
    memcpy(p->series[p->series_count], name, NAME_BYTES);
    return p->series_count++;
}

/* --- axes --------------------------------------------------------------------------------------------------------- */

static double across(const plot *p, double intensity)
{
    return 100 * (log10(intensity) - p->x_from) / (p->x_to - p->x_from);
}

static double down(const plot *p, double flops_per_second)
{
    return 100 * (p->y_to - log10(flops_per_second / 1e9)) / (p->y_to - p->y_from);
}

static void widen(double number, double *from, double *to)
{
    *from = fmin(*from, log10(number) - 0.1);
    *to = fmax(*to, log10(number) + 0.1);
}

/* Around all points, and the corner of the roof. */
static void find_axes(plot *p)
{
    const thaw_report *report = p->run->report;
    p->x_from = p->y_from = INFINITY;
    p->x_to = p->y_to = -INFINITY;
    for (const thaw_report_entry *entry = next_point(p, NULL); entry; entry = next_point(p, entry)) {
        widen(intensity_of(entry), &p->x_from, &p->x_to);
        widen(thaw_page_flops_rate(p->run, entry) / 1e9, &p->y_from, &p->y_to);
    }
    if (!isnan(report->peak_gflops))
        widen(report->peak_gflops, &p->y_from, &p->y_to);
    if (!isnan(report->peak_gflops) && !isnan(report->copy_gbs))
        widen(report->peak_gflops / report->copy_gbs, &p->x_from, &p->x_to);
}

/* 1, 2 and 5 of each power of ten, or only 1 where there are many of these. */
static void put_ticks(const plot *p, bool horizontal)
{
    const double from = horizontal ? p->x_from : p->y_from, to = horizontal ? p->x_to : p->y_to;
    const int most_powers = 40, between = to - from > 3.5 ? 1 : 3;
    const double power_step = fmax(1, ceil((to - from) / most_powers));
    for (double power = floor(from); power <= to; power += power_step)
        for (int i = 0; i < between; i++) {
            static const double digits[] = {1, 2, 5};
            const double number = digits[i] * pow(10, power), share = (log10(number) - from) / (to - from) * 100;
            if (share < 0 || share > 100)
                continue;
            char label[THAW_FIGURE_BYTES];
            snprintf(label, sizeof label, "%g", number);
            if (horizontal)
                thaw_text_append(p->page,
                                 "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"100%%\"/><svg "
                                 "x=\"%.2f%%\" y=\"100%%\"><text y=\"18\" text-anchor=\"middle\">%s</text></svg>\n",
                                 share, share, share, label);
            else
                thaw_text_append(p->page,
                                 "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/><text "
                                 "x=\"-8\" y=\"%.2f%%\" dy=\"4\" text-anchor=\"end\">%s</text>\n",
                                 100 - share, 100 - share, 100 - share, label);
        }
}

static void put_axis_titles(const plot *p)
{
    thaw_text_append(p->page, "<svg x=\"50%%\" y=\"100%%\"><text y=\"38\" text-anchor=\"middle\">operations per byte "
                              "(FLOP/byte)</text></svg>\n<text x=\"-8\" y=\"-6\">GFLOP/s</text>\n");
}

/* --- roof and points ---------------------------------------------------------------------------------------------- */

static void put_line(const plot *p, double x1, double y1, double x2, double y2)
{
    thaw_text_append(p->page, "<line class=\"roof\" x1=\"%.2f%%\" y1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"%.2f%%\"/>\n",
                     across(p, x1), down(p, y1), across(p, x2), down(p, y2));
}

/* Left of the corner memory limits, right of it arithmetic. The slope begins where it enters the drawing. */
static void put_roof(const plot *p)
{
    const double peak = p->run->report->peak_gflops * 1e9, copy = p->run->report->copy_gbs * 1e9;
    if (isnan(peak))
        return;
    double corner = pow(10, p->x_from);
    if (!isnan(copy)) {
        corner = peak / copy;
        const double left = fmax(pow(10, p->x_from), pow(10, p->y_from) * 1e9 / copy);
        put_line(p, left, left * copy, corner, peak);
    }
    put_line(p, corner, peak, pow(10, p->x_to), peak);
}

static void put_points(plot *p)
{
    char title[THAW_REPORT_ID_BYTES + 160];
    for (const thaw_report_entry *entry = next_point(p, NULL); entry; entry = next_point(p, entry)) {
        const double rate = thaw_page_flops_rate(p->run, entry);
        snprintf(title, sizeof title, "%s: %s GFLOP/s, %s FLOP/byte%s%.60s", entry->id, thaw_figure_of(rate / 1e9).text,
                 thaw_figure_of(intensity_of(entry)).text, entry->algorithm ? ", " : "",
                 entry->algorithm ? entry->algorithm : "");
        thaw_text_append(p->page, "<svg x=\"%.2f%%\" y=\"%.2f%%\">", across(p, intensity_of(entry)), down(p, rate));
        thaw_page_point(p->page, series_of(p, entry), title);
        thaw_text_append(p->page, "</svg>\n");
    }
}

static void put_legend(const plot *p)
{
    const thaw_report *report = p->run->report;
    thaw_text_append(p->page, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < p->series_count; i++) {
        thaw_text_append(p->page, "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><g "
                                  "transform=\"translate(7 7)\">");
        thaw_page_point(p->page, i, NULL);
        thaw_text_append(p->page, "</g></svg>");
        thaw_page_text(p->page, p->series[i]);
        thaw_text_append(p->page, "</li>\n");
    }
    if (!isnan(report->peak_gflops))
        thaw_text_append(p->page,
                         "<li><svg width=\"22\" height=\"14\" aria-hidden=\"true\"><line class=\"roof\" x2=\"22\" "
                         "y1=\"7\" y2=\"7\"/></svg>measured: %s GFLOP/s%s%s%s</li>\n",
                         thaw_figure_of(report->peak_gflops).text, isnan(report->copy_gbs) ? "" : ", copying ",
                         thaw_figure_of(report->copy_gbs).text, isnan(report->copy_gbs) ? "" : " GB/s");
    thaw_text_append(p->page, "</ul>\n");
}

bool thaw_page_has_roofline(const thaw_page_run *run)
{
    const plot p = {.run = run};
    return next_point(&p, NULL);
}

void thaw_page_roofline(thaw_text *page, const thaw_page_run *run)
{
    plot p = {.page = page, .run = run};
    find_axes(&p);
    thaw_text_append(
        page, "<section id=\"roofline\">\n<h2>Roofline</h2>\n<p>Each kernel by how much it computes for a byte that it "
              "must move at least, and how fast it does so. Under the slope memory limits it, under the "
              "level line arithmetic. Points lie above where an algorithm needs fewer operations than are "
              "counted (Winograd), or where data stays in caches. The tables below have the same "
              "figures.</p>\n<figure>\n<div class=\"plot\"><svg role=\"img\" "
              "aria-labelledby=\"roof-title roof-text\"><title id=\"roof-title\">Roofline</title><desc "
              "id=\"roof-text\">Operations per byte against operations per second of each kernel, both "
              "logarithmic, with the limits that were measured. The figures are in the tables of the "
              "section kernels.</desc>\n");
    put_ticks(&p, true);
    put_ticks(&p, false);
    put_axis_titles(&p);
    put_roof(&p);
    put_points(&p);
    thaw_text_append(page, "</svg></div>\n");
    put_legend(&p);
    thaw_text_append(page, "%s</figure>\n</section>\n",
                     isnan(run->report->peak_gflops)
                         ? "<p class=\"faint\">The device's peak was not measured in this run: there is no roof.</p>\n"
                         : "");
}
