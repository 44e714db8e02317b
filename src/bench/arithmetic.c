/* The device itself: multiply-adds in registers, and local memory. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define CHAINS         12 /* as in the kernels */
#define LAUNCH_SECONDS 0.01
#define MOST_STEPS     (1 << 24)
#define CHECKED_STEPS  24
#define FACTOR         0.999f /* below 1: numbers stay away from infinity and from denormals */
#define TERM           0.5f
#define DOT_FACTOR     0x03fd0502u /* bytes 2, 5, -3, 3 */
#define DOT_TERM       77
#define LOCAL_VECTORS  8 /* that a work-item reads at each step, as in cl/bench.cl */

typedef enum arithmetic_kind { FLOATS, HALVES, DOTS, LOCAL_READS } arithmetic_kind;

typedef struct trial {
    thaw_bench *bench;
    arithmetic_kind kind;
    int32_t width;
    int32_t group, rows; /* work-items in a group; eighths of the local tile */
    size_t items;
    int32_t steps;
    thaw_kernel *kernel;
    thaw_buffer *out;
} trial;

static bool is_cpu(const thaw_bench *bench)
{
    return strcmp(thaw_device_describe(bench->device)->type, "cpu") == 0;
}

static thaw_status launch(const trial *t, int32_t steps)
{
    const thaw_range range = {{t->items, 1, 1}, {(size_t)t->group, 1, 1}};
    switch (t->kind) {
    case DOTS:
        return thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->out), THAW_INT(steps), THAW_INT(DOT_FACTOR),
                                  THAW_INT(DOT_TERM));
    case LOCAL_READS:
        return thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->out), THAW_INT(steps));
    default:
        return thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->out), THAW_INT(steps), THAW_FLOAT(FACTOR),
                                  THAW_FLOAT(TERM));
    }
}

static thaw_status run(void *user)
{
    const trial *t = user;
    return launch(t, t->steps);
}

/* --- what it must give --- */

static double expect_fma(const trial *t, size_t item)
{
    double sum = 0;
    const double first = t->kind == HALVES ? (double)(item % 8) : (double)item;
    for (int chain = 0; chain < CHAINS; chain++) {
        double x = first + chain;
        for (int step = 0; step < CHECKED_STEPS; step++)
            x = x * (double)FACTOR + (double)TERM;
        sum += t->width * x;
    }
    return sum;
}

static int32_t dot_step(int32_t x)
{
    int32_t sum = DOT_TERM;
    for (int byte = 0; byte < 4; byte++)
        sum += (int32_t)(int8_t)((uint32_t)x >> (8 * byte)) * (int32_t)(int8_t)(DOT_FACTOR >> (8 * byte));
    return sum;
}

static int32_t expect_dot(size_t item)
{
    int32_t all = 0;
    for (int chain = 0; chain < CHAINS; chain++) {
        int32_t x = (int32_t)item + chain;
        for (int step = 0; step < CHECKED_STEPS; step++)
            x = dot_step(x);
        all ^= x;
    }
    return all;
}

/* Where it begins does not matter as soon as it has been all around, some times. */
static double expect_local(const trial *t, int32_t steps)
{
    double tile = 0;
    for (int i = 0; i < LOCAL_VECTORS * t->rows; i++)
        tile += i % 8;
    return tile * t->width * steps / t->rows;
}

static double error_of(const trial *t, const void *out, int32_t steps, size_t item)
{
    int32_t integer;
    float number;
    memcpy(&integer, (const char *)out + item * sizeof integer, sizeof integer);
    memcpy(&number, (const char *)out + item * sizeof number, sizeof number);
    if (t->kind == DOTS)
        return integer == expect_dot(item) ? 0 : 1;
    const double expected = t->kind == LOCAL_READS ? expect_local(t, steps) : expect_fma(t, item);
    return fabs((double)number - expected) / fabs(expected);
}

/* All work-items with few steps. */
static thaw_status verify(void *user, double *error)
{
    const trial *t = user;
    const int32_t steps = t->kind == LOCAL_READS ? 3 * t->rows : CHECKED_STEPS;
    float *out;
    *error = 0;
    THAW_TRY(launch(t, steps));
    THAW_TRY(thaw_allocate(t->bench->context, t->items, sizeof *out, &out));
    const thaw_status status = thaw_buffer_read(t->out, 0, out, t->items * sizeof *out);
    for (size_t i = 0; i < t->items && status == THAW_OK && !isnan(*error); i++) {
        const double found = error_of(t, out, steps, i);
        *error = found > *error || isnan(found) ? found : *error;
    }
    free(out);
    return status;
}

/* --- how long --- */

/* So many steps that a launch takes long enough for its start not to count. */
static thaw_status find_steps(trial *t)
{
    double seconds = 0;
    t->steps = 64;
    THAW_TRY(launch(t, 1)); /* the driver's first launch may compile */
    THAW_TRY(thaw_device_finish(t->bench->device));
    while (t->steps < MOST_STEPS) {
        const double start = thaw_clock_seconds();
        THAW_TRY(launch(t, t->steps));
        THAW_TRY(thaw_device_finish(t->bench->device));
        seconds = thaw_clock_seconds() - start;
        if (seconds > LAUNCH_SECONDS)
            break;
        t->steps *= seconds > LAUNCH_SECONDS / 2 ? 2 : 4;
    }
    t->steps -= t->steps % t->rows; /* for expect_local() */
    return THAW_OK;
}

/* FLOP/s of a processor that does two fused multiply-adds of its vectors in a cycle; of other devices it is not known
 * how many units a compute unit has. */
static double most_by_clock(const trial *t)
{
    const thaw_device_info *info = thaw_device_describe(t->bench->device);
    return t->kind == FLOATS && is_cpu(t->bench)
               ? 4.0 * t->width * info->compute_units * t->bench->facts.max_clock_mhz * 1e6
               : 0;
}

static void describe(const trial *t, thaw_bench_subject *subject)
{
    static const double tolerances[] = {[FLOATS] = 1e-5, [HALVES] = 0.05, [DOTS] = 0, [LOCAL_READS] = 1e-5};
    const double runs = (double)t->items * t->steps;
    subject->tolerance = tolerances[t->kind];
    subject->most = most_by_clock(t);
    switch (t->kind) {
    case LOCAL_READS:
        subject->figure = THAW_BENCH_BYTES;
        subject->bytes = LOCAL_VECTORS * sizeof(float) * t->width * runs;
        break;
    case DOTS:
        subject->figure = THAW_BENCH_OPS;
        subject->flops = 8.0 * CHAINS * runs;
        break;
    default:
        subject->figure = THAW_BENCH_FLOPS;
        subject->flops = 2.0 * CHAINS * t->width * runs;
    }
}

static thaw_status get_kernel(trial *t)
{
    static const struct {
        const char *program, *kernel, *more;
    } rows[] = {[FLOATS] = {"peak", "peak_fma", ""},
                [HALVES] = {"bench", "bench_half", " -DHALF"},
                [DOTS] = {"bench", "bench_dot", " -DDOT -cl-std=CL3.0"},
                [LOCAL_READS] = {"bench", "bench_local", ""}};
    char options[96];
    int length = snprintf(options, sizeof options, "-DWIDTH=%d", (int)t->width);
    if (t->kind == LOCAL_READS)
        length += snprintf(options + length, sizeof options - (size_t)length, " -DGROUP=%d -DROWS=%d", (int)t->group,
                           (int)t->rows);
    snprintf(options + length, sizeof options - (size_t)length, "%s", rows[t->kind].more);
    return thaw_kernel_get(t->bench->device, rows[t->kind].program, rows[t->kind].kernel, options, &t->kernel);
}

static thaw_status check_possible(const thaw_bench *bench, arithmetic_kind kind)
{
    if (kind == HALVES && !thaw_device_describe(bench->device)->fp16)
        return thaw_fail(bench->context, THAW_ERR_UNSUPPORTED, "the device has no fp16 arithmetic (cl_khr_fp16)");
    if (kind == DOTS && !bench->facts.int8_dot)
        return thaw_fail(bench->context, THAW_ERR_UNSUPPORTED,
                         "the device has no dot products of int8 (cl_khr_integer_dot_product)");
    return THAW_OK;
}

static void close_trial(void *user)
{
    trial *t = user;
    thaw_buffer_destroy(&t->out);
    free(t);
}

static trial trial_of(thaw_bench *bench, arithmetic_kind kind)
{
    const thaw_device_info *info = thaw_device_describe(bench->device);
    const bool cpu = is_cpu(bench);
    const size_t units = info->compute_units ? info->compute_units : 1;
    trial t = {.bench = bench, .kind = kind, .width = kind == DOTS ? 1 : thaw_device_width(bench->device), .group = 1};
    /* Cores need not be equally fast: each takes a small piece after the other. */
    t.items = units * (cpu ? 32 : 2048);
    if (!cpu)
        t.group = info->max_work_group >= 256 ? 256 : 32;
    t.rows = cpu ? 16 : t.group;
    return t;
}

static thaw_status open_trial(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                              thaw_bench_subject *subject)
{
    const arithmetic_kind kind = *(const arithmetic_kind *)job->details;
    trial *t;
    (void)entry;
    THAW_TRY(check_possible(bench, kind));
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = trial_of(bench, kind);
    *subject = (thaw_bench_subject){.verify = verify, .run = run, .close = close_trial, .user = t};
    THAW_TRY(get_kernel(t));
    THAW_TRY(thaw_buffer_create(bench->device, t->items * sizeof(float), &t->out));
    THAW_TRY(find_steps(t));
    describe(t, subject);
    return THAW_OK;
}

#define PLAN(id, group, title, kind)                                                                                   \
    {                                                                                                                  \
        THAW_BENCH_DEVICE, id, group, title, open_trial, &(const arithmetic_kind){kind}, sizeof(arithmetic_kind)       \
    }
static const thaw_bench_plan plans[] = {
    PLAN("device.fma.fp32", "fma", "fused multiply-adds in registers, fp32", FLOATS),
    PLAN("device.fma.fp16", "fma", "fused multiply-adds in registers, fp16", HALVES),
    PLAN("device.dot.int8", "dot", "dot products of four int8 in registers", DOTS),
    PLAN("device.local.read", "local", "reading local memory", LOCAL_READS),
};

thaw_status thaw_bench_plan_arithmetic(thaw_bench *bench)
{
    return thaw_bench_add_all(bench, plans, sizeof plans / sizeof plans[0]);
}
