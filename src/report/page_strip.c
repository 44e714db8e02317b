#include <math.h>

#include "bench/statistics.h"
#include "report/figure.h"
#include "report/page_parts.h"

#define WIDTH     170.0
#define HEIGHT    30.0
#define MARGIN    5.0
#define MOST_DOTS 300 /* more would be a blot, and a long file */

double thaw_page_strip_range(const thaw_page_run *run, const char *section, const char *group)
{
    static const double ranges[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5};
    double widest = 0;
    for (const thaw_report_entry *entry = thaw_page_next(run->report, section, group, NULL); entry;
         entry = thaw_page_next(run->report, section, group, entry)) {
        const double *sorted = run->sorted[entry - run->report->entries];
        if (entry->sample_count == 0)
            continue;
        const double median = thaw_bench_quantile(sorted, entry->sample_count, 0.5);
        widest = fmax(widest, thaw_bench_quantile(sorted, entry->sample_count, 0.9) / median - 1);
        widest = fmax(widest, 1 - thaw_bench_quantile(sorted, entry->sample_count, 0.1) / median);
    }
    size_t i = 0;
    while (i < sizeof ranges / sizeof ranges[0] - 1 && ranges[i] < widest)
        i++;
    return ranges[i];
}

/* Where a time lies, from the left margin to the right one; what is beyond them is at their edge. */
static double place(double seconds, double median, double range)
{
    const double share = (seconds / median - 1) / range;
    return WIDTH / 2 + (WIDTH / 2 - MARGIN) * fmax(-1, fmin(1, share));
}

static bool is_beyond(double seconds, double median, double range)
{
    return fabs(seconds / median - 1) > range;
}

static double height_of(size_t i, size_t count)
{
    return count < 2 ? HEIGHT / 2 : MARGIN + (HEIGHT - 2 * MARGIN) * (double)i / (double)(count - 1);
}

static void put_dots(thaw_text *page, const thaw_report_entry *entry, double median, double range)
{
    const size_t step = (entry->sample_count + MOST_DOTS - 1) / MOST_DOTS;
    thaw_text_append(page, "<path class=\"dots\" d=\"");
    for (size_t i = 0; i < entry->sample_count; i += step)
        if (!is_beyond(entry->samples[i], median, range))
            thaw_text_append(page, "M%.1f %.1fh0", place(entry->samples[i], median, range),
                             height_of(i, entry->sample_count));
    thaw_text_append(page, "\"/><path class=\"beyond\" d=\"");
    for (size_t i = 0; i < entry->sample_count; i += step)
        if (is_beyond(entry->samples[i], median, range))
            thaw_text_append(page, "M%.1f %.1fl%d 3l0 -6z", place(entry->samples[i], median, range),
                             height_of(i, entry->sample_count), entry->samples[i] > median ? -5 : 5);
    thaw_text_append(page, "\"/>");
}

void thaw_page_strip(thaw_text *page, const thaw_page_run *run, const thaw_report_entry *entry, double range)
{
    const double *sorted = run->sorted[entry - run->report->entries];
    const size_t count = entry->sample_count;
    if (count == 0)
        return;
    const double median = thaw_bench_quantile(sorted, count, 0.5);
    const double left = place(thaw_bench_quantile(sorted, count, 0.25), median, range);
    const double right = place(thaw_bench_quantile(sorted, count, 0.75), median, range);
    thaw_text_append(page,
                     "<svg class=\"strip\" role=\"img\" width=\"%.0f\" height=\"%.0f\"><title>%zu repetitions: "
                     "median %s, fastest %s, slowest %s</title>",
                     WIDTH, HEIGHT, count, thaw_figure_seconds(median).text, thaw_figure_seconds(sorted[0]).text,
                     thaw_figure_seconds(sorted[count - 1]).text);
    thaw_text_append(page, "<path class=\"grid\" d=\"M%.1f 0v%.0fM%.1f 0v%.0f\"/>", MARGIN, HEIGHT, WIDTH - MARGIN,
                     HEIGHT);
    thaw_text_append(page, "<rect class=\"box\" x=\"%.1f\" y=\"2\" width=\"%.1f\" height=\"%.0f\"/>", left,
                     fmax(right - left, 1), HEIGHT - 4);
    put_dots(page, entry, median, range);
    thaw_text_append(page, "<path class=\"middle\" d=\"M%.1f 1v%.0f\"/></svg>", WIDTH / 2, HEIGHT - 2);
}
