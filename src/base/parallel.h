/* A loop whose turns don't depend on each other, on several threads. */
#ifndef THAW_BASE_PARALLEL_H
#define THAW_BASE_PARALLEL_H

#include <stddef.h>
#include <thaw/status.h>

typedef struct thaw_parallel {
    size_t count;
    size_t workers;                         /* threads; 0: one per processor */
    void (*turn)(void *user, size_t index); /* on any of them, once for each index, in about that order */
    void (*tell)(void *user, size_t done);  /* on the caller's, a few times a second and at the end; may be NULL */
    void *user;
} thaw_parallel;

/* Returns when all turns are over; what they wrote is then seen by the caller. THAW_ERR_INTERRUPTED when the context
 * was asked to stop, some turns not begun; THAW_ERR_MEMORY if no thread can be started. */
THAW_MUST_CHECK thaw_status thaw_parallel_run(thaw_context *context, const thaw_parallel *parallel);
/* How many threads for `count` turns, where so many are wanted; 0: one per processor. */
size_t thaw_parallel_workers(size_t wanted, size_t count);

#endif
