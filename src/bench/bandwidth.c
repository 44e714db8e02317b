/* The device itself: bandwidth of global memory, as STREAM counts it: what a kernel reads and writes, and not what
 * caches fetch besides. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#define LEAST_BYTES    ((size_t)64 << 20)
#define CHUNK_BYTES    ((size_t)64 << 10) /* a CPU's work-item walks along */
#define TRIAD_FACTOR   0.5f
#define RAMP_MASK      0xffff /* as in cl/bench.cl */
#define COMPARE_FLOATS ((size_t)4 << 20)
#define PARTS          ((size_t)16)

typedef enum bandwidth_kind { READ, COPY, TRIAD } bandwidth_kind;

typedef struct trial {
    thaw_bench *bench;
    bandwidth_kind kind;
    int32_t width;         /* floats to a vector */
    size_t bytes;          /* of each array */
    size_t items;          /* work-items, */
    int32_t steps;         /* vectors for each */
    int32_t apart, beside; /* from a work-item to the next, from one of its vectors to the next: in vectors */
    bool cpu;
    thaw_kernel *kernel;
    thaw_buffer *from, *other, *to;
} trial;

static thaw_status launch(void *user)
{
    const trial *t = user;
    thaw_range range = THAW_RANGE_1(t->items);
    if (t->cpu)
        range.local[0] = 1;
    if (t->kind == TRIAD)
        return thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->to), THAW_BUFFER(t->from), THAW_BUFFER(t->other),
                                  THAW_FLOAT(TRIAD_FACTOR), THAW_INT(t->steps), THAW_INT(t->apart),
                                  THAW_INT(t->beside));
    return thaw_kernel_launch(t->kernel, range, THAW_BUFFER(t->to), THAW_BUFFER(t->from), THAW_INT(t->steps),
                              THAW_INT(t->apart), THAW_INT(t->beside));
}

/* --- what it must give --- */

/* A piece of the result beside what it must be: in parts, on all of the host's processors, since it is long. */
typedef struct comparison {
    const trial *t;
    const float *got; /* [count], from the element `first` on */
    size_t first, count;
    double errors[PARTS]; /* the largest in each; NAN where one is no number */
} comparison;

static double ramp(size_t element)
{
    return (double)(element & RAMP_MASK);
}

static double expect_sum(const trial *t, size_t item)
{
    double sum = 0;
    for (int32_t step = 0; step < t->steps; step++) {
        const size_t vector = item * (size_t)t->apart + (size_t)step * (size_t)t->beside;
        for (int32_t lane = 0; lane < t->width; lane++)
            sum += ramp(vector * (size_t)t->width + (size_t)lane);
    }
    return sum;
}

static double expect(const trial *t, size_t element)
{
    return t->kind == READ ? expect_sum(t, element)
                           : ramp(element) * (t->kind == TRIAD ? 1.0 + (double)TRIAD_FACTOR : 1);
}

static void compare_part(void *user, size_t part)
{
    comparison *c = user;
    double worst = 0;
    for (size_t i = c->count * part / PARTS; i < c->count * (part + 1) / PARTS && !isnan(worst); i++) {
        const double expected = expect(c->t, c->first + i);
        const double found = fabs((double)c->got[i] - expected) / fmax(expected, 1);
        worst = found > worst || isnan(found) ? found : worst;
    }
    c->errors[part] = worst;
}

static thaw_status compare(comparison *c, double *error)
{
    const thaw_parallel parallel = {.count = PARTS, .turn = compare_part, .user = c};
    THAW_TRY(thaw_parallel_run(c->t->bench->context, &parallel));
    for (size_t part = 0; part < PARTS && !isnan(*error); part++)
        *error = c->errors[part] > *error || isnan(c->errors[part]) ? c->errors[part] : *error;
    return THAW_OK;
}

/* All of what it wrote, a piece after the other. */
static thaw_status verify(void *user, double *error)
{
    const trial *t = user;
    const size_t count = t->kind == READ ? t->items : t->bytes / sizeof(float);
    float *piece;
    *error = 0;
    THAW_TRY(launch(user));
    THAW_TRY(thaw_allocate(t->bench->context, COMPARE_FLOATS, sizeof *piece, &piece));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < count && status == THAW_OK; i += COMPARE_FLOATS) {
        comparison c = {.t = t, .got = piece, .first = i};
        c.count = count - i < COMPARE_FLOATS ? count - i : COMPARE_FLOATS;
        status = thaw_buffer_read(t->to, i * sizeof *piece, piece, c.count * sizeof *piece);
        if (status == THAW_OK)
            status = compare(&c, error);
    }
    free(piece);
    return status;
}

/* --- arrays --- */

/* Three arrays together are four times as large as the caches, if there is room: what lies in a cache is not what is to
 * be measured. */
static size_t array_bytes(const thaw_bench *bench)
{
    const thaw_device_info *info = thaw_device_describe(bench->device);
    const size_t wanted = (size_t)(bench->facts.cache_bytes / 3 * 4);
    size_t bytes = wanted > LEAST_BYTES ? wanted : LEAST_BYTES;
    while (bytes > CHUNK_BYTES && (bytes > info->max_alloc_bytes || bytes > info->global_bytes / 8))
        bytes /= 2;
    return bytes / CHUNK_BYTES * CHUNK_BYTES;
}

/* A work-item of a CPU walks along a stretch of memory; those of a GPU go side by side. */
static void divide_work(trial *t)
{
    const size_t vectors = t->bytes / sizeof(float) / (size_t)t->width;
    t->steps = t->cpu ? (int32_t)(CHUNK_BYTES / sizeof(float)) / t->width : 4;
    t->items = vectors / (size_t)t->steps;
    t->apart = t->cpu ? t->steps : 1;
    t->beside = t->cpu ? 1 : (int32_t)t->items;
}

static thaw_status fill_ramp(const trial *t, thaw_buffer *buffer)
{
    thaw_kernel *kernel;
    char options[32];
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)t->width);
    THAW_TRY(thaw_kernel_get(t->bench->device, "bench", "bench_ramp", options, &kernel));
    return thaw_kernel_launch(kernel, THAW_RANGE_1(t->bytes / sizeof(float)), THAW_BUFFER(buffer));
}

static thaw_status prepare(trial *t)
{
    static const struct {
        const char *program, *kernel;
    } rows[] = {[READ] = {"bench", "bench_read"}, [COPY] = {"peak", "peak_copy"}, [TRIAD] = {"bench", "bench_triad"}};
    char options[32];
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)t->width);
    THAW_TRY(thaw_kernel_get(t->bench->device, rows[t->kind].program, rows[t->kind].kernel, options, &t->kernel));
    THAW_TRY(thaw_buffer_create(t->bench->device, t->bytes, &t->from));
    THAW_TRY(fill_ramp(t, t->from));
    THAW_TRY(thaw_buffer_create(t->bench->device, t->kind == READ ? t->items * sizeof(float) : t->bytes, &t->to));
    if (t->kind != TRIAD)
        return THAW_OK;
    THAW_TRY(thaw_buffer_create(t->bench->device, t->bytes, &t->other));
    return fill_ramp(t, t->other);
}

static void close_trial(void *user)
{
    trial *t = user;
    thaw_device *device = t->bench->device;
    thaw_buffer_destroy(&t->from);
    thaw_buffer_destroy(&t->other);
    thaw_buffer_destroy(&t->to);
    thaw_buffer_pool_trim(device); /* nobody else wants buffers of that size */
    free(t);
}

static thaw_status open_trial(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                              thaw_bench_subject *subject)
{
    static const double arrays[] = {[READ] = 1, [COPY] = 2, [TRIAD] = 3};
    trial *t;
    (void)entry;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (trial){.bench = bench,
                 .kind = *(const bandwidth_kind *)job->details,
                 .width = thaw_device_width(bench->device),
                 .bytes = array_bytes(bench),
                 .cpu = strcmp(thaw_device_describe(bench->device)->type, "cpu") == 0};
    *subject = (thaw_bench_subject){.verify = verify,
                                    .run = launch,
                                    .close = close_trial,
                                    .user = t,
                                    .tolerance = 1e-5,
                                    .bytes = arrays[t->kind] * (double)t->bytes,
                                    .flops = t->kind == TRIAD ? 2.0 * (double)t->bytes / sizeof(float) : 0,
                                    .figure = THAW_BENCH_BYTES};
    divide_work(t);
    return prepare(t);
}

#define PLAN(id, title, kind)                                                                                          \
    {                                                                                                                  \
        THAW_BENCH_DEVICE, id, "bandwidth", title, open_trial, &(const bandwidth_kind){kind}, sizeof(bandwidth_kind)   \
    }
static const thaw_bench_plan plans[] = {
    PLAN("device.bandwidth.read", "global memory, read", READ),
    PLAN("device.bandwidth.copy", "global memory, copied: read and written together", COPY),
    PLAN("device.bandwidth.triad", "global memory, a = b + s * c: read and written together", TRIAD),
};

thaw_status thaw_bench_plan_bandwidths(thaw_bench *bench)
{
    return thaw_bench_add_all(bench, plans, sizeof plans / sizeof plans[0]);
}
