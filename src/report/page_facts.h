/* Where and how a run was made. */
#ifndef THAW_REPORT_PAGE_FACTS_H
#define THAW_REPORT_PAGE_FACTS_H

#include "report/page.h"

/* A name and a value in a list of such; nothing without a value. */
void thaw_page_fact(thaw_text *page, const char *name, const char *value);

/* Cards: device, host and libraries, settings. */
void thaw_page_facts(thaw_text *page, const thaw_report *report);

#endif
