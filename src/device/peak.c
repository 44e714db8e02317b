#include "device/peak.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "device/kernel.h"

#define CHAINS           12 /* as in cl/peak.cl */
#define LAUNCH_SECONDS   0.02
#define LAUNCHES         5
#define MOST_STEPS       (1 << 24)
#define COPY_BYTES       ((size_t)64 << 20) /* of each of two buffers: beyond the caches */
#define COPY_CHUNK_BYTES ((size_t)64 << 10) /* a CPU's work-item walks along */

typedef struct trial {
    thaw_device *device;
    int32_t width; /* floats to a vector */
    bool cpu;
} trial;

static thaw_status get_kernel(const trial *t, const char *name, thaw_kernel **kernel)
{
    char options[32];
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)t->width);
    return thaw_kernel_get(t->device, "peak", name, options, kernel);
}

static thaw_status time_fma(const trial *t, thaw_kernel *kernel, thaw_buffer *out, size_t items, int32_t steps,
                            double *seconds)
{
    thaw_range range = THAW_RANGE_1(items);
    if (t->cpu)
        range.local[0] = 1;
    const double start = thaw_clock_seconds();
    /* A factor below 1 keeps the numbers away from infinity and from denormals. */
    THAW_TRY(
        thaw_kernel_launch(kernel, range, THAW_BUFFER(out), THAW_INT(steps), THAW_FLOAT(0.999f), THAW_FLOAT(0.5f)));
    THAW_TRY(thaw_device_finish(t->device));
    *seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

/* Launches that grow until one takes long enough for its start not to count, then some of that length. */
static thaw_status measure_fma_with(const trial *t, thaw_buffer *out, size_t items, double *best)
{
    thaw_kernel *kernel;
    double seconds = 0;
    int32_t steps = 64;
    THAW_TRY(get_kernel(t, "peak_fma", &kernel));
    THAW_TRY(time_fma(t, kernel, out, items, 1, &seconds)); /* the driver's first launch may compile */
    while (steps < MOST_STEPS) {
        THAW_TRY(time_fma(t, kernel, out, items, steps, &seconds));
        if (seconds > LAUNCH_SECONDS)
            break;
        steps *= seconds > LAUNCH_SECONDS / 2 ? 2 : 4;
    }
    const double flops = 2.0 * CHAINS * t->width * (double)steps * (double)items;
    for (int i = 0; i < LAUNCHES; i++) {
        if (flops / seconds > *best)
            *best = flops / seconds;
        THAW_TRY(time_fma(t, kernel, out, items, steps, &seconds));
    }
    return THAW_OK;
}

static thaw_status measure_fma(const trial *t, double *best)
{
    const size_t units = thaw_device_describe(t->device)->compute_units;
    const size_t items = (units ? units : 1) * (t->cpu ? 4 : 2048);
    thaw_buffer *out;
    THAW_TRY(thaw_buffer_create(t->device, items * sizeof(float), &out));
    const thaw_status status = measure_fma_with(t, out, items, best);
    thaw_buffer_destroy(&out);
    return status;
}

/* A work-item of a CPU copies a stretch of memory; those of a GPU go side by side. */
static thaw_status measure_copy_with(const trial *t, thaw_buffer *from, thaw_buffer *to, size_t bytes, double *best)
{
    const size_t vector_bytes = (size_t)t->width * sizeof(float), vectors = bytes / vector_bytes;
    const size_t steps = t->cpu ? COPY_CHUNK_BYTES / vector_bytes : 4, items = vectors / steps;
    thaw_kernel *kernel;
    thaw_range range = THAW_RANGE_1(items);
    if (t->cpu)
        range.local[0] = 1;
    THAW_TRY(get_kernel(t, "peak_copy", &kernel));
    THAW_TRY(thaw_buffer_fill(from, 0, 0, bytes)); /* memory that was never written may not exist yet */
    for (int i = 0; i <= LAUNCHES; i++) {
        const double start = thaw_clock_seconds();
        THAW_TRY(thaw_kernel_launch(kernel, range, THAW_BUFFER(to), THAW_BUFFER(from), THAW_INT(steps),
                                    THAW_INT(t->cpu ? steps : 1), THAW_INT(t->cpu ? 1 : items)));
        THAW_TRY(thaw_device_finish(t->device));
        const double rate = 2.0 * (double)(items * steps * vector_bytes) / (thaw_clock_seconds() - start);
        if (i > 0 && rate > *best)
            *best = rate;
    }
    return THAW_OK;
}

static thaw_status measure_copy(const trial *t, double *best)
{
    const thaw_device_info *info = thaw_device_describe(t->device);
    size_t bytes = COPY_BYTES;
    while (bytes > COPY_CHUNK_BYTES && (bytes > info->max_alloc_bytes || bytes > info->global_bytes / 8))
        bytes /= 2;
    thaw_buffer *from = NULL, *to = NULL;
    thaw_status status = thaw_buffer_create(t->device, bytes, &from);
    if (status == THAW_OK)
        status = thaw_buffer_create(t->device, bytes, &to);
    if (status == THAW_OK)
        status = measure_copy_with(t, from, to, bytes, best);
    thaw_buffer_destroy(&from);
    thaw_buffer_destroy(&to);
    return status;
}

thaw_status thaw_peak_measure(thaw_device *device, thaw_peak *peak)
{
    const thaw_device_info *info = thaw_device_describe(device);
    const bool cpu = strcmp(info->type, "cpu") == 0;
    const uint32_t native = cpu ? info->native_float_width : 1;
    const trial t = {.device = device, .cpu = cpu, .width = native >= 16 ? 16 : native >= 8 ? 8 : native >= 4 ? 4 : 1};
    THAW_TRY(measure_fma(&t, &peak->flops_per_second));
    const thaw_status status = measure_copy(&t, &peak->copy_bytes_per_second);
    thaw_buffer_pool_trim(device); /* nobody else wants buffers of that size */
    return status;
}
