#include "report/page_facts.h"

#include <math.h>

#include "report/figure.h"

void thaw_page_fact(thaw_text *page, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    thaw_text_append(page, "<dt>");
    thaw_page_text(page, name);
    thaw_text_append(page, "</dt><dd>");
    thaw_page_text(page, value);
    thaw_text_append(page, "</dd>\n");
}

static void put_number(thaw_text *page, const char *name, double number, const char *unit)
{
    if (!isnan(number))
        thaw_text_append(page, "<dt>%s</dt><dd>%.10g%s</dd>\n", name, number, unit);
}

static void put_pairs(thaw_text *page, const thaw_report_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        thaw_page_fact(page, pairs[i].name, pairs[i].value[0] ? pairs[i].value : "(empty)");
}

static const char *yes_or_no(int flag)
{
    return flag < 0 ? NULL : flag ? "yes" : "no";
}

static void put_device(thaw_text *page, const thaw_report *report)
{
    const thaw_report_device *device = &report->device;
    thaw_text_append(page, "<div class=\"card\"><h2>Device</h2><dl>\n");
    thaw_page_fact(page, "name", device->name);
    thaw_page_fact(page, "platform", device->platform);
    thaw_page_fact(page, "vendor", device->vendor);
    thaw_page_fact(page, "driver", device->driver);
    thaw_page_fact(page, "version", device->version);
    thaw_page_fact(page, "type", device->type);
    put_number(page, "compute units", device->compute_units, "");
    put_number(page, "clock at most", device->max_clock_mhz, " MHz");
    thaw_page_fact(page, "memory", thaw_figure_bytes(device->global_bytes).text);
    thaw_page_fact(page, "largest buffer", thaw_figure_bytes(device->max_alloc_bytes).text);
    thaw_page_fact(page, "local memory", thaw_figure_bytes(device->local_bytes).text);
    thaw_page_fact(page, "fp16 arithmetic", yes_or_no(device->fp16));
    thaw_page_fact(page, "fp64 arithmetic", yes_or_no(device->fp64));
    thaw_text_append(page, "</dl></div>\n");
}

static void put_host(thaw_text *page, const thaw_report *report)
{
    thaw_text_append(page, "<div class=\"card\"><h2>Host and libraries</h2><dl>\n");
    thaw_page_fact(page, "system", report->system);
    thaw_page_fact(page, "processor", report->processor);
    put_number(page, "threads", report->threads, "");
    thaw_page_fact(page, "thaw", report->thaw);
    thaw_page_fact(page, "host's timer", report->timer_reason);
    put_pairs(page, report->libraries, report->library_count);
    thaw_text_append(page, "</dl></div>\n");
}

static void put_settings(thaw_text *page, const thaw_report *report)
{
    const thaw_report_settings *settings = &report->settings;
    thaw_text_append(page, "<div class=\"card\"><h2>Settings</h2><dl>\n");
    thaw_page_fact(page, "extent", settings->quick ? "quick" : "full");
    if (settings->section_count) {
        thaw_text_append(page, "<dt>sections</dt><dd>");
        for (size_t i = 0; i < settings->section_count; i++) {
            thaw_text_append(page, i ? ", " : "");
            thaw_page_text(page, settings->sections[i]);
        }
        thaw_text_append(page, "</dd>\n");
    }
    thaw_page_fact(page, "filter", settings->filter);
    if (settings->repeat == 0)
        thaw_page_fact(page, "repetitions", "until the median is known well enough");
    else
        put_number(page, "repetitions", settings->repeat, "");
    put_number(page, "time limit", settings->time_limit_seconds, " s");
    if (settings->seed >= 0)
        thaw_text_append(page, "<dt>seed</dt><dd>%lld</dd>\n", (long long)settings->seed);
    put_pairs(page, settings->environment, settings->environment_count);
    thaw_text_append(page, "</dl></div>\n");
}

void thaw_page_facts(thaw_text *page, const thaw_report *report)
{
    thaw_text_append(page, "<div class=\"cards\">\n");
    put_device(page, report);
    put_host(page, report);
    put_settings(page, report);
    thaw_text_append(page, "</div>\n");
}
