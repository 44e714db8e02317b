/* What the parts of comparing share. */
#ifndef THAW_REPORT_COMPARE_H
#define THAW_REPORT_COMPARE_H

#include <thaw/report.h>

/* 'A' for the first file. */
char thaw_comparison_letter(size_t index);

typedef enum thaw_verdict {
    THAW_VERDICT_NONE,
    THAW_VERDICT_BETTER,
    THAW_VERDICT_WORSE,
    THAW_VERDICT_OPEN
} thaw_verdict;

/* Is it better or worse than the first beyond what its samples scatter? Open where the interval has 1 in it; none
 * without an interval. */
thaw_verdict thaw_comparison_verdict(const thaw_comparison_cell *cell);
/* Of all rows. */
size_t thaw_comparison_verdict_count(const thaw_comparison *comparison, size_t file, thaw_verdict verdict);

/* Fills in what differs between the files, apart from what was measured. */
THAW_MUST_CHECK thaw_status thaw_comparison_warn(thaw_context *context, thaw_comparison *comparison);

/* The method in two sentences, for readers of a table. */
extern const char thaw_comparison_method[];

#endif
