#include "bench/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/memory.h"
#include "bench/statistics.h"
#include "device/buffer.h"
#include "device/kernel.h"

#define CHAINS         12 /* as in cl/peak.cl */
#define LAUNCH_SECONDS 0.0015
#define LAUNCHES       2 /* the better one counts: a thread that wakes up late is nothing that lasts */
#define MOST_STEPS     (1 << 24)
#define JUST_NOW       0.0005 /* seconds: the end of one round is the beginning of the next */

/* Looked up each time: thaw_device_forget() may have come between. */
static thaw_status launch(const thaw_bench_probe *probe, double *seconds)
{
    const thaw_range range = {{probe->items, 1, 1}, {1, 1, 1}};
    char options[32];
    thaw_kernel *kernel;
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)probe->width);
    THAW_TRY(thaw_kernel_get(probe->device, "peak", "peak_fma", options, &kernel));
    THAW_TRY(thaw_device_finish(probe->device));
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_kernel_launch(kernel, range, THAW_BUFFER(probe->out), THAW_INT(probe->steps), THAW_FLOAT(0.999f),
                                THAW_FLOAT(0.5f)));
    THAW_TRY(thaw_device_finish(probe->device));
    *seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

thaw_status thaw_bench_probe_open(thaw_device *device, thaw_bench_probe *probe)
{
    const thaw_device_info *info = thaw_device_describe(device);
    const bool cpu = strcmp(info->type, "cpu") == 0;
    double seconds = 0;
    *probe = (thaw_bench_probe){.device = device,
                                .items = (info->compute_units ? info->compute_units : 1) * (cpu ? 16 : 2048),
                                .width = thaw_device_width(device),
                                .steps = 16};
    THAW_TRY(thaw_buffer_create(device, probe->items * sizeof(float), &probe->out));
    THAW_TRY(launch(probe, &seconds)); /* compiles */
    THAW_TRY(launch(probe, &seconds));
    while (seconds < LAUNCH_SECONDS && probe->steps < MOST_STEPS) {
        probe->steps *= seconds < LAUNCH_SECONDS / 8 ? 8 : 2;
        THAW_TRY(launch(probe, &seconds));
    }
    return THAW_OK;
}

void thaw_bench_probe_close(thaw_bench_probe *probe)
{
    thaw_buffer_destroy(&probe->out);
    free(probe->rates);
    *probe = (thaw_bench_probe){0};
}

/* In order, for quantiles. */
static thaw_status keep(thaw_bench_probe *probe, double rate)
{
    THAW_TRY(thaw_reserve(thaw_device_context(probe->device), &probe->rates, &probe->capacity, probe->count + 1,
                          sizeof *probe->rates));
    size_t at = probe->count++;
    for (; at > 0 && probe->rates[at - 1] > rate; at--)
        probe->rates[at] = probe->rates[at - 1];
    probe->rates[at] = rate;
    return THAW_OK;
}

thaw_status thaw_bench_probe_run(thaw_bench_probe *probe, double *rate)
{
    const double flops = 2.0 * CHAINS * probe->width * (double)probe->steps * (double)probe->items;
    double seconds;
    *rate = probe->latest;
    if (probe->count > 0 && thaw_clock_seconds() - probe->at < JUST_NOW)
        return THAW_OK;
    *rate = 0;
    for (int i = 0; i < LAUNCHES; i++) {
        THAW_TRY(launch(probe, &seconds));
        *rate = fmax(*rate, flops / seconds);
    }
    probe->latest = *rate;
    probe->at = thaw_clock_seconds();
    return keep(probe, *rate);
}

double thaw_bench_probe_usual(const thaw_bench_probe *probe)
{
    return probe->count ? thaw_bench_quantile(probe->rates, probe->count, 0.75) : 0;
}

double thaw_bench_probe_best(const thaw_bench_probe *probe)
{
    return probe->count ? probe->rates[probe->count - 1] : 0;
}
