/* One measurement, over a run's rounds: right first, then how long. */
#ifndef THAW_BENCH_COURSE_H
#define THAW_BENCH_COURSE_H

#include "bench/bench.h"

/* So many rounds there are at least, if there is time. */
#define THAW_BENCH_ROUNDS       12
#define THAW_BENCH_MOST_SAMPLES 4000

typedef struct thaw_bench_course {
    thaw_bench *bench;
    const thaw_bench_job *job;
    thaw_bench_entry *entry;
    thaw_bench_subject subject;
    int32_t inner;      /* runs in a sample */
    double sample_time; /* seconds that one takes, about */
    double share;       /* seconds of the run that it may take */
    double credit;      /* seconds that its next visit may take */
    double joules, runs;
    size_t sample_capacity, round_capacity;
    bool slow;    /* it is not run again */
    bool settled; /* its median is known */
    bool done;    /* it has its outcome */
} thaw_bench_course;

/* Makes the job's subject ready, verifies it, warms it up. THAW_ERR_CHECK where the error is beyond the tolerance, or
 * no number. To be closed in any case. */
THAW_MUST_CHECK thaw_status thaw_bench_course_open(thaw_bench *bench, const thaw_bench_job *job, double share,
                                                   thaw_bench_entry *entry, thaw_bench_course *course);
/* Adds a round: samples, one at least, as many as `credit` allows, which becomes less by what they took. */
THAW_MUST_CHECK thaw_status thaw_bench_course_visit(thaw_bench_course *course);
/* The figure. */
THAW_MUST_CHECK thaw_status thaw_bench_course_conclude(thaw_bench_course *course);
void thaw_bench_course_close(thaw_bench_course *course);

#endif
