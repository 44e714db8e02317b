#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/context.h"
#include "base/memory.h"

enum { MAX_WORKERS = 256, TELL_NANOSECONDS = 100000000 };

typedef struct loop {
    const thaw_parallel *of;
    atomic_size_t next, done;
    atomic_bool stop;
    pthread_mutex_t mutex; /* guards working */
    pthread_cond_t ended;
    size_t working;
} loop;

static void *work(void *argument)
{
    loop *l = argument;
    for (size_t i; !atomic_load(&l->stop) && (i = atomic_fetch_add(&l->next, 1)) < l->of->count;) {
        l->of->turn(l->of->user, i);
        atomic_fetch_add(&l->done, 1);
    }
    pthread_mutex_lock(&l->mutex);
    if (--l->working == 0)
        pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

size_t thaw_parallel_workers(size_t wanted, size_t count)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t workers = wanted ? wanted : processors > 0 ? (size_t)processors : 1;
    workers = workers < MAX_WORKERS ? workers : MAX_WORKERS;
    return workers < count ? workers : count;
}

/* Signals are for the caller's threads. */
static size_t start(loop *l, pthread_t *threads, size_t wanted)
{
    sigset_t all, before;
    size_t started = 0;
    l->working = wanted;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && pthread_create(&threads[started], NULL, work, l) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&l->mutex);
    l->working -= wanted - started;
    pthread_mutex_unlock(&l->mutex);
    return started;
}

/* Until the threads have ended; looks up now and then. */
static void wait(loop *l, thaw_context *context)
{
    pthread_mutex_lock(&l->mutex);
    while (l->working > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TELL_NANOSECONDS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&l->ended, &l->mutex, &until);
        pthread_mutex_unlock(&l->mutex);
        if (thaw_context_interrupted(context))
            atomic_store(&l->stop, true);
        if (l->of->tell)
            l->of->tell(l->of->user, atomic_load(&l->done));
        pthread_mutex_lock(&l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
}

static thaw_status run(loop *l, thaw_context *context, pthread_t *threads)
{
    const size_t started = start(l, threads, thaw_parallel_workers(l->of->workers, l->of->count));
    if (!started && l->of->count)
        return thaw_fail(context, THAW_ERR_MEMORY, "no thread could be started");
    wait(l, context);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    const size_t done = atomic_load(&l->done);
    if (done < l->of->count)
        return thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped after %zu of %zu", done, l->of->count);
    return THAW_OK;
}

thaw_status thaw_parallel_run(thaw_context *context, const thaw_parallel *parallel)
{
    pthread_t *threads;
    THAW_TRY(
        thaw_allocate(context, thaw_parallel_workers(parallel->workers, parallel->count), sizeof *threads, &threads));
    loop l = {.of = parallel};
    atomic_init(&l.next, 0);
    atomic_init(&l.done, 0);
    atomic_init(&l.stop, thaw_context_interrupted(context));
    pthread_mutex_init(&l.mutex, NULL);
    pthread_cond_init(&l.ended, NULL);
    const thaw_status status = run(&l, context, threads);
    pthread_cond_destroy(&l.ended);
    pthread_mutex_destroy(&l.mutex);
    free(threads);
    return status;
}
