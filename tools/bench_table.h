/* A benchmark's result as a table for a terminal. */
#ifndef THAW_TOOLS_BENCH_TABLE_H
#define THAW_TOOLS_BENCH_TABLE_H

#include <thaw/bench.h>

/* One row for each measurement: id, median, interval, a bar beside the others of its group, flags; then what could not
 * be measured, and why. */
void bench_table_print(const thaw_bench_result *result);

#endif
