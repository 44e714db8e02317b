/* Kernels: matrix products, by CLBlast and by Thaw's own. */
#include "bench/bench.h"
#include "bench/compare.h"
#include "device/blas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORST_ERROR 1e-4 /* of the largest element; as the tuner has it */
/* Products of numbers that the reference computes. */
#define REFERENCE_PRODUCTS 4000000
#define LEAST_SAMPLES      256

typedef struct product {
    const char *what;
    int64_t m, n, k;
    bool transpose_b; /* as weights of fully connected layers lie in their files */
    bool quick;       /* part of a quick run */
} product;

static const product products[] = {
    {"square", 512, 512, 512, false, false},
    {"square", 1024, 1024, 1024, false, true},
    {"square", 2048, 2048, 2048, false, false},
    {"tall", 16384, 64, 256, false, true},
    {"a batch's images merged", 25088, 256, 64, false, false},
    {"a batch's images merged", 1568, 1024, 256, false, true},
    {"a vision transformer's layer", 1576, 3072, 768, true, false},
    {"batch 1", 1, 1000, 2048, true, true},
    {"batch 1", 1, 4096, 4096, true, false},
};

typedef struct details {
    product p;
    thaw_gemm_maker maker;
} details;

typedef struct trial {
    thaw_bench *bench;
    thaw_gemm_maker maker;
    thaw_gemm gemm;
    thaw_buffer *a, *b, *c;
    float *host_a, *host_b; /* as stored */
} trial;

static thaw_status run(void *user)
{
    const trial *t = user;
    return thaw_gemm_run_by(t->bench->device, &t->gemm, t->maker);
}

static double reference(const void *user, int64_t element)
{
    const trial *t = user;
    const thaw_gemm *g = &t->gemm;
    const int64_t row = element / g->n, column = element % g->n;
    double sum = 0;
    for (int64_t i = 0; i < g->k; i++)
        sum += (double)t->host_a[row * g->k + i] *
               (double)t->host_b[g->transpose_b ? column * g->k + i : i * g->n + column];
    return sum;
}

static thaw_status verify(void *user, double *error)
{
    const trial *t = user;
    const int64_t count = t->gemm.m * t->gemm.n, affordable = REFERENCE_PRODUCTS / t->gemm.k;
    const uint32_t nan_pattern = 0x7fc00000;
    const size_t bytes = (size_t)count * sizeof(float);
    float *got;
    THAW_TRY(thaw_buffer_fill(t->c, 0, nan_pattern, bytes)); /* what is not written shows */
    THAW_TRY(run(user));
    THAW_TRY(thaw_allocate(t->bench->context, (size_t)count, sizeof *got, &got));
    const thaw_status status = thaw_buffer_read(t->c, 0, got, bytes);
    if (status == THAW_OK)
        *error = thaw_bench_compare(got, count, affordable > LEAST_SAMPLES ? affordable : LEAST_SAMPLES,
                                    t->bench->options.seed, reference, t);
    free(got);
    return status;
}

static thaw_status make_matrix(thaw_bench *bench, uint64_t seed, int64_t count, float **host, thaw_buffer **buffer)
{
    THAW_TRY(thaw_allocate(bench->context, (size_t)count, sizeof **host, host));
    THAW_TRY(thaw_buffer_create(bench->device, (size_t)count * sizeof **host, buffer));
    return thaw_bench_random(bench, seed, (size_t)count, *host, *buffer);
}

static thaw_status prepare(trial *t, const product *p)
{
    const uint64_t seed = t->bench->options.seed;
    THAW_TRY(make_matrix(t->bench, 2 * seed, p->m * p->k, &t->host_a, &t->a));
    THAW_TRY(make_matrix(t->bench, 2 * seed + 1, p->k * p->n, &t->host_b, &t->b));
    THAW_TRY(thaw_buffer_create(t->bench->device, (size_t)(p->m * p->n) * sizeof(float), &t->c));
    t->gemm = (thaw_gemm){.transpose_b = p->transpose_b,
                          .m = p->m,
                          .n = p->n,
                          .k = p->k,
                          .alpha = 1,
                          .a = t->a,
                          .b = t->b,
                          .c = t->c,
                          .a_stride = p->k,
                          .b_stride = p->transpose_b ? p->k : p->n,
                          .c_stride = p->n};
    return THAW_OK;
}

static void close_trial(void *user)
{
    trial *t = user;
    thaw_buffer_destroy(&t->a);
    thaw_buffer_destroy(&t->b);
    thaw_buffer_destroy(&t->c);
    free(t->host_a);
    free(t->host_b);
    free(t);
}

static thaw_status open_product(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                thaw_bench_subject *subject)
{
    const details *d = job->details;
    const double m = (double)d->p.m, n = (double)d->p.n, k = (double)d->p.k;
    trial *t;
    THAW_TRY(thaw_allocate(bench->context, 1, sizeof *t, &t));
    *t = (trial){.bench = bench, .maker = d->maker};
    *subject = (thaw_bench_subject){.verify = verify,
                                    .run = run,
                                    .close = close_trial,
                                    .user = t,
                                    .tolerance = WORST_ERROR,
                                    .flops = 2 * m * n * k,
                                    .bytes = sizeof(float) * (m * k + k * n + m * n),
                                    .figure = THAW_BENCH_FLOPS};
    THAW_TRY(prepare(t, &d->p));
    return thaw_copy_text(bench->context, thaw_gemm_algorithm(bench->device, &t->gemm, t->maker), &entry->algorithm);
}

static thaw_status plan_product(thaw_bench *bench, const product *p, thaw_gemm_maker maker)
{
    const char *name = maker == THAW_GEMM_CLBLAST ? "clblast" : "thaw";
    const details d = {*p, maker};
    char id[96], title[128];
    snprintf(id, sizeof id, "kernels.gemm.%" PRId64 "x%" PRId64 "x%" PRId64 "%s.%s", p->m, p->n, p->k,
             p->transpose_b ? "t" : "", name);
    snprintf(title, sizeof title, "%s: %" PRId64 " x %" PRId64 " over %" PRId64 ", by %s", p->what, p->m, p->n, p->k,
             maker == THAW_GEMM_CLBLAST ? "CLBlast" : "Thaw");
    const thaw_bench_plan plan = {.section = THAW_BENCH_KERNELS,
                                  .id = id,
                                  .group = "gemm",
                                  .title = title,
                                  .open = open_product,
                                  .details = &d,
                                  .details_bytes = sizeof d};
    return thaw_bench_add(bench, &plan);
}

thaw_status thaw_bench_plan_products(thaw_bench *bench)
{
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        if (bench->options.quick && !products[i].quick)
            continue;
        THAW_TRY(plan_product(bench, &products[i], THAW_GEMM_THAW));
        THAW_TRY(plan_product(bench, &products[i], THAW_GEMM_CLBLAST));
    }
    return THAW_OK;
}
