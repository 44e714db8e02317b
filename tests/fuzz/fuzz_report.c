/* The reader of benchmarks, and what is made of those that it takes: a page, and a comparison with itself. */
#include "fuzz_file.h"

#include <stdlib.h>
#include <thaw/report.h>

static void use(const thaw_report *report)
{
    const thaw_report *const twice[] = {report, report};
    thaw_comparison *comparison;
    char *text = NULL;
    if (thaw_report_write_html(fuzz_context(), report, "/dev/null") != THAW_OK)
        abort();
    if (thaw_compare(fuzz_context(), twice, 2, &comparison) != THAW_OK)
        return;
    if (thaw_comparison_text(fuzz_context(), comparison, &text) != THAW_OK ||
        thaw_comparison_write_html(fuzz_context(), comparison, "/dev/null") != THAW_OK)
        abort();
    free(text);
    thaw_comparison_close(&comparison);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    thaw_report *report;
    if (thaw_report_parse(fuzz_context(), "fuzz.json", (const char *)bytes, size, &report) != THAW_OK)
        return 0;
    use(report);
    thaw_report_close(&report);
    return 0;
}
