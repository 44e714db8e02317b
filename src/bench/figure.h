/* What samples say: the figure of an entry, from the rounds that count. */
#ifndef THAW_BENCH_FIGURE_H
#define THAW_BENCH_FIGURE_H

#include "bench/bench.h"
#include "bench/statistics.h"

/* Of the entry's rounds those are left out beside which the probe was slower than usual; where fewer than six would
 * stay, all but the six with the fastest probes. Returns how many stay. */
size_t thaw_bench_choose_rounds(const thaw_bench_probe *probe, thaw_bench_entry *entry);
/* Median and spread of the samples that count, with the interval of their rounds' medians: samples of one round lie
 * beside each other in time and may all be off together. */
THAW_MUST_CHECK thaw_status thaw_bench_find_statistics(thaw_context *context, const thaw_bench_entry *entry,
                                                       thaw_bench_statistics *statistics);
/* The entry's figure, with all flags. */
THAW_MUST_CHECK thaw_status thaw_bench_fill(thaw_bench *bench, const thaw_bench_subject *subject,
                                            thaw_bench_entry *entry);

#endif
