/* thaw_measure_bench [ROUNDS]: what `thaw bench` says of this machine's processor beside what programs say that have
 * nothing to do with it: multiply-adds and bandwidths by loops in C with the compiler's best flags (as many threads as
 * there are processors), a matrix product by a few lines around a clock. Both take turns, ROUNDS (7) of each; printed,
 * as Markdown, are the medians over rounds. Each round's figure is a median itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pages.h"
#include "bench/statistics.h"
#include "device/blas.h"
#include "measure_bench_loops.h"

enum { MOST_ROUNDS = 99, LOOP_REPEATS = 15, SIDE = 1024 };

static thaw_context *context;
static thaw_device *device;
static int threads;
static float *arrays[3];
static size_t array_floats;

static void must(thaw_status status)
{
    if (status == THAW_OK)
        return;
    fprintf(stderr, "thaw_measure_bench: %s\n", thaw_error_message(context));
    exit(1);
}

/* What the benchmark says, and how many bytes it moves at a time. */
static double ask_bench(const char *id, double *bytes)
{
    thaw_bench_options options = thaw_bench_defaults();
    thaw_bench_result result;
    options.filter = id;
    options.quick = true;
    must(thaw_bench_run(device, &options, &result));
    if (result.entries[0].outcome != THAW_BENCH_OK) {
        fprintf(stderr, "thaw_measure_bench: %s: %s\n", id, result.entries[0].reason);
        exit(1);
    }
    const double value = result.entries[0].value;
    *bytes = result.entries[0].bytes;
    thaw_bench_result_free(&result);
    return value;
}

static double median(double *numbers, size_t count)
{
    thaw_bench_sort(numbers, count);
    return thaw_bench_quantile(numbers, count, 0.5);
}

static double ask_fma(double bytes)
{
    const long steps = 4000000;
    double rates[LOOP_REPEATS], flops;
    (void)bytes;
    for (size_t i = 0; i < LOOP_REPEATS; i++) {
        const double seconds = loops_fma(threads, steps, &flops);
        rates[i] = flops / seconds * 1e-9;
    }
    return median(rates, LOOP_REPEATS);
}

/* Arrays of the size that the benchmark has. */
static double ask_stream(loops_kind kind, double bytes)
{
    const size_t floats = (size_t)(bytes / sizeof(float)) / (kind == LOOPS_READ ? 1 : kind == LOOPS_COPY ? 2 : 3);
    double rates[LOOP_REPEATS];
    for (int i = 0; i < 3 && array_floats != floats; i++) {
        free(arrays[i]);
        arrays[i] = thaw_pages_allocate(floats * sizeof(float));
        if (!arrays[i])
            exit(1);
        memset(arrays[i], i, floats * sizeof(float));
    }
    array_floats = floats;
    for (size_t i = 0; i <= LOOP_REPEATS; i++) {
        const double seconds = loops_stream(kind, threads, arrays[0], arrays[1], arrays[2], floats);
        if (i > 0) /* the first warms up */
            rates[i - 1] = bytes / seconds * 1e-9;
    }
    return median(rates, LOOP_REPEATS);
}

static double ask_read(double bytes)
{
    return ask_stream(LOOPS_READ, bytes);
}

static double ask_copy(double bytes)
{
    return ask_stream(LOOPS_COPY, bytes);
}

static double ask_triad(double bytes)
{
    return ask_stream(LOOPS_TRIAD, bytes);
}

/* The ten lines. */
static double ask_product(double bytes)
{
    const size_t size = (size_t)SIDE * SIDE * sizeof(float);
    thaw_buffer *a, *b, *c;
    double rates[LOOP_REPEATS];
    (void)bytes;
    must(thaw_buffer_create(device, size, &a));
    must(thaw_buffer_create(device, size, &b));
    must(thaw_buffer_create(device, size, &c));
    must(thaw_buffer_fill(a, 0, 0x3f000000, size)); /* 0.5 */
    must(thaw_buffer_fill(b, 0, 0x3f000000, size));
    const thaw_gemm gemm = {.m = SIDE,
                            .n = SIDE,
                            .k = SIDE,
                            .alpha = 1,
                            .a = a,
                            .b = b,
                            .c = c,
                            .a_stride = SIDE,
                            .b_stride = SIDE,
                            .c_stride = SIDE};
    for (size_t i = 0; i <= LOOP_REPEATS; i++) {
        const double start = thaw_clock_seconds();
        must(thaw_gemm_run_by(device, &gemm, THAW_GEMM_THAW));
        must(thaw_device_finish(device));
        if (i > 0)
            rates[i - 1] = 2.0 * SIDE * SIDE * SIDE / (thaw_clock_seconds() - start) * 1e-9;
    }
    thaw_buffer_destroy(&a);
    thaw_buffer_destroy(&b);
    thaw_buffer_destroy(&c);
    return median(rates, LOOP_REPEATS);
}

static const struct {
    const char *id, *unit;
    double (*ask)(double bytes);
} rows[] = {
    {"device.fma.fp32", "GFLOP/s", ask_fma},
    {"device.bandwidth.read", "GB/s", ask_read},
    {"device.bandwidth.copy", "GB/s", ask_copy},
    {"device.bandwidth.triad", "GB/s", ask_triad},
    {"kernels.gemm.1024x1024x1024.thaw", "GFLOP/s", ask_product},
};

static void compare(size_t row, size_t rounds)
{
    double ours[MOST_ROUNDS], theirs[MOST_ROUNDS], ratios[MOST_ROUNDS], bytes = 0;
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = ask_bench(rows[row].id, &bytes);
        theirs[i] = rows[row].ask(bytes);
        ratios[i] = ours[i] / theirs[i];
    }
    const double a = median(ours, rounds), b = median(theirs, rounds);
    thaw_bench_sort(ratios, rounds);
    printf("| `%s` | %.1f %s | %.1f | %+.1f %% | %+.1f to %+.1f %% |\n", rows[row].id, a, rows[row].unit, b,
           100 * (thaw_bench_quantile(ratios, rounds, 0.5) - 1), 100 * (ratios[0] - 1), 100 * (ratios[rounds - 1] - 1));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const int wanted = argc > 1 ? atoi(argv[1]) : 7;
    const size_t rounds = wanted < 1 ? 1 : wanted > MOST_ROUNDS ? MOST_ROUNDS : (size_t)wanted;
    threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (thaw_context_create(&context) != THAW_OK)
        return 1;
    must(thaw_device_open(context, NULL, &device));
    puts("| figure | thaw bench | independent | median of the ratios | all rounds |\n| --- | --- | --- | --- | --- |");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        compare(i, rounds);
    thaw_device_close(&device);
    thaw_context_destroy(&context);
    for (int i = 0; i < 3; i++)
        free(arrays[i]);
    return 0;
}
