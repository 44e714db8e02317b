/* A short piece of multiply-adds, again and again beside what is measured: it takes longer where something else slows
 * the device. */
#ifndef THAW_BENCH_PROBE_H
#define THAW_BENCH_PROBE_H

#include <thaw/device.h>

typedef struct thaw_buffer thaw_buffer;

typedef struct thaw_bench_probe {
    thaw_device *device;
    thaw_buffer *out;
    size_t items;  /* work-items, */
    int32_t width; /* with vectors of so many floats, */
    int32_t steps; /* and so many steps each */
    double latest; /* FLOP/s, */
    double at;     /* which ended then, by the host's clock */
    double *rates; /* [count]: of all times, in order of size */
    size_t count, capacity;
} thaw_bench_probe;

/* Finds how much takes a few milliseconds. To be closed in any case. */
THAW_MUST_CHECK thaw_status thaw_bench_probe_open(thaw_device *device, thaw_bench_probe *probe);
void thaw_bench_probe_close(thaw_bench_probe *probe);
/* FLOP/s, now: runs unless it has just run. */
THAW_MUST_CHECK thaw_status thaw_bench_probe_run(thaw_bench_probe *probe, double *rate);
/* What the device does when nothing slows it, as far as that was seen until now: the upper quartile. 0: not run yet. */
double thaw_bench_probe_usual(const thaw_bench_probe *probe);
/* The most that was seen. */
double thaw_bench_probe_best(const thaw_bench_probe *probe);

#endif
