/* Benchmarks that were written as JSON ("thaw.bench/1"): read again, shown as a page, laid side by side, held to what
 * they are expected to reach. docs/benchmark.md tells what the figures mean. */
#ifndef THAW_REPORT_H
#define THAW_REPORT_H

#include <thaw/status.h>

#include <stdint.h>

#define THAW_REPORT_SCHEMA "thaw.bench/1"

/* X(name, text in the file) */
#define THAW_REPORT_STATUS_LIST(X) X(OK, "ok") X(WRONG, "wrong") X(UNAVAILABLE, "unavailable") X(FAILED, "failed")
typedef enum thaw_report_status {
#define THAW_REPORT_STATUS_ENUM(name, text) THAW_REPORT_##name,
    THAW_REPORT_STATUS_LIST(THAW_REPORT_STATUS_ENUM)
#undef THAW_REPORT_STATUS_ENUM
        THAW_REPORT_STATUS_COUNT
} thaw_report_status;
THAW_API const char *thaw_report_status_text(thaw_report_status status);

typedef struct thaw_report_pair {
    const char *name, *value;
} thaw_report_pair;

/* One measurement. Texts are NULL and numbers NAN where the file has none: what was not measured is never 0. */
typedef struct thaw_report_entry {
    const char *id;                      /* "models.resnet18.forward": letters, digits and ._-+:/ */
    const char *section, *group, *title; /* NULL title: the id is shown */
    thaw_report_status status;
    const char *reason; /* where the status is not ok: never NULL then */
    const char *unit;   /* of value, low and high; there where the status is ok */
    bool lower_is_better;
    double value, low, high; /* median and the 95 % interval of it */
    double spread;           /* (90th percentile - 10th) / median */
    const char *timer;       /* "device" or "host" */
    double *samples;         /* [sample_count] seconds of each repetition, above 0 */
    size_t sample_count;
    size_t *rounds; /* [round_count]: how many of the samples, in their order, each round has; none: not written */
    size_t round_count;
    double flops, bytes;     /* of one repetition */
    double error, tolerance; /* of the verification: found, and allowed */
    const char *algorithm;
    double batch; /* images */
    double peak_device_bytes, process_bytes;
    double energy_joules; /* of one repetition */
    const char **flags;   /* [flag_count]: "spread", "above_peak", "clock_moved", "few_samples", others */
    size_t flag_count;
} thaw_report_entry;

typedef struct thaw_report_section {
    const char *name, *status, *reason; /* "ok", "partly", "unavailable"; the reason may be NULL only for "ok" */
} thaw_report_section;

typedef struct thaw_report_device {
    const char *platform, *name, *vendor, *driver, *version, *type;
    double compute_units, max_clock_mhz, global_bytes, max_alloc_bytes, local_bytes;
    int fp16, fp64; /* 1, 0, or -1 where the file doesn't say */
} thaw_report_device;

typedef struct thaw_report_settings {
    bool quick;
    const char *filter; /* NULL: none */
    double repeat, time_limit_seconds;
    int64_t seed;          /* -1: the file has none */
    const char **sections; /* [section_count] */
    size_t section_count;
    thaw_report_pair *environment; /* [environment_count] */
    size_t environment_count;
} thaw_report_settings;

/* A file. Texts have no control characters, and live as long as the report. */
typedef struct thaw_report {
    char *path; /* as it was given */
    const char *thaw, *started;
    double seconds;
    const char *timer_reason; /* why the host's clock was used and not the device's; NULL: it was not */
    thaw_report_device device;
    const char *system, *processor; /* of the host */
    double threads;
    thaw_report_settings settings;
    thaw_report_pair *libraries; /* [library_count] */
    size_t library_count;
    thaw_report_section *sections; /* [section_count] */
    size_t section_count;
    double peak_gflops, copy_gbs; /* the roof; NAN where it was not measured */
    double pace;                  /* of the probe, when nothing slowed the device; NAN where the file does not tell */
    thaw_report_entry *entries;   /* [entry_count], in the file's order */
    size_t entry_count;
    const thaw_report_entry **by_id; /* [entry_count], sorted */
    void *document;                  /* where the texts lie */
} thaw_report;

/* Reads a file of at most 8 MiB, 10000 entries, and 10000 samples in each. THAW_ERR_DATA, with the file and the place
 * in it: no JSON, another schema (both are named), a field that is missing, of another type, or out of range (no entry
 * that is ok without a value, none that isn't without a reason), an id that is there twice; keys that are not known are
 * passed over. THAW_ERR_SIZE, THAW_ERR_IO, THAW_ERR_MEMORY. *report is NULL then; freed with thaw_report_close(). */
THAW_API THAW_MUST_CHECK thaw_status thaw_report_read(thaw_context *context, const char *path, thaw_report **report);
/* The same of text in memory, which need not live on; `path` is what messages and pages call it. */
THAW_API THAW_MUST_CHECK thaw_status thaw_report_parse(thaw_context *context, const char *path, const char *text,
                                                       size_t size, thaw_report **report);
THAW_API void thaw_report_close(thaw_report **report);
/* NULL if there is none. */
THAW_API const thaw_report_entry *thaw_report_find(const thaw_report *report, const char *id);

/* Writes one page, complete in itself: drawings inline, no script, nothing from a network. THAW_ERR_IO,
 * THAW_ERR_MEMORY; the target is left as it was then. */
THAW_API THAW_MUST_CHECK thaw_status thaw_report_write_html(thaw_context *context, const thaw_report *report,
                                                            const char *path);

/* --- comparing -------------------------------------------------------------------------------------------------------
 */

#define THAW_COMPARISON_MOST 8 /* files */

/* An entry in one of the files. */
typedef struct thaw_comparison_cell {
    const thaw_report_entry *entry; /* NULL: the file has none of this id */
    /* How many times as good as in the first file: value over value, or the other way round where lower is better; 1 in
     * the first file itself. Above 1 is better. NAN where there is nothing to compare: `reason` says why. */
    double ratio;
    double low, high; /* its 95 % interval; NAN where there is none, `reason` says why */
    char reason[160]; /* "" where there is all */
} thaw_comparison_cell;

typedef struct thaw_comparison_row {
    const char *id, *title, *unit;                    /* of the first file that has it; NULL unit: nowhere ok */
    thaw_comparison_cell cells[THAW_COMPARISON_MOST]; /* as many as there are files */
    bool compared;                                    /* there is a ratio to the first in one of them at least */
    char note[160];                                   /* "timers differ; B: spread": what to bear in mind, or "" */
} thaw_comparison_row;

typedef struct thaw_comparison {
    const thaw_report *reports[THAW_COMPARISON_MOST]; /* borrowed */
    size_t report_count;
    thaw_comparison_row *rows; /* [row_count]: those of the first file in its order, then others */
    size_t row_count;
    size_t compared_count; /* rows with a ratio */
    char **warnings;       /* [warning_count], one line each: what differs between the files */
    size_t warning_count;
} thaw_comparison;

/* Lays 2 to 8 files side by side; the reports must outlive the comparison. Entries of one id are compared if they have
 * one unit and did the same work: batch, operations and bytes are equal where both files have them, and between a quick
 * and a full run one of these must be there. Of the device itself (the section "device") rates are compared whatever
 * work they were taken from. Where Thaw's version, a driver, a library or a setting differs, that is a
 * warning. Intervals are those of the ratio of two medians under 2000 resamples of both files' samples (the percentile
 * bootstrap), which need six samples each; the same files give the same numbers. They know of what varied within the
 * two runs, not of what would vary between runs. THAW_ERR_DATA if not one entry can be compared, with the reason;
 * THAW_ERR_USAGE for another number of files; THAW_ERR_INTERRUPTED, THAW_ERR_MEMORY. *comparison is NULL then; freed
 * with thaw_comparison_close(). */
THAW_API THAW_MUST_CHECK thaw_status thaw_compare(thaw_context *context, const thaw_report *const *reports,
                                                  size_t count, thaw_comparison **comparison);
THAW_API void thaw_comparison_close(thaw_comparison **comparison);
/* The table for a terminal, UTF-8, ending in a newline, freed with free(): THAW_ERR_MEMORY. */
THAW_API THAW_MUST_CHECK thaw_status thaw_comparison_text(thaw_context *context, const thaw_comparison *comparison,
                                                          char **text);
/* As thaw_report_write_html(). */
THAW_API THAW_MUST_CHECK thaw_status thaw_comparison_write_html(thaw_context *context,
                                                                const thaw_comparison *comparison, const char *path);

/* --- asserting -------------------------------------------------------------------------------------------------------
 */

/* X(name, text) */
#define THAW_ASSERTION_LIST(X) X(AT_LEAST, ">=") X(AT_MOST, "<=") X(EQUAL, "==") X(ABOVE, ">") X(BELOW, "<")
typedef enum thaw_assertion_kind {
#define THAW_ASSERTION_ENUM(name, text) THAW_ASSERTION_##name,
    THAW_ASSERTION_LIST(THAW_ASSERTION_ENUM)
#undef THAW_ASSERTION_ENUM
} thaw_assertion_kind;

#define THAW_REPORT_ID_BYTES 128

/* What an entry's value is to be, in the entry's unit. */
typedef struct thaw_assertion {
    char id[THAW_REPORT_ID_BYTES];
    thaw_assertion_kind kind;
    double number;
} thaw_assertion;

/* Reads "ID OPERATOR NUMBER", blanks allowed, e.g. "models.resnet18.forward>=50". THAW_ERR_USAGE says what is amiss. */
THAW_API THAW_MUST_CHECK thaw_status thaw_assertion_parse(thaw_context *context, const char *text,
                                                          thaw_assertion *assertion);
/* THAW_OK if it holds. Else THAW_ERR_CHECK, with the value found, or why there is none: an entry that is missing or not
 * ok makes no assertion hold. */
THAW_API THAW_MUST_CHECK thaw_status thaw_assertion_check(thaw_context *context, const thaw_assertion *assertion,
                                                          const thaw_report *report);

#endif
