#include "measure_bench_loops.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* As wide as the machine's vectors. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

enum { MOST_THREADS = 256, CHAINS = 12, LANES = VECTOR_BYTES / 4, PIECES = 32 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Pieces of work, which threads take one after the other: cores need not be equally fast. */
typedef struct work {
    void (*piece)(const struct work *work, size_t index);
    atomic_size_t next;
    size_t count;
    pthread_barrier_t begin;
    long steps;
    loops_kind kind;
    float *to;
    const float *from, *other;
    size_t floats, piece_floats;
} work;

static _Atomic float sink; /* so that nothing can be left out */

static void take_pieces(work *w)
{
    for (;;) {
        const size_t index = atomic_fetch_add(&w->next, 1);
        if (index >= w->count)
            return;
        w->piece(w, index);
    }
}

static void *run_thread(void *user)
{
    work *w = user;
    pthread_barrier_wait(&w->begin);
    take_pieces(w);
    return NULL;
}

/* Seconds from when all threads are there until all are done. */
static double run_threads(work *w, int threads)
{
    pthread_t others[MOST_THREADS];
    if (threads < 1 || threads > MOST_THREADS || pthread_barrier_init(&w->begin, NULL, (unsigned)threads))
        abort();
    for (int i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, run_thread, w))
            abort();
    pthread_barrier_wait(&w->begin);
    const double start = now();
    take_pieces(w);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    const double seconds = now() - start;
    pthread_barrier_destroy(&w->begin);
    return seconds;
}

/* Chains that don't wait for each other hide the latency of two units. */
static void fma_piece(const work *w, size_t index)
{
    vector x[CHAINS], sum = {0};
    for (int c = 0; c < CHAINS; c++)
        x[c] = (vector){0} + (float)index + (float)c;
    for (long step = 0; step < w->steps; step++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            x[c] = x[c] * 0.999f + 0.5f;
    for (int c = 0; c < CHAINS; c++)
        sum += x[c];
    sink = sum[0] + sum[LANES - 1];
}

double loops_fma(int threads, long steps, double *flops)
{
    work w = {.piece = fma_piece, .count = (size_t)threads * PIECES, .steps = steps / PIECES};
    *flops = 2.0 * CHAINS * LANES * (double)w.steps * (double)w.count;
    return run_threads(&w, threads);
}

static void copy(float *restrict to, const float *restrict from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}

static void triad(float *restrict to, const float *restrict from, const float *restrict other, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] + 0.5f * other[i];
}

static void add_up(const float *from, size_t count)
{
    vector sum[8] = {{0}};
    for (size_t i = 0; i + 8 * LANES <= count; i += 8 * LANES)
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            sum[c] += *(const vector *)(const void *)(from + i + (size_t)c * LANES);
    sink = sum[0][0] + sum[1][0] + sum[2][0] + sum[3][0] + sum[4][0] + sum[5][0] + sum[6][0] + sum[7][0];
}

static void stream_piece(const work *w, size_t index)
{
    const size_t first = index * w->piece_floats, rest = w->floats - first;
    const size_t count = rest < w->piece_floats ? rest : w->piece_floats;
    if (w->kind == LOOPS_COPY)
        copy(w->to + first, w->from + first, count);
    else if (w->kind == LOOPS_TRIAD)
        triad(w->to + first, w->from + first, w->other + first, count);
    else
        add_up(w->from + first, count);
}

double loops_stream(loops_kind kind, int threads, float *to, const float *from, const float *other, size_t count)
{
    enum { PIECE_FLOATS = 1 << 18 };
    work w = {.piece = stream_piece,
              .count = (count + PIECE_FLOATS - 1) / PIECE_FLOATS,
              .kind = kind,
              .to = to,
              .from = from,
              .other = other,
              .floats = count,
              .piece_floats = PIECE_FLOATS};
    return run_threads(&w, threads);
}
