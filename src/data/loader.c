/* Worker threads take the next path each, decode and prepare it into a slot of a ring; the caller empties the ring in
 * order. */
#include "data/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"

enum {
    BATCHES_AHEAD = 2,
    AHEAD_BYTES = 512 << 20 /* what images that wait may take; one for each worker there is always */
};

typedef struct slot {
    bool done, good;
    thaw_image_error error;
    uint8_t *pixels; /* [height][width][3], in loader->slot_pixels */
} slot;

struct thaw_loader {
    thaw_context *context;
    thaw_loader_options options;
    size_t image_bytes;

    pthread_mutex_t mutex; /* guards what follows; the pixels of a slot belong to its worker until it is done */
    pthread_cond_t room;   /* a slot became free, or stop */
    pthread_cond_t ready;  /* the image that the caller waits for may be done */
    bool stop;
    size_t next_path; /* to be decoded */
    size_t consumed;  /* paths whose slots are free again */
    slot *slots;      /* path i is in slots[i % slot_count] */
    size_t slot_count;

    pthread_t *workers;
    size_t worker_count;
    uint8_t *slot_pixels;
    double wait_seconds;

    /* The batch handed out last. */
    uint8_t *pixels;
    size_t *index;
    size_t *bad_index;
    thaw_image_error *errors;
    size_t bad_index_capacity, errors_capacity;
};

static bool load(const thaw_loader *loader, size_t path, slot *into)
{
    thaw_image image;
    if (!thaw_image_read(loader->options.paths[path], &image, &into->error))
        return false;
    const bool ok = thaw_image_prepare(&image, &loader->options.preprocess, into->pixels, &into->error);
    free(image.pixels);
    return ok;
}

static void *work(void *argument)
{
    thaw_loader *loader = argument;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop && loader->next_path < loader->options.count) {
        if (loader->next_path - loader->consumed >= loader->slot_count) {
            pthread_cond_wait(&loader->room, &loader->mutex);
            continue;
        }
        const size_t path = loader->next_path++;
        slot *into = &loader->slots[path % loader->slot_count];
        pthread_mutex_unlock(&loader->mutex);
        const bool good = load(loader, path, into);
        pthread_mutex_lock(&loader->mutex);
        into->good = good;
        into->done = true;
        if (path == loader->consumed)
            pthread_cond_signal(&loader->ready);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* A couple of batches and what the workers have in hand, less if images are huge; no more than there are paths. */
static size_t slot_count(const thaw_loader *loader, size_t workers)
{
    size_t count = loader->options.batch_size * BATCHES_AHEAD + workers;
    const size_t affordable = AHEAD_BYTES / loader->image_bytes;
    count = count < affordable ? count : affordable;
    count = count > workers ? count : workers;
    return count < loader->options.count ? count : loader->options.count;
}

static thaw_status allocate(thaw_loader *loader, size_t workers)
{
    thaw_context *context = loader->context;
    const size_t slots = slot_count(loader, workers);
    THAW_TRY(thaw_allocate(context, slots, sizeof *loader->slots, &loader->slots));
    THAW_TRY(thaw_allocate(context, slots, loader->image_bytes, &loader->slot_pixels));
    THAW_TRY(thaw_allocate(context, loader->options.batch_size, loader->image_bytes, &loader->pixels));
    THAW_TRY(thaw_allocate(context, loader->options.batch_size, sizeof *loader->index, &loader->index));
    THAW_TRY(thaw_allocate(context, workers, sizeof *loader->workers, &loader->workers));
    for (size_t i = 0; i < slots; i++)
        loader->slots[i].pixels = loader->slot_pixels + i * loader->image_bytes;
    loader->slot_count = slots;
    return THAW_OK;
}

/* Signals are for the caller's threads. Fewer workers than wanted are enough. */
static thaw_status start(thaw_loader *loader, size_t workers)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (loader->worker_count < workers &&
           pthread_create(&loader->workers[loader->worker_count], NULL, work, loader) == 0)
        loader->worker_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (workers && !loader->worker_count)
        return thaw_fail(loader->context, THAW_ERR_MEMORY, "no thread could be started to decode images");
    return THAW_OK;
}

thaw_status thaw_loader_create(thaw_context *context, const thaw_loader_options *options, thaw_loader **loader)
{
    *loader = NULL;
    THAW_TRY(thaw_preprocess_check(context, &options->preprocess));
    if (options->batch_size == 0 || options->batch_size > INT32_MAX)
        return thaw_fail(context, THAW_ERR_USAGE, "a batch of %zu images", options->batch_size);
    thaw_loader *made;
    THAW_TRY(thaw_allocate(context, 1, sizeof *made, &made));
    made->context = context;
    made->options = *options;
    if (made->options.batch_size > options->count)
        made->options.batch_size = options->count;
    made->image_bytes = (size_t)options->preprocess.width * (size_t)options->preprocess.height * 3;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->room, NULL);
    pthread_cond_init(&made->ready, NULL);
    const size_t workers = thaw_parallel_workers(options->workers, options->count);
    thaw_status status = allocate(made, workers);
    if (status == THAW_OK)
        status = start(made, workers);
    if (status == THAW_OK)
        *loader = made;
    else
        thaw_loader_destroy(&made);
    return status;
}

/* The slot of the next path, once it is done. Called with the mutex held. */
static slot *wait_for_next(thaw_loader *loader)
{
    slot *next = &loader->slots[loader->consumed % loader->slot_count];
    if (next->done)
        return next;
    const double from = thaw_clock_seconds();
    while (!next->done)
        pthread_cond_wait(&loader->ready, &loader->mutex);
    loader->wait_seconds += thaw_clock_seconds() - from;
    return next;
}

static thaw_status add_bad(thaw_loader *loader, const slot *from, size_t path, thaw_image_batch *batch)
{
    const size_t needed = batch->bad_count + 1;
    THAW_TRY(thaw_reserve(loader->context, &loader->bad_index, &loader->bad_index_capacity, needed,
                          sizeof *loader->bad_index));
    THAW_TRY(thaw_reserve(loader->context, &loader->errors, &loader->errors_capacity, needed, sizeof *loader->errors));
    loader->bad_index[batch->bad_count] = path;
    loader->errors[batch->bad_count++] = from->error;
    return THAW_OK;
}

/* Moves one image into the batch and frees its slot. Copying is cheap beside decoding, and keeps batches without gaps
 * where images are bad. */
static thaw_status take(thaw_loader *loader, thaw_image_batch *batch)
{
    pthread_mutex_lock(&loader->mutex);
    slot *from = wait_for_next(loader);
    pthread_mutex_unlock(&loader->mutex);
    const size_t path = loader->consumed;
    thaw_status status = THAW_OK;
    if (from->good) {
        memcpy(loader->pixels + batch->count * loader->image_bytes, from->pixels, loader->image_bytes);
        loader->index[batch->count++] = path;
    } else {
        status = add_bad(loader, from, path, batch);
    }
    pthread_mutex_lock(&loader->mutex);
    from->done = false;
    loader->consumed++;
    pthread_cond_signal(&loader->room);
    pthread_mutex_unlock(&loader->mutex);
    return status;
}

thaw_status thaw_loader_next(thaw_loader *loader, thaw_image_batch *batch)
{
    *batch = (thaw_image_batch){0};
    while (batch->count < loader->options.batch_size && loader->consumed < loader->options.count)
        THAW_TRY(take(loader, batch));
    batch->pixels = loader->pixels;
    batch->index = loader->index;
    batch->bad_index = loader->bad_index;
    batch->errors = loader->errors;
    return THAW_OK;
}

double thaw_loader_wait_seconds(const thaw_loader *loader)
{
    return loader->wait_seconds;
}

void thaw_loader_destroy(thaw_loader **loader)
{
    if (!loader || !*loader)
        return;
    thaw_loader *old = *loader;
    pthread_mutex_lock(&old->mutex);
    old->stop = true;
    pthread_cond_broadcast(&old->room);
    pthread_mutex_unlock(&old->mutex);
    for (size_t i = 0; i < old->worker_count; i++)
        pthread_join(old->workers[i], NULL);
    pthread_cond_destroy(&old->ready);
    pthread_cond_destroy(&old->room);
    pthread_mutex_destroy(&old->mutex);
    free(old->errors);
    free(old->bad_index);
    free(old->index);
    free(old->pixels);
    free(old->workers);
    free(old->slot_pixels);
    free(old->slots);
    free(old);
    *loader = NULL;
}
