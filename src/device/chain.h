/* Chains: kernels of pieces (PIECES in cl/common.clh) that follow each other, in one launch. Between two launches a
 * driver for CPUs leaves cores idle: PoCL 3.1 for 20 to 30 us on two cores, as long as a small layer takes. In a chain
 * a core that finds no more pieces of a kernel waits for those that others work on, and goes on to the next kernel.
 *
 * A core waits for pieces only that have been taken, by others that run: no chain can get stuck, however many of the
 * launch's work-items run at the same time. */
#ifndef THAW_DEVICE_CHAIN_H
#define THAW_DEVICE_CHAIN_H

#include "base/text.h"
#include "device/device_private.h"

enum {
    THAW_CHAIN_ARGUMENTS = 36, /* of a kernel, at most */
    THAW_CHAIN_BUFFERS = 112,  /* of a chain; with them its arguments stay below the 1024 bytes that devices take */
    THAW_CHAIN_HEAD = 5,       /* a row of the table: part, pieces before it, its pieces' three counts; */
    THAW_CHAIN_INTS = 48,      /* then the arguments: buffers by number (-1: none), longs as two ints */
};

/* A kernel in chains: its code, and what its arguments are. */
typedef struct thaw_chain_part {
    thaw_kernel *kernel;
    size_t count;
    char kinds[THAW_CHAIN_ARGUMENTS + 1]; /* b: buffer, i: int, l: long, f: float */
} thaw_chain_part;

/* Takes a launch, to be run later, if it can: not where no chain is open, nor where what was taken leaves no room. */
bool thaw_chain_take(thaw_kernel *kernel, const size_t pieces[3], const thaw_argument *arguments, size_t count);
/* Queues what was taken. Before anything else is queued. */
THAW_MUST_CHECK thaw_status thaw_chain_flush(thaw_device *device);
void thaw_chains_release(thaw_device *device);

/* The source of a kernel "chain" for these parts, to be freed with thaw_text_free(): part i where its bit in `wanted`
 * is set. Its arguments: the table of THAW_CHAIN_INTS ints a row, how many rows, the tickets, the first one,
 * THAW_CHAIN_BUFFERS buffers. */
THAW_MUST_CHECK thaw_status thaw_chain_source(thaw_device *device, const thaw_chain_part *parts, size_t count,
                                              uint64_t wanted, thaw_text *text);

#endif
