/* What the parts of the benchmark share: jobs, which are measurements yet to be made, and how one is made. */
#ifndef THAW_BENCH_BENCH_H
#define THAW_BENCH_BENCH_H

#include <thaw/bench.h>
#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"
#include "device/facts.h"
#include "device/kernel.h"
#include "device/timer.h"

typedef struct thaw_bench_job thaw_bench_job;

/* A run. */
typedef struct thaw_bench {
    thaw_context *context;
    thaw_device *device;
    thaw_device_facts facts;
    thaw_bench_options options;
    thaw_bench_result *result;
    bool device_clock;    /* can be believed */
    thaw_bench_job *jobs; /* [job_count] */
    size_t job_count, job_capacity;
    double limit_seconds;  /* as the options have it, or by default */
    double job_seconds;    /* how long the present job may repeat what it measures */
    double burst_rate;     /* multiply-adds' FLOP/s, just seen */
    double best_burst;     /* the most of them */
    double best_rate;      /* the most FLOP/s of a kernel or a model; 0: none yet */
    double end;            /* when the run should be over, by the host's clock; 0: whenever */
    double best_bandwidth; /* bytes/s of read, copy and triad; 0: not measured */
} thaw_bench;

/* A measurement yet to be made: the first fields of its entry, and how. `run` is a job's own: it fills the rest, by
 * thaw_bench_measure() mostly. What it returns becomes the entry's outcome: UNSUPPORTED and DEVICE_MEMORY
 * "unavailable", CHECK "wrong", INTERRUPTED ends the run, anything else "failed". */
struct thaw_bench_job {
    char *id, *group, *title;
    thaw_bench_section section;
    thaw_status (*run)(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry);
    void *details; /* freed with free(); NULL */
};

/* Adds a job unless the filter leaves it out. id, group, title are copied; `details` (NULL: none), of `details_bytes`,
 * too. */
typedef struct thaw_bench_plan {
    thaw_bench_section section;
    const char *id, *group, *title;
    thaw_status (*run)(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry);
    const void *details;
    size_t details_bytes;
} thaw_bench_plan;
THAW_MUST_CHECK thaw_status thaw_bench_add(thaw_bench *bench, const thaw_bench_plan *plan);

/* What a section adds to the jobs. */
THAW_MUST_CHECK thaw_status thaw_bench_plan_arithmetic(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_bandwidths(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_transfers(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_latencies(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_products(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_layers(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_convolutions(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_models(thaw_bench *bench);

/* What is measured. */
typedef struct thaw_bench_subject {
    /* The largest relative error of what `run` computes, against a reference. NULL: there is nothing to compare. */
    thaw_status (*verify)(void *user, double *error);
    thaw_status (*run)(void *user); /* queues the work once */
    void *user;
    double tolerance;    /* of verify */
    double flops, bytes; /* of one run; 0: not counted */
    enum {
        THAW_BENCH_FLOPS,
        THAW_BENCH_OPS,
        THAW_BENCH_BYTES,
        THAW_BENCH_IMAGES,
        THAW_BENCH_MICROSECONDS,
        THAW_BENCH_SECONDS
    } figure;
    bool by_host; /* the host's clock in any case: what the host does is part of it */
    bool single;  /* a repetition is one run, however short */
} thaw_bench_subject;

/* Verifies, warms up, repeats, and fills in the entry. THAW_ERR_CHECK where the error is beyond the tolerance, or no
 * number. */
THAW_MUST_CHECK thaw_status thaw_bench_measure(thaw_bench *bench, const thaw_bench_subject *subject,
                                               thaw_bench_entry *entry);
/* The entry's figure from its samples, with the flags that these alone decide. For measurements that take their times
 * themselves. */
THAW_MUST_CHECK thaw_status thaw_bench_fill(thaw_bench *bench, const thaw_bench_subject *subject,
                                            thaw_bench_entry *entry);

/* A short piece of multiply-adds: sets burst_rate. */
THAW_MUST_CHECK thaw_status thaw_bench_burst(thaw_bench *bench);

/* Uniform numbers in [-1, 1) into the buffer's first `count` floats; `host`, of as many, may be NULL. */
THAW_MUST_CHECK thaw_status thaw_bench_random(thaw_bench *bench, uint64_t seed, size_t count, float *host,
                                              thaw_buffer *buffer);

/* Makes the bench ready for jobs: facts, clocks. For thaw_bench_run(), and tests. */
THAW_MUST_CHECK thaw_status thaw_bench_open(thaw_bench *bench, thaw_device *device, const thaw_bench_options *options,
                                            thaw_bench_result *result);
/* Runs the jobs, one entry each. */
THAW_MUST_CHECK thaw_status thaw_bench_run_jobs(thaw_bench *bench);
void thaw_bench_close(thaw_bench *bench);

#endif
