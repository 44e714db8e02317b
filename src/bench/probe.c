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

#define CHAINS        12  /* as in cl/peak.cl */
#define LOCAL_VECTORS 8   /* as in cl/bench.cl */
#define UNIT          1e9 /* operations, and bytes, that the pace counts */
#define LAUNCHES      2   /* the better one counts: a thread that wakes up late is nothing that lasts */
#define MOST_STEPS    (1 << 24)
#define JUST_NOW      0.0005 /* seconds: the end of one round is the beginning of the next */
#define UNDISTURBED   0.9    /* the share of times that were slower */

typedef enum part { ARITHMETIC, LOCAL_READS } part;

static const double part_seconds[THAW_BENCH_PROBE_PARTS] = {[ARITHMETIC] = 0.001, [LOCAL_READS] = 0.002};

static thaw_status get_kernel(const thaw_bench_probe *probe, part p, thaw_kernel **kernel)
{
    char options[64];
    int length = snprintf(options, sizeof options, "-DWIDTH=%d", (int)probe->width);
    if (p == LOCAL_READS)
        snprintf(options + length, sizeof options - (size_t)length, " -DGROUP=%zu -DROWS=%zu", probe->group,
                 probe->group > 1 ? probe->group : 16);
    return p == LOCAL_READS ? thaw_kernel_get(probe->device, "bench", "bench_local", options, kernel)
                            : thaw_kernel_get(probe->device, "peak", "peak_fma", options, kernel);
}

static thaw_status launch(const thaw_bench_probe *probe, part p, double *seconds)
{
    const thaw_range range = {{probe->items, 1, 1}, {probe->group, 1, 1}};
    const thaw_argument arguments[] = {THAW_BUFFER(probe->out), THAW_INT(probe->steps[p]), THAW_FLOAT(0.999f),
                                       THAW_FLOAT(0.5f)};
    thaw_kernel *kernel;
    THAW_TRY(get_kernel(probe, p, &kernel));
    THAW_TRY(thaw_device_finish(probe->device));
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_kernel_run(kernel, range, arguments, p == LOCAL_READS ? 2 : 4));
    THAW_TRY(thaw_device_finish(probe->device));
    *seconds = thaw_clock_seconds() - start;
    return THAW_OK;
}

static thaw_status find_steps(thaw_bench_probe *probe, part p)
{
    double seconds;
    probe->steps[p] = 16;
    THAW_TRY(launch(probe, p, &seconds)); /* compiles */
    THAW_TRY(launch(probe, p, &seconds));
    while (seconds < part_seconds[p] && probe->steps[p] < MOST_STEPS) {
        probe->steps[p] *= seconds < part_seconds[p] / 8 ? 8 : 2;
        THAW_TRY(launch(probe, p, &seconds));
    }
    return THAW_OK;
}

thaw_status thaw_bench_probe_open(thaw_device *device, thaw_bench_probe *probe)
{
    const thaw_device_info *info = thaw_device_describe(device);
    const bool cpu = strcmp(info->type, "cpu") == 0;
    *probe = (thaw_bench_probe){.device = device,
                                .items = (info->compute_units ? info->compute_units : 1) * (cpu ? 16 : 2048),
                                .group = cpu                           ? 1
                                         : info->max_work_group >= 256 ? 256
                                                                       : 32,
                                .width = thaw_device_width(device)};
    THAW_TRY(thaw_buffer_create(device, probe->items * sizeof(float), &probe->out));
    THAW_TRY(find_steps(probe, ARITHMETIC));
    return find_steps(probe, LOCAL_READS);
}

void thaw_bench_probe_close(thaw_bench_probe *probe)
{
    thaw_buffer_destroy(&probe->out);
    free(probe->paces);
    *probe = (thaw_bench_probe){0};
}

/* In order, for quantiles. */
static thaw_status keep(thaw_bench_probe *probe, double pace)
{
    THAW_TRY(thaw_reserve(thaw_device_context(probe->device), &probe->paces, &probe->capacity, probe->count + 1,
                          sizeof *probe->paces));
    size_t at = probe->count++;
    for (; at > 0 && probe->paces[at - 1] > pace; at--)
        probe->paces[at] = probe->paces[at - 1];
    probe->paces[at] = pace;
    return THAW_OK;
}

static thaw_status time_part(const thaw_bench_probe *probe, part p, double *seconds)
{
    double now;
    *seconds = INFINITY;
    for (int i = 0; i < LAUNCHES; i++) {
        THAW_TRY(launch(probe, p, &now));
        *seconds = fmin(*seconds, now);
    }
    return THAW_OK;
}

thaw_status thaw_bench_probe_run(thaw_bench_probe *probe, double *pace)
{
    const double vectors = (double)probe->width * (double)probe->items;
    const double flops = 2.0 * CHAINS * vectors * (double)probe->steps[ARITHMETIC];
    const double bytes = LOCAL_VECTORS * sizeof(float) * vectors * (double)probe->steps[LOCAL_READS];
    double arithmetic, reads;
    *pace = probe->latest;
    if (probe->count > 0 && thaw_clock_seconds() - probe->at < JUST_NOW)
        return THAW_OK;
    THAW_TRY(time_part(probe, ARITHMETIC, &arithmetic));
    THAW_TRY(time_part(probe, LOCAL_READS, &reads));
    *pace = 1 / (arithmetic * UNIT / flops + reads * UNIT / bytes);
    probe->best_flops = fmax(probe->best_flops, flops / arithmetic);
    probe->latest = *pace;
    probe->at = thaw_clock_seconds();
    return keep(probe, *pace);
}

double thaw_bench_probe_usual(const thaw_bench_probe *probe)
{
    return probe->count ? thaw_bench_quantile(probe->paces, probe->count, UNDISTURBED) : 0;
}
