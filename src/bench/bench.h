/* What the parts of the benchmark share: jobs, which are measurements yet to be made. */
#ifndef THAW_BENCH_BENCH_H
#define THAW_BENCH_BENCH_H

#include <thaw/bench.h>
#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/probe.h"
#include "device/facts.h"
#include "device/kernel.h"
#include "device/timer.h"

typedef struct thaw_bench thaw_bench;
typedef struct thaw_bench_job thaw_bench_job;

/* What is measured: made by a job, closed when it has been measured. */
typedef struct thaw_bench_subject {
    /* The largest relative error of what `run` computes, against a reference. NULL: there is nothing to compare. */
    thaw_status (*verify)(void *user, double *error);
    thaw_status (*run)(void *user); /* queues the work once */
    void (*close)(void *user);      /* NULL: nothing is to be closed */
    void *user;
    double tolerance;    /* of verify */
    double flops, bytes; /* of one run; 0: not counted */
    double most;         /* possible: FLOP/s by the device's facts; 0: they don't tell */
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

/* A measurement yet to be made: the first fields of its entry, and how to make its subject ready. What `open` returns,
 * if not OK, becomes the entry's outcome: UNSUPPORTED and DEVICE_MEMORY "unavailable", CHECK "wrong", INTERRUPTED ends
 * the run, anything else "failed". What it put into the subject is closed in any case. */
struct thaw_bench_job {
    char *id, *group, *title;
    thaw_bench_section section;
    thaw_status (*open)(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                        thaw_bench_subject *subject);
    void *details; /* freed with free(); NULL */
};

/* A run. */
struct thaw_bench {
    thaw_context *context;
    thaw_device *device;
    thaw_device_facts facts;
    thaw_bench_options options;
    thaw_bench_result *result;
    bool device_clock;    /* can be believed */
    thaw_bench_job *jobs; /* [job_count], the entries' in their order */
    size_t job_count, job_capacity;
    double limit_seconds; /* as the options have it, or by default */
    double start, end;    /* of the run, by the host's clock; end 0: whenever */
    thaw_bench_probe probe;
    double best_rate;      /* the most FLOP/s of a kernel or a model; 0: none yet */
    double best_flops;     /* FLOP/s of device.fma.fp32; 0: not measured */
    double best_bandwidth; /* bytes/s of read, copy and triad; 0: not measured */
};

/* Adds a job unless the filter leaves it out. id, group, title are copied; `details` (NULL: none), of `details_bytes`,
 * too. */
typedef struct thaw_bench_plan {
    thaw_bench_section section;
    const char *id, *group, *title;
    thaw_status (*open)(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                        thaw_bench_subject *subject);
    const void *details;
    size_t details_bytes;
} thaw_bench_plan;
THAW_MUST_CHECK thaw_status thaw_bench_add(thaw_bench *bench, const thaw_bench_plan *plan);
THAW_MUST_CHECK thaw_status thaw_bench_add_all(thaw_bench *bench, const thaw_bench_plan *plans, size_t count);

/* What a section adds to the jobs. */
THAW_MUST_CHECK thaw_status thaw_bench_plan_arithmetic(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_bandwidths(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_transfers(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_latencies(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_products(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_layers(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_convolutions(thaw_bench *bench);
THAW_MUST_CHECK thaw_status thaw_bench_plan_models(thaw_bench *bench);

/* THAW_ERR_UNSUPPORTED for so many operations as would take longer than all of the time that is left, at the best rate
 * so far: such work is not begun. */
THAW_MUST_CHECK thaw_status thaw_bench_check_time(const thaw_bench *bench, double flops);

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
