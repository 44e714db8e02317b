/* What a page of one run is made of. */
#ifndef THAW_REPORT_PAGE_PARTS_H
#define THAW_REPORT_PAGE_PARTS_H

#include "report/page.h"

/* A run with the samples of its entries in order. */
typedef struct thaw_page_run {
    const thaw_report *report;
    double **sorted; /* [entry_count][sample_count] */
} thaw_page_run;

/* Seconds of a repetition; NAN without samples. */
double thaw_page_median(const thaw_page_run *run, const thaw_report_entry *entry);
/* Operations and bytes per second, as a repetition counts them; NAN where the file does not say. */
double thaw_page_flops_rate(const thaw_page_run *run, const thaw_report_entry *entry);
double thaw_page_bytes_rate(const thaw_page_run *run, const thaw_report_entry *entry);

/* The entries of one section, or of a group in it, in the file's order: NULL at the end. Start with NULL; `group` NULL
 * takes all of the section. */
const thaw_report_entry *thaw_page_next(const thaw_report *report, const char *section, const char *group,
                                        const thaw_report_entry *previous);
/* Calls for each group of the section, once, in the order in which they come up. */
void thaw_page_each_group(const thaw_report *report, const char *section,
                          void (*call)(void *user, const char *section, const char *group), void *user);

/* Arithmetic per byte against arithmetic per second, under what the device can do at most: where a kernel has both. */
bool thaw_page_has_roofline(const thaw_page_run *run);
void thaw_page_roofline(thaw_text *page, const thaw_page_run *run);
/* One drawing for each unit that the group's values have. */
void thaw_page_bars(thaw_text *page, const thaw_report *report, const char *section, const char *group);
/* All figures of a group. */
void thaw_page_table(thaw_text *page, const thaw_page_run *run, const char *section, const char *group);

/* How far around the median the drawings of a table reach, as a share of it: the least of a few round ones that most
 * samples are within. */
double thaw_page_strip_range(const thaw_page_run *run, const char *section, const char *group);
/* Each repetition as a dot, in the order of measuring from top to bottom, and the middle half of them as a box. */
void thaw_page_strip(thaw_text *page, const thaw_page_run *run, const thaw_report_entry *entry, double range);

/* The shape of a series around 0, 0, as an SVG path element with this title; for drawings and legends. */
void thaw_page_point(thaw_text *page, size_t series, const char *title);

#endif
