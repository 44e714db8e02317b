/* What `thaw check` prints. */
#ifndef THAW_TOOLS_CHECK_OUTPUT_H
#define THAW_TOOLS_CHECK_OUTPUT_H

#include <thaw/thaw.h>

typedef struct cli_check_view {
    const thaw_dataset *dataset;
    const thaw_check_report *report;
    const char *folder, *base; /* base: NULL without a model */
    size_t limit;              /* lines of a list in text */
} cli_check_view;

/* Nothing that --strict minds. */
bool cli_check_passed(const thaw_check_report *report);
/* A table of counts, then a list for each kind of finding. */
THAW_MUST_CHECK thaw_status cli_check_print_text(const cli_check_view *view);
THAW_MUST_CHECK thaw_status cli_check_print_json(const cli_check_view *view);

#endif
