/* Pages that are complete in themselves: HTML with its style and drawings inside, no script, nothing from a network. */
#ifndef THAW_REPORT_PAGE_H
#define THAW_REPORT_PAGE_H

#include <thaw/report.h>
#include "base/text.h"

/* The text with what means something in HTML, attributes included, written as entities; NULL gives nothing. */
void thaw_page_text(thaw_text *page, const char *text);

/* What people call a measurement; NULL gives nothing. */
void thaw_page_title(thaw_text *page, const char *title);
/* An id, in small type, which may be broken behind its points; a phone leaves it out behind a title. */
void thaw_page_id(thaw_text *page, const char *id);

/* From the doctype to the heading of the page. */
void thaw_page_begin(thaw_text *page, const char *title);
void thaw_page_end(thaw_text *page);
/* Writes the page to the path and frees it. THAW_ERR_MEMORY if it is not whole. */
THAW_MUST_CHECK thaw_status thaw_page_write(thaw_context *context, thaw_text *page, const char *path);

/* " <span class=badge ...>text</span>": of a status, or of a flag with what it means as a tooltip. */
void thaw_page_badge(thaw_text *page, const char *class_name, const char *text);
void thaw_page_flags(thaw_text *page, const thaw_report_entry *entry);
/* What a flag means, in a sentence; NULL for one that is not known. */
const char *thaw_page_flag_meaning(const char *flag);

/* The style sheet, and how many colours for series it has: classes s0, s1... */
extern const char thaw_page_style[];
#define THAW_PAGE_SERIES 8

#endif
