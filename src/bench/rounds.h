/* In which order a run's jobs are measured: in rounds, as many of them side by side as memory has room for. A moment in
 * which the machine is slow then meets each measurement a little, and not one of them as a whole. */
#ifndef THAW_BENCH_ROUNDS_H
#define THAW_BENCH_ROUNDS_H

#include "bench/bench.h"

/* Runs the bench's jobs; result->entries has one for each. */
THAW_MUST_CHECK thaw_status thaw_bench_run_rounds(thaw_bench *bench);

#endif
