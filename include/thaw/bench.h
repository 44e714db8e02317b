/* A benchmark of the device itself, of kernels and of whole models: docs/benchmark.md says what each figure means. */
#ifndef THAW_BENCH_H
#define THAW_BENCH_H

#include <stdint.h>
#include <thaw/device.h>

/* X(NAME, "name"): parts, in the order in which they run. */
#define THAW_BENCH_SECTION_LIST(X) X(DEVICE, "device") X(KERNELS, "kernels") X(MODELS, "models")
typedef enum thaw_bench_section {
#define THAW_BENCH_SECTION_ENUM(name, text) THAW_BENCH_##name,
    THAW_BENCH_SECTION_LIST(THAW_BENCH_SECTION_ENUM)
#undef THAW_BENCH_SECTION_ENUM
        THAW_BENCH_SECTION_COUNT
} thaw_bench_section;
THAW_API const char *thaw_bench_section_text(thaw_bench_section section);

/* X(NAME, "name"): what became of a measurement. Only OK has a figure. */
#define THAW_BENCH_OUTCOME_LIST(X)                                                                                     \
    X(OK, "ok")                   /* computed what it should, and was timed */                                         \
    X(WRONG, "wrong")             /* its numbers are not those of the reference: not timed */                          \
    X(UNAVAILABLE, "unavailable") /* not possible here, or no time was left */                                         \
    X(FAILED, "failed")           /* should have been possible */
typedef enum thaw_bench_outcome {
#define THAW_BENCH_OUTCOME_ENUM(name, text) THAW_BENCH_##name,
    THAW_BENCH_OUTCOME_LIST(THAW_BENCH_OUTCOME_ENUM)
#undef THAW_BENCH_OUTCOME_ENUM
} thaw_bench_outcome;
THAW_API const char *thaw_bench_outcome_text(thaw_bench_outcome outcome);

/* X(NAME, "name"): what to know before believing a figure. */
#define THAW_BENCH_FLAG_LIST(X)                                                                                        \
    X(SPREAD, "spread")           /* repetitions differ by more than 10 % */                                           \
    X(ABOVE_PEAK, "above_peak")   /* more than the device was seen, or is said, to do at most */                       \
    X(CLOCK_MOVED, "clock_moved") /* the device computed more slowly than usual in nearly all rounds */                \
    X(FEW_SAMPLES, "few_samples") /* too few rounds for a 95 % interval of the median */
typedef enum thaw_bench_flag {
#define THAW_BENCH_FLAG_ENUM(name, text) THAW_BENCH_FLAG_##name,
    THAW_BENCH_FLAG_LIST(THAW_BENCH_FLAG_ENUM)
#undef THAW_BENCH_FLAG_ENUM
        THAW_BENCH_FLAG_COUNT
} thaw_bench_flag;
THAW_API const char *thaw_bench_flag_text(thaw_bench_flag flag);

/* Repetitions of a measurement in a row; other measurements' rounds are between two of them. */
typedef struct thaw_bench_round {
    double at;           /* seconds since the run began */
    size_t sample_count; /* of the entry's samples, in their order */
    /* Of a short, known piece of work before it or after it, whichever is less: how often in a second the device does
     * 1e9 operations in registers and reads 1e9 bytes of local memory. 0: not run. */
    double pace;
    bool left_out; /* it does not count for the figure: the device was slower than usual */
} thaw_bench_round;

/* One measurement. */
typedef struct thaw_bench_entry {
    char *id;    /* "kernels.gemm.1024x1024x1024.thaw" */
    char *group; /* "gemm" */
    char *title; /* for people */
    thaw_bench_section section;
    thaw_bench_outcome outcome;
    char *reason; /* why it is not OK; NULL where it is */
    const char *unit;
    bool higher_is_better;
    double value, low, high; /* the median of samples, the 95 % interval of the rounds' medians; in that unit */
    double spread;           /* (90th - 10th percentile) / median, of times */
    bool by_device;          /* timed by the device's clock, not the host's */
    double *samples;         /* [sample_count]: seconds of one repetition each, in the order of measuring */
    size_t sample_count;
    thaw_bench_round *rounds; /* [round_count]: which have all the samples */
    size_t round_count;
    double flops, bytes;        /* of one repetition, by the formula; 0: not counted */
    bool verified;              /* it was compared with a reference: */
    double error, tolerance;    /* the largest relative error that was found (NaN: no number), and what was allowed */
    char *algorithm;            /* NULL: there was no choice */
    int64_t batch;              /* images; 0: it has none */
    uint64_t peak_device_bytes; /* the most that buffers took; 0: not looked at */
    uint64_t process_bytes;     /* by how much the process's resident memory grew; 0: the system does not tell */
    double energy_joules;       /* of the processor, for one repetition; negative: the system does not show it */
    bool flags[THAW_BENCH_FLAG_COUNT];
} thaw_bench_entry;

typedef struct thaw_bench_options {
    bool sections[THAW_BENCH_SECTION_COUNT]; /* default: all */
    const char *filter;                      /* a pattern (fnmatch) for ids; NULL: all */
    int32_t repeats; /* exactly so many, 1 to 10000; default 0: until the median is known to 2 %, or time is up */
    bool quick;      /* less of it, smaller and shorter: under a minute on two cores */
    double time_limit_seconds; /* of the whole run; default 0: 50 s for a quick one, 840 s otherwise */
    uint64_t seed;             /* of all numbers that are drawn; default 1 */
    /* Now and then: how much of it is done, 0 to 1, and since when. May be NULL. */
    void (*on_progress)(void *user, double share, double seconds);
    void *user;
} thaw_bench_options;
THAW_API thaw_bench_options thaw_bench_defaults(void);

typedef struct thaw_bench_section_result {
    bool wanted;
    const char *status; /* "ok", "partly" (some of it is not), "unavailable" (all of it) */
    char *reason;       /* of what is not; NULL where all is */
} thaw_bench_section_result;

typedef struct thaw_bench_result {
    char started[32]; /* "2026-11-26T10:00:00Z" */
    double seconds;
    thaw_device_info device;
    uint32_t max_clock_mhz;           /* 0: the driver does not say */
    char system[256], processor[128]; /* of the host; "" where not known */
    size_t threads;                   /* of the host */
    char timer_reason[128];           /* why the device's clock was not used; "" if it was */
    thaw_bench_options options;       /* as they were; the filter is copied */
    char *filter;                     /* options.filter */
    thaw_bench_entry *entries;        /* [entry_count], in order of sections */
    size_t entry_count;
    thaw_bench_section_result sections[THAW_BENCH_SECTION_COUNT];
    /* The 90th percentile of what the probe gave: what the device does when nothing slows it; 0: it ran too rarely. */
    double usual_pace;
    double peak_flops_per_second,
        copy_bytes_per_second; /* of device.fma.fp32 and device.bandwidth.copy; 0: not measured */
} thaw_bench_result;

/* Measures. Each kernel and model is compared with a reference first; what is wrong is not timed. What can't be
 * measured is an entry that says why, and no failure. *result is freed with thaw_bench_result_free(), also after a
 * failure, when it holds what was measured until then. THAW_ERR_USAGE for an option out of range, or a filter that
 * nothing matches; THAW_ERR_DEVICE for a device on which times mean nothing (Oclgrind); THAW_ERR_MEMORY;
 * THAW_ERR_INTERRUPTED. */
THAW_API THAW_MUST_CHECK thaw_status thaw_bench_run(thaw_device *device, const thaw_bench_options *options,
                                                    thaw_bench_result *result);
THAW_API void thaw_bench_result_free(thaw_bench_result *result);
/* Whether every measurement that was possible gave the right numbers: nothing is wrong and nothing failed. */
THAW_API bool thaw_bench_result_good(const thaw_bench_result *result);

/* The result as JSON of the schema "thaw.bench/1" (docs/benchmark.md), one object in one line; freed with free().
 * THAW_ERR_MEMORY. */
THAW_API THAW_MUST_CHECK thaw_status thaw_bench_to_json(thaw_context *context, const thaw_bench_result *result,
                                                        char **text);

#endif
