/* thaw_measure_gemm PRODUCT...: how fast matrix products are here, each algorithm beside the peak of multiply-adds.
 *
 * PRODUCT: MxNxK, then perhaps ":" and letters: a, b: that operand is stored transposed; w: B is packed once, as
 * constant weights are; h: the same in 16-bit floats. All ways to compute one take turns, in one process with
 * cl/peak.cl, in many short rounds; printed is the best of each, as Markdown. THAW_MEASURE_SECONDS: how long a product
 * is measured (2). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>

#include "base/clock.h"
#include "base/random.h"
#include "device/gemm_packed.h"

#define TURN_SECONDS 0.03
#define PEAK_STEPS   1000000
#define PEAK_ITEMS   8
#define SLOW_SECONDS 0.04 /* what takes longer is seen well in two rounds */
#define CHAINS       12   /* as in cl/peak.cl */

/* For THAW_ALGORITHM; first what Thaw chooses itself. */
static const char *const algorithms[] = {NULL, "packed", "dot", "plain", "clblast"};
#define ALGORITHMS (sizeof algorithms / sizeof algorithms[0])

static thaw_device *device;

typedef struct subject {
    thaw_gemm gemm;
    bool packed_once;
    thaw_precision precision;
    thaw_buffer *a, *b, *c; /* gemm's */
} subject;

/* One of the ways that take turns. */
typedef struct runner {
    const char *algorithm; /* for THAW_ALGORITHM; NULL: thaw's own choice */
    int repeats;
    double best; /* seconds */
} runner;

static void must(thaw_status status)
{
    if (status == THAW_OK)
        return;
    fprintf(stderr, "thaw_measure_gemm: %s\n", thaw_error_message(thaw_device_context(device)));
    exit(1);
}

static thaw_buffer *random_matrix(int64_t elements, float **host)
{
    thaw_random random = {(uint64_t)elements};
    thaw_buffer *buffer;
    *host = malloc((size_t)elements * sizeof(float));
    if (!*host)
        exit(1);
    for (int64_t i = 0; i < elements; i++)
        (*host)[i] = (float)(thaw_random_uniform(&random) - 0.5);
    must(thaw_buffer_create(device, (size_t)elements * sizeof(float), &buffer));
    must(thaw_buffer_write(buffer, 0, *host, (size_t)elements * sizeof(float)));
    return buffer;
}

static void run(const subject *s, const char *algorithm)
{
    if (s->packed_once) {
        static const thaw_gemm_finish finish = {.options = ""};
        must(thaw_gemm_run_panels(device, &s->gemm, s->precision, &finish));
        return;
    }
    if (algorithm)
        setenv("THAW_ALGORITHM", algorithm, 1);
    else
        unsetenv("THAW_ALGORITHM");
    must(thaw_gemm_run(device, &s->gemm));
}

static double time_runs(const subject *s, const char *algorithm, int count)
{
    const double start = thaw_clock_seconds();
    for (int i = 0; i < count; i++)
        run(s, algorithm);
    must(thaw_device_finish(device));
    return (thaw_clock_seconds() - start) / count;
}

static void warm_up(const subject *s, runner *r)
{
    time_runs(s, r->algorithm, 1);
    r->best = time_runs(s, r->algorithm, 1);
    const double wanted = TURN_SECONDS / r->best;
    r->repeats = wanted < 1 ? 1 : wanted > 2000 ? 2000 : (int)wanted;
}

/* FLOP/s of multiply-adds in registers, once. */
static double measure_peak(void)
{
    static thaw_buffer *out;
    thaw_kernel *kernel;
    char options[32];
    const int32_t likes = thaw_device_width(device), width = likes > 1 ? likes : 4;
    snprintf(options, sizeof options, "-DWIDTH=%d", (int)width);
    if (!out)
        must(thaw_buffer_create(device, PEAK_ITEMS * sizeof(float), &out));
    must(thaw_kernel_get(device, "peak", "peak_fma", options, &kernel));
    const double start = thaw_clock_seconds();
    must(thaw_kernel_launch(kernel, ((thaw_range){{PEAK_ITEMS, 1, 1}, {1, 1, 1}}), THAW_BUFFER(out),
                            THAW_INT(PEAK_STEPS), THAW_FLOAT(0.999f), THAW_FLOAT(0.5f)));
    must(thaw_device_finish(device));
    return 2.0 * CHAINS * width * PEAK_STEPS * PEAK_ITEMS / (thaw_clock_seconds() - start);
}

static void make_subject(const char *text, subject *s)
{
    long long m, n, k;
    int length = 0;
    if (sscanf(text, "%lldx%lldx%lld%n", &m, &n, &k, &length) != 3 || m < 1 || n < 1 || k < 1) {
        fprintf(stderr, "thaw_measure_gemm: '%s' is no product: MxNxK[:abwh]\n", text);
        exit(2);
    }
    const char *letters = text + length;
    float *host_a, *host_b, *host_c;
    *s = (subject){.packed_once = strpbrk(letters, "wh"),
                   .precision = strchr(letters, 'h') ? THAW_PRECISION_FP16 : THAW_PRECISION_FP32};
    s->gemm = (thaw_gemm){
        .transpose_a = strchr(letters, 'a'), .transpose_b = strchr(letters, 'b'), .m = m, .n = n, .k = k, .alpha = 1};
    s->gemm.a_stride = s->gemm.transpose_a ? m : k;
    s->gemm.b_stride = s->gemm.transpose_b ? k : n;
    s->gemm.c_stride = n;
    s->gemm.a = s->a = random_matrix(m * k, &host_a);
    s->b = random_matrix(k * n, &host_b);
    s->gemm.c = s->c = random_matrix(m * n, &host_c);
    if (s->packed_once) {
        thaw_buffer_destroy(&s->b);
        must(thaw_gemm_pack(device, host_b, s->gemm.transpose_b, n, k, s->precision, &s->b));
    }
    s->gemm.b = s->b;
    free(host_a);
    free(host_b);
    free(host_c);
}

static void free_subject(subject *s)
{
    thaw_buffer_destroy(&s->a);
    thaw_buffer_destroy(&s->b);
    thaw_buffer_destroy(&s->c);
}

/* Lets the runners and the peak take turns for so long; the best FLOP/s of the peak. */
static double take_turns(const subject *s, runner *runners, size_t count, double seconds)
{
    const double start = thaw_clock_seconds();
    double peak = 0;
    for (int round = 0; round < 5 || thaw_clock_seconds() - start < seconds; round++) {
        const double now = measure_peak();
        peak = now > peak ? now : peak;
        for (size_t i = 0; i < count; i++) {
            if (round > 1 && runners[i].best > SLOW_SECONDS)
                continue;
            const double time = time_runs(s, runners[i].algorithm, runners[i].repeats);
            runners[i].best = time < runners[i].best ? time : runners[i].best;
        }
    }
    return peak;
}

static void measure(const char *text, double seconds)
{
    subject s;
    runner runners[ALGORITHMS] = {{0}};
    make_subject(text, &s);
    const size_t count = s.packed_once ? 1 : ALGORITHMS;
    for (size_t i = 0; i < count; i++) {
        runners[i].algorithm = algorithms[i];
        warm_up(&s, &runners[i]);
    }
    const double peak = take_turns(&s, runners, count, seconds);
    const double flops = 2.0 * (double)s.gemm.m * (double)s.gemm.n * (double)s.gemm.k;
    printf("| %s | %.0f | %.1f | %.1f %% | %.1f |", text, peak / 1e9, flops / runners[0].best / 1e9,
           100 * flops / runners[0].best / peak, runners[0].best * 1e6);
    if (s.packed_once)
        printf(" %.1f |", (double)s.gemm.n * (double)s.gemm.k * (s.precision == THAW_PRECISION_FP16 ? 2 : 4) /
                              runners[0].best / 1e9);
    for (size_t i = 1; i < count; i++)
        printf(" %.1f |", flops / runners[i].best / 1e9);
    putchar('\n');
    fflush(stdout);
    free_subject(&s);
}

int main(int argc, char **argv)
{
    thaw_context *context;
    const char *seconds = getenv("THAW_MEASURE_SECONDS");
    if (thaw_context_create(&context) != THAW_OK || thaw_device_open(context, NULL, &device) != THAW_OK) {
        fputs("thaw_measure_gemm: no device\n", stderr);
        return 1;
    }
    puts("| product | peak GFLOP/s | GFLOP/s | of the peak | us | packed, dot, plain, CLBlast: GFLOP/s; or weights: "
         "GB/s |");
    for (int i = 1; i < argc; i++)
        measure(argv[i], seconds ? atof(seconds) : 2);
    thaw_device_close(&device);
    thaw_context_destroy(&context);
    return 0;
}
