/* The device itself: what it takes to reach it. Starting a kernel, moving bytes, compiling a program. */
#include "bench/bench.h"
#include "device/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* --- starting a kernel --- */

typedef struct launch_trial {
    thaw_bench *bench;
    thaw_kernel *kernel;
    thaw_buffer *out;
    bool waits;
} launch_trial;

static thaw_status launch_nothing(void *user)
{
    const launch_trial *t = user;
    const thaw_range range = {{1, 1, 1}, {1, 1, 1}};
    THAW_TRY(thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->out), THAW_INT(0)));
    return t->waits ? thaw_device_finish(t->bench->device) : THAW_OK;
}

/* That it runs at all. */
static thaw_status verify_launch(void *user, double *error)
{
    const launch_trial *t = user;
    const thaw_range range = {{1, 1, 1}, {1, 1, 1}};
    float got = 0;
    THAW_TRY(thaw_buffer_fill(t->out, 0, 0, sizeof got));
    THAW_TRY(thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->out), THAW_INT(1)));
    THAW_TRY(thaw_buffer_read(t->out, 0, &got, sizeof got));
    *error = got == 1.0f ? 0 : 1;
    return THAW_OK;
}

static void close_launch(void *user)
{
    launch_trial *t = user;
    thaw_buffer_destroy(&t->out);
    free(t);
}

static thaw_status open_launch(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                               thaw_bench_subject *subject)
{
    launch_trial *t;
    (void)entry;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (launch_trial){.bench = bench, .waits = *(const bool *)job->details};
    *subject = (thaw_bench_subject){.verify = verify_launch,
                                    .run = launch_nothing,
                                    .close = close_launch,
                                    .user = t,
                                    .figure = THAW_BENCH_MICROSECONDS,
                                    .by_host = true};
    THAW_TRY(thaw_kernel_get(bench->device, "bench", "bench_nothing", "", &t->kernel));
    return thaw_buffer_create(bench->device, sizeof(float), &t->out);
}

/* --- moving bytes --- */

#define TRANSFER_BYTES       ((size_t)64 << 20)
#define QUICK_TRANSFER_BYTES ((size_t)8 << 20)

typedef struct transfer_details {
    thaw_transfer_kind kind;
    bool reads;
} transfer_details;

typedef struct transfer_trial {
    thaw_transfer *transfer;
    size_t bytes;
    bool reads;
} transfer_trial;

static thaw_status run_once(void *user)
{
    const transfer_trial *t = user;
    return t->reads ? thaw_transfer_read(t->transfer) : thaw_transfer_write(t->transfer);
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 16);
}

/* There and back. */
static thaw_status verify_transfer(void *user, double *error)
{
    const transfer_trial *t = user;
    unsigned char *host = thaw_transfer_host(t->transfer);
    for (size_t i = 0; i < t->bytes; i++)
        host[i] = pattern(i);
    THAW_TRY(thaw_transfer_write(t->transfer));
    memset(host, 0, t->bytes);
    THAW_TRY(thaw_transfer_read(t->transfer));
    *error = 0;
    for (size_t i = 0; i < t->bytes; i++)
        *error = host[i] == pattern(i) ? *error : 1;
    return THAW_OK;
}

static void close_transfer(void *user)
{
    transfer_trial *t = user;
    thaw_transfer_close(&t->transfer);
    free(t);
}

static thaw_status open_transfer(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                 thaw_bench_subject *subject)
{
    const transfer_details *details = job->details;
    const thaw_device_info *info = thaw_device_describe(bench->device);
    transfer_trial *t;
    (void)entry;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (transfer_trial){.reads = details->reads,
                          .bytes = bench->options.quick ? QUICK_TRANSFER_BYTES : TRANSFER_BYTES};
    while (t->bytes > info->max_alloc_bytes || t->bytes > info->global_bytes / 8)
        t->bytes /= 2;
    *subject = (thaw_bench_subject){.verify = verify_transfer,
                                    .run = run_once,
                                    .close = close_transfer,
                                    .user = t,
                                    .bytes = (double)t->bytes,
                                    .figure = THAW_BENCH_BYTES,
                                    .by_host = true};
    return thaw_transfer_open(bench->device, details->kind, t->bytes, &t->transfer);
}

#define PLAN_TRANSFER(id, title, kind, reads)                                                                          \
    {                                                                                                                  \
        THAW_BENCH_DEVICE, id, "transfer", title, open_transfer, &(const transfer_details){kind, reads},               \
            sizeof(transfer_details)                                                                                   \
    }
static const thaw_bench_plan transfers[] = {
    PLAN_TRANSFER("device.transfer.to.pageable", "host to device, from ordinary memory", THAW_TRANSFER_PAGEABLE, false),
    PLAN_TRANSFER("device.transfer.to.pinned", "host to device, from pinned memory", THAW_TRANSFER_PINNED, false),
    PLAN_TRANSFER("device.transfer.to.zero_copy", "host writes into mapped device memory", THAW_TRANSFER_ZERO_COPY,
                  false),
    PLAN_TRANSFER("device.transfer.from.pageable", "device to host, into ordinary memory", THAW_TRANSFER_PAGEABLE,
                  true),
    PLAN_TRANSFER("device.transfer.from.pinned", "device to host, into pinned memory", THAW_TRANSFER_PINNED, true),
    PLAN_TRANSFER("device.transfer.from.zero_copy", "host reads mapped device memory", THAW_TRANSFER_ZERO_COPY, true),
};

thaw_status thaw_bench_plan_transfers(thaw_bench *bench)
{
    return thaw_bench_add_all(bench, transfers, sizeof transfers / sizeof transfers[0]);
}

/* --- compiling --- */

enum { COMPILED_SIDE = 16 };

typedef struct compile_trial {
    thaw_device *device;    /* its own: one that forgets would take the kernels of what else is ready */
    thaw_buffer *a, *b, *c; /* [COMPILED_SIDE][COMPILED_SIDE] */
    uint32_t salt;          /* of the last program: a new one is in nobody's cache */
    bool cold;
} compile_trial;

/* From the source of a matrix product (cl/gemm.cl) to its first result: some drivers compile when a kernel runs first.
 */
static thaw_status compile(void *user)
{
    compile_trial *t = user;
    thaw_kernel *kernel;
    char options[32];
    t->salt += t->cold;
    snprintf(options, sizeof options, "-DSALT=%u", (unsigned)t->salt);
    if (!t->cold)
        THAW_TRY(thaw_device_forget(t->device));
    THAW_TRY(thaw_kernel_get(t->device, "gemm", "gemm", options, &kernel));
    const thaw_range range = {{COMPILED_SIDE / 8, COMPILED_SIDE / 8, 1}, {1, 1, 1}};
    THAW_TRY(thaw_kernel_launch(kernel, range, THAW_INT(COMPILED_SIDE), THAW_INT(COMPILED_SIDE),
                                THAW_INT(COMPILED_SIDE), THAW_FLOAT(1), THAW_BUFFER(t->a), THAW_LONG(0),
                                THAW_LONG(COMPILED_SIDE), THAW_BUFFER(t->b), THAW_LONG(0), THAW_LONG(COMPILED_SIDE),
                                THAW_FLOAT(0), THAW_BUFFER(t->c), THAW_LONG(0), THAW_LONG(COMPILED_SIDE)));
    return thaw_device_finish(t->device);
}

/* Small whole numbers: exact in whatever order. */
static thaw_status verify_compiled(void *user, double *error)
{
    compile_trial *t = user;
    enum { COUNT = COMPILED_SIDE * COMPILED_SIDE };
    float a[COUNT], b[COUNT], c[COUNT];
    for (int i = 0; i < COUNT; i++) {
        a[i] = (float)(i % 7 - 3);
        b[i] = (float)(i % 11 - 5);
    }
    THAW_TRY(thaw_buffer_write(t->a, 0, a, sizeof a));
    THAW_TRY(thaw_buffer_write(t->b, 0, b, sizeof b));
    THAW_TRY(compile(user));
    THAW_TRY(thaw_buffer_read(t->c, 0, c, sizeof c));
    *error = 0;
    for (int i = 0; i < COUNT; i++) {
        float sum = 0;
        for (int k = 0; k < COMPILED_SIDE; k++)
            sum += a[i / COMPILED_SIDE * COMPILED_SIDE + k] * b[k * COMPILED_SIDE + i % COMPILED_SIDE];
        *error = c[i] == sum ? *error : 1;
    }
    return THAW_OK;
}

static void close_compile(void *user)
{
    compile_trial *t = user;
    thaw_buffer_destroy(&t->a);
    thaw_buffer_destroy(&t->b);
    thaw_buffer_destroy(&t->c);
    thaw_device_close(&t->device);
    free(t);
}

static thaw_status open_compile(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                thaw_bench_subject *subject)
{
    const size_t bytes = COMPILED_SIDE * COMPILED_SIDE * sizeof(float);
    char index[24];
    compile_trial *t;
    (void)entry;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (compile_trial){.cold = *(const bool *)job->details, .salt = (uint32_t)(int64_t)(thaw_clock_seconds() * 1e6)};
    *subject = (thaw_bench_subject){.verify = verify_compiled,
                                    .run = compile,
                                    .close = close_compile,
                                    .user = t,
                                    .figure = THAW_BENCH_SECONDS,
                                    .by_host = true,
                                    .single = true};
    snprintf(index, sizeof index, "%zu", thaw_device_describe(bench->device)->index);
    THAW_TRY(thaw_device_open(bench->context, index, &t->device));
    THAW_TRY(thaw_buffer_create(t->device, bytes, &t->a));
    THAW_TRY(thaw_buffer_create(t->device, bytes, &t->b));
    return thaw_buffer_create(t->device, bytes, &t->c);
}

#define PLAN_LATENCY(id, title, waits)                                                                                 \
    {                                                                                                                  \
        THAW_BENCH_DEVICE, id, "latency", title, open_launch, &(const bool){waits}, sizeof(bool)                       \
    }
#define PLAN_COMPILE(id, title, cold)                                                                                  \
    {                                                                                                                  \
        THAW_BENCH_DEVICE, id, "compile", title, open_compile, &(const bool){cold}, sizeof(bool)                       \
    }
static const thaw_bench_plan latencies[] = {
    PLAN_LATENCY("device.latency.launch", "starting a kernel, one after the other without a wait", false),
    PLAN_LATENCY("device.latency.round_trip", "starting a kernel and waiting for it", true),
    PLAN_COMPILE("device.compile.cold", "from a program's source to its first result", true),
    PLAN_COMPILE("device.compile.warm", "the same a second time, with what caches keep", false),
};

thaw_status thaw_bench_plan_latencies(thaw_bench *bench)
{
    return thaw_bench_add_all(bench, latencies, sizeof latencies / sizeof latencies[0]);
}
