/* A short, known piece of work, again and again beside what is measured: it takes longer where something else slows the
 * device. Multiply-adds in registers see a clock that moved and a core that is shared; reading local memory (on a
 * processor, its first cache) also sees others that share a core's units without taking it away. */
#ifndef THAW_BENCH_PROBE_H
#define THAW_BENCH_PROBE_H

#include <thaw/device.h>

typedef struct thaw_buffer thaw_buffer;

enum { THAW_BENCH_PROBE_PARTS = 2 };

typedef struct thaw_bench_probe {
    thaw_device *device;
    thaw_buffer *out;
    size_t items;                          /* work-items, */
    size_t group;                          /* in groups of so many, */
    int32_t width;                         /* with vectors of so many floats, */
    int32_t steps[THAW_BENCH_PROBE_PARTS]; /* and so many steps each */
    double latest;                         /* pace, */
    double at;                             /* which ended then, by the host's clock */
    double *paces;                         /* [count]: of all times, in order of size */
    size_t count, capacity;
    double best_flops; /* FLOP/s, the most that was seen; 0: not run yet */
} thaw_bench_probe;

/* Finds how much takes a few milliseconds. To be closed in any case. */
THAW_MUST_CHECK thaw_status thaw_bench_probe_open(thaw_device *device, thaw_bench_probe *probe);
void thaw_bench_probe_close(thaw_bench_probe *probe);
/* How often the device does 1e9 multiply-adds' operations and then reads 1e9 bytes of local memory in a second, now:
 * runs some of both unless it has just run. */
THAW_MUST_CHECK thaw_status thaw_bench_probe_run(thaw_bench_probe *probe, double *pace);
/* The pace when nothing slows the device, as far as that was seen until now: its 90th percentile. 0: not run yet. */
double thaw_bench_probe_usual(const thaw_bench_probe *probe);

#endif
