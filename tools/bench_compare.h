/* Benchmarks that were written before, laid side by side. */
#ifndef THAW_TOOLS_BENCH_COMPARE_H
#define THAW_TOOLS_BENCH_COMPARE_H

#include "cli.h"

/* Reads the files, prints the comparison (as JSON with --json), writes a page where `html` is not NULL. */
THAW_MUST_CHECK thaw_status bench_compare(cli_state *cli, const char *const *paths, size_t count, const char *html);

#endif
